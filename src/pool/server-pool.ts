/**
 * Everything this worker runs of one configured (or ad-hoc) server: the children that scopes share, those leased
 * to sessions, and started spares. Owns the decision whether a start may be tried; the limit on children of the
 * whole bridge is asked of the fleet.
 */
import type { ServerDefinition } from '../config/settings.ts';
import { now } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import { Breaker, type BreakerState } from './breaker.ts';
import { Child, type ChildDeps, type ChildOwner, type ChildState } from './child.ts';
import type { Recorder } from './recorder.ts';
import { Scope } from './scope.ts';

export interface ServerPoolDeps extends Omit<ChildDeps, 'finished' | 'queued' | 'ended'> {
  readonly recorder: Recorder;
  /** Counts a child against the limit of the whole bridge; false when it is reached. */
  readonly acquireChild: () => Promise<boolean>;
  readonly releaseChild: () => void;
  /** This worker's part of `instances` and of `prewarm`. */
  readonly maxShared: number;
  readonly maxSpares: number;
}

export interface ServerStatus {
  readonly children: Readonly<Record<ChildState, number>>;
  readonly breaker: BreakerState;
  readonly lastError: string | undefined;
}

/** Nobody listens to a spare: what it says before it is leased is of no use to anyone. */
const NOBODY: ChildOwner = { received: () => undefined, closed: () => undefined };

export class ServerPool {
  readonly server: ServerDefinition;
  readonly #deps: ServerPoolDeps;
  readonly #breaker = new Breaker();
  readonly #scopes = new Map<string, Scope>();
  /** Every child of this server whose processes exist, whoever uses it. */
  readonly #children = new Set<Child>();
  readonly #spares = new Set<Child>();
  #sparesStarting = 0;
  #lastError: BridgeError | undefined;
  #closed = false;

  constructor(server: ServerDefinition, deps: ServerPoolDeps) {
    this.server = server;
    this.#deps = deps;
    this.#fillSpares();
  }

  /** The shared children of `key`: a principal, or `''` for everybody. */
  scope(key: string): Scope {
    let scope = this.#scopes.get(key);
    if (scope === undefined) {
      scope = new Scope({
        maxChildren: this.server.isolation === 'shared' ? this.#deps.maxShared : 1,
        start: (owner) => this.#startInitialised(owner),
      });
      this.#scopes.set(key, scope);
    }
    return scope;
  }

  /** A child of the caller's own, not initialised: the caller forwards a client's `initialize`, and closes it in the end. */
  async lease(owner: ChildOwner): Promise<Child> {
    const [spare] = this.#spares;
    if (spare === undefined) return this.#start(owner);
    this.#spares.delete(spare);
    spare.owner = owner;
    this.#fillSpares();
    return spare;
  }

  /** A child answered its handshake. */
  started(child: Child): void {
    child.markReady();
    this.#breaker.succeeded();
    this.#lastError = undefined;
    this.#deps.recorder.started((now() - child.startedAt) / 1000);
  }

  /** Ends what nobody has used for `idleMs`, and brings the spares up to their number. */
  maintain(idleMs: number): void {
    for (const [key, scope] of this.#scopes) {
      if (!scope.isIdle(idleMs)) continue;
      this.#scopes.delete(key);
      void scope.close();
    }
    this.#fillSpares();
  }

  get isEmpty(): boolean {
    return this.#scopes.size === 0 && this.#children.size === 0;
  }

  get inFlight(): number {
    let total = 0;
    for (const { connection } of this.#children) total += connection.inFlight;
    return total;
  }

  status(): ServerStatus {
    const children = { starting: 0, ready: 0, closing: 0 };
    for (const child of this.#children) children[child.state]++;
    return { children, breaker: this.#breaker.state(now()), lastError: this.#lastError?.message };
  }

  pids(): number[] {
    return [...this.#children].flatMap(({ connection }) => connection.pid ?? []);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const scopes = [...this.#scopes.values()].map((scope) => scope.close());
    await Promise.all([...scopes, ...[...this.#children].map((child) => child.close())]);
  }

  async #startInitialised(owner: ChildOwner): Promise<Child> {
    const child = await this.#start(owner);
    try {
      await child.initialize();
    } catch (error) {
      if (!child.connection.isClosed) this.#failed(error as BridgeError); // else its end has told
      void child.close();
      throw error;
    }
    this.started(child);
    return child;
  }

  async #start(owner: ChildOwner): Promise<Child> {
    const { name } = this.server;
    const waitMs = this.#breaker.waitMs(now());
    if (waitMs > 0) {
      const why = this.#lastError === undefined ? '' : ` ${this.#lastError.message}`;
      throw new BridgeError(
        'server_backing_off',
        `Server "${name}" is not started again for ${Math.ceil(waitMs)} ms.${why}`,
        {
          retryAfterSeconds: Math.ceil(waitMs / 1000),
        },
      );
    }
    this.#breaker.trying();
    if (!(await this.#deps.acquireChild())) {
      throw new BridgeError(
        'at_limit',
        `Server "${name}" needs one more child than MAX_CHILDREN allows the whole bridge.`,
        {
          retryAfterSeconds: 5,
        },
      );
    }
    if (this.#closed) {
      this.#deps.releaseChild();
      throw new BridgeError('draining', 'The bridge is stopping.');
    }
    const { recorder } = this.#deps;
    const child = new Child(this.server, owner, {
      ...this.#deps,
      finished: recorder.finished,
      queued: recorder.queued,
      ended: (which, reason) => this.#ended(which, reason),
    });
    this.#children.add(child);
    return child;
  }

  #ended(child: Child, reason: BridgeError): void {
    this.#spares.delete(child);
    if (!child.isClosing) {
      this.#deps.recorder.restarted(child.wasReady ? 'died' : 'start_failed');
      if (child.wasReady) this.#lastError = reason;
      else this.#failed(reason);
      this.#deps.log.warn({ server: this.server.name, err: reason }, 'a server ended');
    }
    void child.close().then(() => {
      this.#children.delete(child);
      this.#deps.releaseChild();
    });
  }

  #failed(error: BridgeError): void {
    this.#lastError = error;
    this.#breaker.failed(now());
  }

  #fillSpares(): void {
    const missing = this.#deps.maxSpares - this.#spares.size - this.#sparesStarting;
    for (let i = 0; i < missing && !this.#closed; i++) {
      this.#sparesStarting++;
      this.#startSpare()
        .catch((error: unknown) => this.#deps.log.debug({ server: this.server.name, err: error }, 'no spare'))
        .finally(() => {
          this.#sparesStarting--;
        });
    }
  }

  /** A spare is ready when it answers a ping, the one request that is allowed before `initialize`. */
  async #startSpare(): Promise<void> {
    const child = await this.#start(NOBODY);
    await child.ask('ping', undefined);
    this.#breaker.succeeded();
    if (!child.connection.isClosed) this.#spares.add(child);
  }
}
