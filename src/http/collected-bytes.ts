/**
 * The bytes of a body that comes in several pieces. What is large is put into its place as it comes: pieces that are
 * kept until the last one are copied together in one turn of the event loop, and leave the garbage collector as much
 * to find as the body had.
 */
import { Buffer } from 'node:buffer';
import { LARGE_MESSAGE_BYTES } from '../protocol/large.ts';
import { free } from '../protocol/own-bytes.ts';

export class CollectedBytes {
  /** How many there will be, if that was said and is to be believed. */
  readonly #expected: number;
  #pieces: Uint8Array[] = [];
  /** In place of `#pieces` once they are large. */
  #whole: Uint8Array<ArrayBuffer> | undefined;
  #size = 0;

  constructor(expected = 0) {
    this.#expected = expected;
  }

  get size(): number {
    return this.#size;
  }

  /** Copies them. */
  add(bytes: Uint8Array): void {
    const start = this.#size;
    this.#size += bytes.byteLength;
    if (this.#size <= LARGE_MESSAGE_BYTES) {
      this.#pieces.push(Buffer.from(bytes));
      return;
    }
    this.#place(this.#size).set(bytes, start);
  }

  /** All of them. Large ones fill an ArrayBuffer of their own if their number was known. */
  whole(): Uint8Array {
    return this.#whole?.subarray(0, this.#size) ?? Buffer.concat(this.#pieces, this.#size);
  }

  /** Gives back their memory: nobody wants them any more. */
  discard(): void {
    this.#pieces = [];
    if (this.#whole !== undefined) free(this.#whole.buffer);
    this.#whole = undefined;
  }

  /** With room for `size`, and with what was there before. */
  #place(size: number): Uint8Array<ArrayBuffer> {
    const before = this.#whole;
    if (before !== undefined && size <= before.byteLength) return before;
    // Not zeroed: all of it is written before it is read.
    const { buffer } = Buffer.allocUnsafeSlow(Math.max(size, this.#expected, 2 * (before?.byteLength ?? 0)));
    const place = new Uint8Array(buffer);
    let at = 0;
    for (const piece of before === undefined ? this.#pieces : [before]) {
      place.set(piece, at);
      at += piece.byteLength;
    }
    if (before !== undefined) free(before.buffer);
    this.#pieces = [];
    this.#whole = place;
    return place;
  }
}
