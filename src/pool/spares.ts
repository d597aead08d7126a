/** Started children that serve nobody yet, so that the next one who needs a child has it at once. */
import { asBridgeError, type BridgeError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type Child, type ChildOwner, NOBODY } from './child.ts';

export interface SparesDeps {
  readonly server: string;
  readonly max: number;
  /** A spare is of the legacy era, its ping has told the server so: where that is refused there is none. */
  readonly isWanted: () => boolean;
  readonly start: (owner: ChildOwner) => Promise<Child>;
  /** It answered. */
  readonly answered: () => void;
  readonly failed: (child: Child, error: BridgeError) => void;
  readonly log: Pick<Logger, 'debug'>;
}

export class Spares {
  readonly #deps: SparesDeps;
  readonly #spares = new Set<Child>();
  #starting = 0;

  constructor(deps: SparesDeps) {
    this.#deps = deps;
  }

  /** Undefined when there is none. Another one is started in its place. */
  take(): Child | undefined {
    this.#forgetDead();
    const [spare] = this.#spares;
    if (spare === undefined) return undefined;
    this.#spares.delete(spare);
    this.fill();
    return spare;
  }

  /** Brings them up to their number. */
  fill(): void {
    const { server, max, isWanted, log } = this.#deps;
    if (!isWanted()) return;
    this.#forgetDead();
    const missing = max - this.#spares.size - this.#starting;
    for (let i = 0; i < missing; i++) {
      this.#starting++;
      this.#start()
        .catch((error: unknown) => log.debug({ server, err: error }, 'no spare'))
        .finally(() => {
          this.#starting--;
        });
    }
  }

  /** Ends them all. */
  dismiss(): void {
    for (const spare of this.#spares) void spare.close();
    this.#spares.clear();
  }

  /** One is ready when it answers a ping, the one request that is allowed before `initialize`. */
  async #start(): Promise<void> {
    const child = await this.#deps.start(NOBODY);
    try {
      await child.ask('ping', undefined);
    } catch (error) {
      this.#deps.failed(child, asBridgeError(error));
      throw error;
    }
    this.#deps.answered();
    if (this.#deps.isWanted()) this.#spares.add(child);
    else void child.close();
  }

  #forgetDead(): void {
    for (const spare of this.#spares) if (spare.connection.isClosed) this.#spares.delete(spare);
  }
}
