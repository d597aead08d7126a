/**
 * Cuts a byte stream into lines. Owns the bytes of the unfinished line and nothing else; a line longer than the
 * limit is an error, found before it fills the memory.
 */
import { Buffer, isAscii } from 'node:buffer';
import { LARGE_MESSAGE_BYTES } from '../protocol/large.ts';
import { textOf } from '../protocol/utf8.ts';

const LF = 0x0a;
const CR = 0x0d;

export interface LineListener {
  /** A line without its end. */
  line(text: string): void;
  /** A line of more than LARGE_MESSAGE_BYTES as it came, perhaps with a CR at its end. Without this it is a text too. */
  largeLine?(parts: readonly Buffer[]): void;
  /** So many bytes came without an end. */
  tooLong(bytes: number): void;
}

export class LineSplitter {
  readonly #maxBytes: number;
  readonly #listener: LineListener;
  #parts: Buffer[] = [];
  #partBytes = 0;

  constructor(maxBytes: number, listener: LineListener) {
    this.#maxBytes = maxBytes;
    this.#listener = listener;
  }

  push(chunk: Buffer): void {
    // One look for all lines of the chunk, and no object for each.
    const encoding = isAscii(chunk) ? 'latin1' : 'utf8';
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      if (this.#partBytes + end - start > LARGE_MESSAGE_BYTES) this.#emitLarge(chunk.subarray(start, end));
      else if (this.#partBytes > 0) this.#emit(textOf(this.#join(chunk.subarray(start, end))));
      else this.#emit(chunk.toString(encoding, start, end));
      start = end + 1;
    }
    if (start === chunk.length) return;
    this.#parts.push(start === 0 ? chunk : chunk.subarray(start));
    this.#partBytes += chunk.length - start;
    if (this.#partBytes > this.#maxBytes) {
      this.#listener.tooLong(this.#partBytes);
      this.#parts = [];
      this.#partBytes = 0;
    }
  }

  /** What stands there without a line end, for the log when the stream ended. */
  rest(): Buffer {
    return this.#join(Buffer.alloc(0));
  }

  #emitLarge(last: Buffer): void {
    if (this.#listener.largeLine === undefined) {
      this.#emit(textOf(this.#join(last)));
      return;
    }
    const parts = [...this.#parts, last];
    this.#parts = [];
    this.#partBytes = 0;
    this.#listener.largeLine(parts);
  }

  #join(last: Buffer): Buffer {
    const line = Buffer.concat([...this.#parts, last], this.#partBytes + last.length);
    this.#parts = [];
    this.#partBytes = 0;
    return line;
  }

  #emit(text: string): void {
    if (text === '') return;
    const line = text.charCodeAt(text.length - 1) === CR ? text.slice(0, -1) : text;
    if (line !== '') this.#listener.line(line);
  }
}
