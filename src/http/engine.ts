/**
 * The small interface behind which uWebSockets.js and node:http are the same thing. Routes never see it: they
 * see an Exchange, the only user of a RawResponse.
 */

import type { HeaderList } from './header-list.ts';

/** Request line and header fields together; more is answered 431. */
export const MAX_HEAD_BYTES = 16 * 1024;

export interface RawRequest {
  /** As sent: methods are case-sensitive. */
  readonly method: string;
  /** As sent: not decoded, without the query. */
  readonly path: string;
  /** What follows `?`, without it; empty when there is none. */
  readonly query: string;
  readonly headers: HeaderList;
  /** Address of the peer of this TCP connection, in text. */
  readonly peerAddress: string;
}

export type Chunk = string | Uint8Array;

/**
 * Answer headers, in the order in which they are sent. Shared constants where possible: they cost nothing. No value
 * may hold a line break; who puts a client's text into one has checked it, because uWebSockets.js does not.
 */
export type HeaderPairs = readonly (readonly [name: string, value: string])[];

/** What a request's client does while its answer is in the making. */
export interface ResponseListener {
  /** It is gone; nothing follows. */
  aborted(): void;
  /** A part of the body came; `bytes` is valid only during the call. */
  received(bytes: Uint8Array, last: boolean): void;
}

/** What stands before an answer's body. */
export interface AnswerHead {
  readonly status: number;
  readonly requestId: string;
  /** What the route says, and what the gate says to a page of another origin. */
  readonly headers: HeaderPairs;
  readonly corsHeaders: HeaderPairs;
  /** `Connection: close`. */
  readonly closing: boolean;
}

/**
 * One answer in the making. After the client is gone or the answer ended, every method is a no-op: neither engine
 * throws or terminates on a late call.
 */
export interface RawResponse {
  /** Once, in the tick in which the request came. */
  listen(listener: ResponseListener): void;
  /** From now on the body comes to the listener. Once, in the tick in which the request came. */
  receive(): void;
  /** The whole answer at once; large bodies are sent as the client takes them. A closing one closes afterwards. */
  end(head: AnswerHead, body: Chunk | readonly Chunk[]): void;
  /**
   * Begins an answer of unknown length. The head may wait for the first `write`. After a closing one uWebSockets.js
   * leaves closing to the client and to its idle timeout.
   */
  begin(head: AnswerHead): void;
  /** Sends a part of it, or keeps it until the client takes more. */
  write(chunk: Chunk): void;
  /** Bytes written but not yet taken by the client. */
  readonly buffered: number;
  /** Ends an answer begun with `begin`. */
  finish(): void;
  /** Cuts the connection. */
  cut(): void;
}

export type RequestHandler = (request: RawRequest, response: RawResponse) => void;

export interface Listener {
  readonly port: number;
  /** No new connections; those that exist go on. */
  stopAccepting(): void;
  /** Cuts all that is left. */
  close(): void;
}

export interface HttpEngine {
  readonly name: 'uws' | 'node';
  /** Rejects with a sentence that names host and port when it cannot listen. */
  listen(address: { host: string; port: number }, handler: RequestHandler): Promise<Listener>;
}
