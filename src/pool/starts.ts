/**
 * Every child of one server whose processes exist, whoever uses it, and whether one more may be started: the breaker
 * says so, and the fleet, which counts the children of the whole bridge. Knows nothing of what they are for.
 */
import type { ServerDefinition } from '../config/settings.ts';
import { now } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import { Breaker, type BreakerState } from './breaker.ts';
import {
  Child,
  type ChildOwner,
  type ChildPlaces,
  type ChildState,
  type ChildSurroundings,
} from './child.ts';
import type { Recorder } from './recorder.ts';

export interface StartsDeps extends ChildSurroundings, ChildPlaces {
  readonly recorder: Recorder;
}

export interface ServerStatus {
  readonly children: Readonly<Record<ChildState, number>>;
  readonly breaker: BreakerState;
  readonly lastError: string | undefined;
}

/** What was in hand at the deadline may have been carried out: neither 503 nor 404, after which clients send it again. */
export const cutOff = (): BridgeError =>
  new BridgeError('worker_died', 'This worker had to stop before there was an answer.');

export class Starts {
  readonly #deps: StartsDeps;
  readonly #breaker = new Breaker();
  readonly #children = new Set<Child>();
  /** Those that wait for a place within the limit: no child yet, but not nothing. */
  #waiting = 0;
  #lastError: BridgeError | undefined;
  #closed = false;

  constructor(deps: StartsDeps) {
    this.#deps = deps;
  }

  get isEmpty(): boolean {
    return this.#children.size + this.#waiting === 0;
  }

  get inFlight(): number {
    let total = 0;
    for (const { connection } of this.#children) total += connection.inFlight;
    return total;
  }

  /** A child that has said nothing yet. Rejects with `server_backing_off`, `at_limit`, `draining`. */
  async start(server: ServerDefinition, owner: ChildOwner): Promise<Child> {
    this.#checkBreaker(server);
    this.#breaker.trying();
    this.#waiting++;
    const acquired = await this.#deps.acquireChild().finally(() => {
      this.#waiting--;
    });
    if (!acquired) {
      this.#breaker.untried();
      throw new BridgeError(
        'at_limit',
        `Server "${server.name}" needs one more child than MAX_CHILDREN allows the whole bridge.`,
        { retryAfterSeconds: 5 },
      );
    }
    if (this.#closed) {
      this.#deps.releaseChild();
      throw new BridgeError('draining', 'The bridge is stopping.');
    }
    const { recorder } = this.#deps;
    const child = new Child(server, owner, {
      ...this.#deps,
      finished: recorder.finished,
      queued: recorder.queued,
      ended: (which, reason) => this.#ended(which, reason),
    });
    this.#children.add(child);
    return child;
  }

  /** A child answered its handshake. */
  started(child: Child): void {
    child.markReady();
    this.answered();
    this.#lastError = undefined;
    this.#deps.recorder.started((now() - child.startedAt) / 1000);
  }

  /** A child answered anything: the server can be started. */
  answered(): void {
    this.#breaker.succeeded();
  }

  /** A child did not answer as it should, and is ended. */
  failed(child: Child, error: BridgeError): void {
    if (!child.connection.isClosed) this.#count(error); // else its end has told
    void child.close();
  }

  status(): ServerStatus {
    const children = { starting: 0, ready: 0, closing: 0 };
    for (const child of this.#children) children[child.state]++;
    return { children, breaker: this.#breaker.state(now()), lastError: this.#lastError?.message };
  }

  pids(): number[] {
    return [...this.#children].flatMap(({ connection }) => connection.pid ?? []);
  }

  /** Nothing is started any more, and what the children have in hand is cut off. Resolves when every child is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#children].map((child) => child.close(cutOff())));
  }

  #checkBreaker({ name }: ServerDefinition): void {
    const waitMs = this.#breaker.waitMs(now());
    if (waitMs === 0) return;
    const why = this.#lastError === undefined ? '' : ` ${this.#lastError.message}`;
    throw new BridgeError(
      'server_backing_off',
      `Server "${name}" is not started again for ${Math.ceil(waitMs)} ms.${why}`,
      { retryAfterSeconds: Math.ceil(waitMs / 1000) },
    );
  }

  #ended(child: Child, reason: BridgeError): void {
    if (!child.isClosing) {
      const { recorder, log } = this.#deps;
      recorder.restarted(child.wasReady ? 'died' : 'start_failed');
      if (child.wasReady) this.#lastError = reason;
      else this.#count(reason);
      log.warn({ server: child.server.name, err: reason }, 'a server ended');
    }
    void child.close().then(() => {
      this.#children.delete(child);
      this.#deps.releaseChild();
    });
  }

  #count(error: BridgeError): void {
    this.#lastError = error;
    this.#breaker.failed(now());
  }
}
