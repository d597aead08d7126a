/**
 * Cuts a byte stream into lines. Owns the bytes of the unfinished line and nothing else; a line longer than the
 * limit is an error, found before it fills the memory.
 */
import { LARGE_MESSAGE_BYTES } from '../protocol/large.ts';

const LF = 0x0a;
const CR = 0x0d;

export interface LineListener {
  /** A line without its end; the bytes are valid only during the call. */
  line(bytes: Buffer): void;
  /** A line of more than LARGE_MESSAGE_BYTES as it came, perhaps with a CR at its end. Without this it is put together. */
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
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      const piece = chunk.subarray(start, end);
      start = end + 1;
      if (this.#partBytes === 0) this.#emit(piece);
      else this.#emitParts(piece);
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

  #emitParts(last: Buffer): void {
    if (this.#listener.largeLine === undefined || this.#partBytes + last.length <= LARGE_MESSAGE_BYTES) {
      this.#emit(this.#join(last));
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

  #emit(line: Buffer): void {
    if (line.length === 0) return;
    if (line[line.length - 1] !== CR) this.#listener.line(line);
    else if (line.length > 1) this.#listener.line(line.subarray(0, -1));
  }
}
