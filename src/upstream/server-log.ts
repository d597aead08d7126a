/**
 * What one server makes the bridge log: so many lines of a kind in a while, then their number alone. A server that
 * prints without end would else fill the disk, and push out of the log what others have to say.
 */
import type { Logger } from '../log.ts';

const WHILE_MS = 10_000;
const MAX_LINES = 200;

export class ServerLog {
  readonly #log: Logger;
  readonly #server: string;
  /** By what the lines say. */
  readonly #counts = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Logger, server: string) {
    this.#log = log;
    this.#server = server;
  }

  debug(fields: object, message: string): void {
    if (this.#takes(message)) this.#log.debug({ server: this.#server, ...fields }, message);
  }

  info(fields: object, message: string): void {
    if (this.#takes(message)) this.#log.info({ server: this.#server, ...fields }, message);
  }

  warn(fields: object, message: string): void {
    if (this.#takes(message)) this.#log.warn({ server: this.#server, ...fields }, message);
  }

  /** Tells what was left out so far; the next line begins anew. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [what, count] of this.#counts) {
      const lines = count - MAX_LINES;
      if (lines > 0) this.#log.warn({ server: this.#server, what, lines }, 'lines left out');
    }
    this.#counts.clear();
  }

  #takes(message: string): boolean {
    this.#timer ??= setTimeout(() => this.close(), WHILE_MS).unref();
    const count = (this.#counts.get(message) ?? 0) + 1;
    this.#counts.set(message, count);
    return count <= MAX_LINES;
  }
}
