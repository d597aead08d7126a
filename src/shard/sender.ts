/**
 * Sends the parts of one stream as far as the other side has taken the earlier ones, so that one large answer or
 * one slow client leaves room on the socket for all the others.
 */
import { Buffer } from 'node:buffer';
import type { Chunk } from '../http/engine.ts';

const WINDOW_BYTES = 262_144;
const PART_BYTES = 65_536;

export class WindowedSender {
  readonly #send: (part: Uint8Array) => void;
  readonly #finished: () => void;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #credit = WINDOW_BYTES;
  #ending = false;
  #ended = false;

  /** `send` gets parts of at most 64 KiB; `finished` is called once, after the last one. */
  constructor(send: (part: Uint8Array) => void, finished: () => void) {
    this.#send = send;
    this.#finished = finished;
  }

  /** Bytes that wait for credit. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  write(chunk: Chunk): void {
    if (this.#ending) return;
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.byteLength;
    this.#pump();
  }

  end(): void {
    this.#ending = true;
    this.#pump();
  }

  /** The other side took `bytes` more. */
  credit(bytes: number): void {
    this.#credit += bytes;
    this.#pump();
  }

  #pump(): void {
    while (this.#credit > 0) {
      const first = this.#queue[0];
      if (first === undefined) break;
      const part = first.subarray(0, Math.min(first.byteLength, this.#credit, PART_BYTES));
      if (part.byteLength === first.byteLength) this.#queue.shift();
      else this.#queue[0] = first.subarray(part.byteLength);
      this.#queuedBytes -= part.byteLength;
      this.#credit -= part.byteLength;
      this.#send(part);
    }
    if (!this.#ending || this.#ended || this.#queue.length > 0) return;
    this.#ended = true;
    this.#finished();
  }
}
