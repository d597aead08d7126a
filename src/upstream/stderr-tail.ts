/**
 * A child's stderr: each line to the log, the last few kept for the error that may follow.
 */
import { LineSplitter } from './lines.ts';

const KEPT_LINES = 10;
const MAX_LINE_CHARS = 500;
const MAX_LINE_BYTES = 65_536;

export class StderrTail {
  readonly #splitter: LineSplitter;
  readonly #kept: string[] = [];

  constructor(log: (line: string) => void) {
    const take = (text: string): void => {
      const line = text.length > MAX_LINE_CHARS ? `${text.slice(0, MAX_LINE_CHARS)}…` : text;
      this.#kept.push(line);
      if (this.#kept.length > KEPT_LINES) this.#kept.shift();
      log(line);
    };
    this.#splitter = new LineSplitter(MAX_LINE_BYTES, {
      line: take,
      tooLong: (bytes) => take(`(${bytes} bytes without a line end)`),
    });
  }

  push(chunk: Buffer): void {
    this.#splitter.push(chunk);
  }

  /** As the end of a sentence; empty when the child said nothing. */
  quoted(): string {
    const rest = this.#splitter.rest();
    if (rest.length > 0) this.#splitter.push(Buffer.concat([rest, Buffer.from('\n')]));
    return this.#kept.length === 0 ? '' : ` Its last stderr lines: ${this.#kept.join(' | ')}`;
  }
}
