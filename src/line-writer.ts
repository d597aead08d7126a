/**
 * Appends whole lines to a file descriptor that other processes append to as well, without blocking the event loop.
 * Owns the waiting lines and what happens when nobody takes them; knows nothing of what a line says.
 *
 * sonic-boom, which pino brings, does the same, but its flushSync (used for fatal lines and at exit) retries every
 * error for ever: with a full disk or a closed pipe the process would hang instead of ending.
 */
import { write, writeSync } from 'node:fs';

export interface LineWriter {
  /** Takes one line with its line feed. */
  write(line: string): void;
  /** Resolves when everything taken so far was written, or cannot be now. Never rejects. */
  flush(): Promise<void>;
  /** Writes now what waits; lines that are being written this moment may come after it. Never throws. */
  flushSync(): void;
}

export interface LineWriterOptions {
  /** Lines are joined up to this; a longer line is still written at once. */
  readonly maxWriteBytes: number;
  /** Lines beyond it are dropped rather than memory filled, when a reader stalls or a disk is full. */
  readonly maxWaitingBytes: number;
  /** Called each time a line is dropped or a write failed (what could not be written is tried again with the next line). */
  readonly onTrouble: (what: string) => void;
  /** Called before a write, while none is under way: the descriptor to use from now on, instead of the given one. */
  readonly follow?: (fd: number) => number;
}

/** Between two tries on a full pipe. */
const RETRY_MS = 10;
/** How long flushSync tries on a full pipe; nothing else runs meanwhile. */
const SYNC_TRIES = 100;

export function createLineWriter(firstFd: number, options: LineWriterOptions): LineWriter {
  const { maxWriteBytes, maxWaitingBytes, onTrouble, follow } = options;
  let fd = firstFd;
  const waiting: Batch[] = [];
  let waitingBytes = 0;
  let writing = false;
  /** The reader has closed the pipe: there is no use in waiting. */
  let gone = false;
  const flushing: (() => void)[] = [];
  const settle = (): void => {
    for (const resolve of flushing.splice(0)) resolve();
  };

  const failed = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') {
      gone = true;
      waiting.length = 0;
    }
    onTrouble(error.message);
  };

  const pump = (): void => {
    const batch = waiting.shift();
    if (batch === undefined) {
      settle();
      return;
    }
    writing = true;
    // Not between the halves of a write that was cut: a line stays in one file.
    if (batch.isWhole && follow !== undefined) fd = follow(fd);
    const bytes = batch.bytes();
    const attempt = (): void => {
      write(fd, bytes, 0, bytes.length, null, (error, written) => {
        if (error?.code === 'EAGAIN') return void setTimeout(attempt, RETRY_MS);
        writing = false;
        if (error !== null) {
          waiting.unshift(new Batch(bytes));
          failed(error);
          return settle();
        }
        waitingBytes -= written;
        if (written < bytes.length) waiting.unshift(new Batch(bytes.subarray(written)));
        pump();
      });
    };
    attempt();
  };

  return {
    write: (line) => {
      if (gone) return;
      const bytes = Buffer.byteLength(line);
      if (waitingBytes + bytes > maxWaitingBytes) return onTrouble('it takes them too slowly');
      waitingBytes += bytes;
      if (!waiting.at(-1)?.join(line, bytes, maxWriteBytes)) waiting.push(new Batch(line, bytes));
      if (!writing) pump();
    },
    flush: () =>
      new Promise((resolve) => {
        flushing.push(resolve);
        if (!writing) pump();
      }),
    flushSync: () => {
      let tries = 0;
      while (waiting.length > 0) {
        const bytes = (waiting.shift() as Batch).bytes();
        let written = 0;
        try {
          written = writeSync(fd, bytes);
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          if (code !== 'EAGAIN' || ++tries > SYNC_TRIES) {
            waiting.unshift(new Batch(bytes));
            return failed(error as NodeJS.ErrnoException);
          }
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
        }
        waitingBytes -= written;
        if (written < bytes.length) waiting.unshift(new Batch(bytes.subarray(written)));
      }
    },
  };
}

/** Whole lines that go out in one write, or the rest of such a write. */
class Batch {
  #content: string | Uint8Array;
  #length: number;

  constructor(content: string | Uint8Array, length = content.length) {
    this.#content = content;
    this.#length = length;
  }

  /** False for what is left of a write, or is tried again. */
  get isWhole(): boolean {
    return typeof this.#content === 'string';
  }

  /** Adds a line; false when it does not fit. */
  join(line: string, bytes: number, maxBytes: number): boolean {
    if (typeof this.#content !== 'string' || this.#length + bytes > maxBytes) return false;
    this.#content += line;
    this.#length += bytes;
    return true;
  }

  bytes(): Uint8Array {
    return typeof this.#content === 'string' ? Buffer.from(this.#content) : this.#content;
  }
}
