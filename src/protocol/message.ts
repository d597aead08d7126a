/**
 * A JSON-RPC message as text, and where in it the few things stand that a bridge must know or change. Messages
 * pass through with their id (and progress token) replaced in the text: nothing is parsed and stringified again,
 * so large integers, key order and escapes arrive exactly as they were sent.
 *
 * JSON-RPC 2.0, sections 4 to 6; MCP basic protocol, "Messages".
 */
import type { Chunk } from '../http/engine.ts';
import type { Span } from './json-text.ts';

type MessageKind = 'request' | 'notification' | 'result' | 'error';

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
  /**
   * What ties a message to a request, as JSON text: the progress token that a request asks for (`params._meta`),
   * that of `notifications/progress`, or the `requestId` of `notifications/cancelled`.
   */
  readonly token: string | undefined;
  /** Where id and token stand in `text`: characters of a string, bytes of a Uint8Array. */
  readonly idSpan: Span | undefined;
  readonly tokenSpan: Span | undefined;
  /** `params._meta` names a protocol version: a request of 2026-07-28 or later, which says so in every message. */
  readonly isModern: boolean;
  /** Where the value of `params`, `result` or `error` stands. */
  readonly payloadSpan: Span | undefined;
  /** Where the value of `params._meta` stands. */
  readonly metaSpan: Span | undefined;
}

/**
 * The message's text with another id, and another progress token where it has one. `id` and `token` are JSON text.
 * A large message keeps its bytes: the parts are slices of them.
 */
export function rewrite(message: Message, id: string, token: string | undefined): Chunk | readonly Chunk[] {
  const { idSpan, tokenSpan } = message;
  if (token === undefined || tokenSpan === undefined)
    return idSpan ? splice(message.text, idSpan, id) : message.text;
  if (idSpan === undefined) return splice(message.text, tokenSpan, token);
  const { text } = message;
  const idFirst = idSpan.start < tokenSpan.start;
  const [first, second] = idFirst ? [idSpan, tokenSpan] : [tokenSpan, idSpan];
  const [one, two] = idFirst ? [id, token] : [token, id];
  if (typeof text === 'string') {
    return (
      text.slice(0, first.start) + one + text.slice(first.end, second.start) + two + text.slice(second.end)
    );
  }
  return [
    text.subarray(0, first.start),
    one,
    text.subarray(first.end, second.start),
    two,
    text.subarray(second.end),
  ];
}

function splice(text: Chunk, { start, end }: Span, value: string): Chunk | readonly Chunk[] {
  if (typeof text === 'string') return text.slice(0, start) + value + text.slice(end);
  return [text.subarray(0, start), value, text.subarray(end)];
}

/** `params`, `result` or `error` as it stands in the message; undefined when there is none. */
export function payloadOf({ text, payloadSpan }: Message): Chunk | undefined {
  if (payloadSpan === undefined) return undefined;
  const { start, end } = payloadSpan;
  return typeof text === 'string' ? text.slice(start, end) : text.subarray(start, end);
}

/** The same, parsed; `{}` when there is none. For the few messages that the bridge itself has to understand. */
export function parsePayload(message: Message): Record<string, unknown> {
  const payload = payloadOf(message);
  if (payload === undefined) return {};
  return JSON.parse(typeof payload === 'string' ? payload : new TextDecoder().decode(payload));
}
