/**
 * A JSON-RPC message as text, and where in it the few things stand that a bridge must know or change. Messages
 * pass through with their id (and progress token) replaced in the text: nothing is parsed and stringified again,
 * so large integers, key order and escapes arrive exactly as they were sent.
 */
import type { Chunk } from '../http/engine.ts';

/** Where a value stands in the message's text: characters of a string, bytes of a Uint8Array. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type MessageKind = 'request' | 'notification' | 'result' | 'error';

export interface Message {
  readonly kind: MessageKind;
  /** One line. A string, or bytes when the message is too large for the event loop (see workers/messages.ts). */
  readonly text: Chunk;
  /** Empty for results and errors. */
  readonly method: string;
  /** The id as JSON text (`1`, `"a"`), type kept; undefined for notifications, and for errors with a null id. */
  readonly id: string | undefined;
  /** `params.name`, else `params.uri`: what a call is about. */
  readonly target: string | undefined;
  /** The progress token as JSON text: of a request (`params._meta`) or of `notifications/progress` (`params`). */
  readonly token: string | undefined;
  readonly idSpan: Span | undefined;
  readonly tokenSpan: Span | undefined;
}
