/**
 * Cuts a byte stream into lines. Owns the bytes of the unfinished line and nothing else; a line longer than the
 * limit is an error, found before it fills the memory.
 */
const LF = 0x0a;
const CR = 0x0d;

export class LineSplitter {
  readonly #maxBytes: number;
  readonly #line: (bytes: Buffer) => void;
  readonly #tooLong: (bytes: number) => void;
  #parts: Buffer[] = [];
  #partBytes = 0;

  /** `line` gets each line without its end; the bytes are valid only during the call. */
  constructor(maxBytes: number, line: (bytes: Buffer) => void, tooLong: (bytes: number) => void) {
    this.#maxBytes = maxBytes;
    this.#line = line;
    this.#tooLong = tooLong;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      const piece = chunk.subarray(start, end);
      start = end + 1;
      this.#emit(this.#partBytes === 0 ? piece : this.#join(piece));
    }
    if (start === chunk.length) return;
    this.#parts.push(start === 0 ? chunk : chunk.subarray(start));
    this.#partBytes += chunk.length - start;
    if (this.#partBytes > this.#maxBytes) {
      this.#tooLong(this.#partBytes);
      this.#parts = [];
      this.#partBytes = 0;
    }
  }

  /** What stands there without a line end, for the log when the stream ended. */
  rest(): Buffer {
    return this.#join(Buffer.alloc(0));
  }

  #join(last: Buffer): Buffer {
    const line = Buffer.concat([...this.#parts, last], this.#partBytes + last.length);
    this.#parts = [];
    this.#partBytes = 0;
    return line;
  }

  #emit(line: Buffer): void {
    if (line.length === 0) return;
    if (line[line.length - 1] !== CR) this.#line(line);
    else if (line.length > 1) this.#line(line.subarray(0, -1));
  }
}
