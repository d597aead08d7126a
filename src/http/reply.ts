/**
 * What a route answers through, whether the client's connection is in this worker (Exchange) or in another one
 * (a stream of the relay). Exactly one of `send` or `open … end` is used; calls after the end are no-ops.
 */
import type { Chunk, HeaderPairs } from './engine.ts';

export interface Reply {
  /** Named in the answer's `X-Request-Id` and in every log line about this request. */
  readonly requestId: string;
  /** `open` until something is sent, `streaming` after `open`, `done` after the end or when the client went away. */
  readonly state: 'open' | 'streaming' | 'done';
  /** The whole answer. */
  send(status: number, headers: HeaderPairs, body: Chunk | readonly Chunk[]): void;
  /** Begins a stream. */
  open(status: number, headers: HeaderPairs): void;
  /** Sends a part of it. A client that does not take what it is sent is cut off at a bound. */
  write(chunk: Chunk | readonly Chunk[]): void;
  end(): void;
  /** Called once when the client went away before the answer's end; at once when it already has. At most one listener. */
  onAbort(listener: () => void): void;
}

/** Bytes that may wait for a slow reader of a stream; beyond them it is cut off. */
export const MAX_BUFFERED_BYTES = 16_777_216;

export const JSON_HEADERS: HeaderPairs = [['Content-Type', 'application/json']];
export const TEXT_HEADERS: HeaderPairs = [['Content-Type', 'text/plain; charset=utf-8']];
export const NO_HEADERS: HeaderPairs = [];
export const SSE_HEADERS: HeaderPairs = [
  ['Content-Type', 'text/event-stream'],
  ['Cache-Control', 'no-cache, no-transform'],
  ['X-Accel-Buffering', 'no'],
];
