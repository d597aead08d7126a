/**
 * Everything this worker runs of one configured (or ad-hoc) server: the children that scopes share, those leased
 * to sessions, and started spares. Owns the decision whether a start may be tried; the limit on children of the
 * whole bridge is asked of the fleet. When the server is defined anew another ServerPool takes its place, and this
 * one, retired, serves only those who were there before.
 */
import type { ServerDefinition } from '../config/settings.ts';
import { now } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import { namesModern } from '../protocol/modern-envelope.ts';
import { Breaker, type BreakerState } from './breaker.ts';
import { Child, type ChildDeps, type ChildOwner, type ChildState } from './child.ts';
import { Eras } from './eras.ts';
import { GivenBack } from './given-back.ts';
import { type Probe, probe } from './probe.ts';
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

type Capabilities = Readonly<Record<string, unknown>>;

/** Nobody listens to a spare: what it says before it is leased is of no use to anyone. */
const NOBODY: ChildOwner = { received: () => undefined, closed: () => undefined };

export class ServerPool {
  #server: ServerDefinition;
  readonly #deps: ServerPoolDeps;
  readonly #breaker = new Breaker();
  readonly #eras = new Eras();
  #probe: Probe | undefined;
  readonly #scopes = new Map<string, Scope>();
  /** For clients of the modern era, where the server speaks that too. */
  readonly #modernScopes = new Map<string, Scope>();
  /** Every child of this server whose processes exist, whoever uses it. */
  readonly #children = new Set<Child>();
  readonly #spares = new Set<Child>();
  /** Children with a client's capabilities that wait for that client's next call. */
  readonly #givenBack = new GivenBack();
  #sparesStarting = 0;
  /** Starts that wait for a place within the limit: no child yet, but not nothing. */
  #waitingStarts = 0;
  #lastError: BridgeError | undefined;
  #retired = false;
  #closed = false;

  constructor(server: ServerDefinition, deps: ServerPoolDeps) {
    this.#server = server;
    this.#deps = deps;
    this.#fillSpares();
  }

  get server(): ServerDefinition {
    return this.#server;
  }

  /** Takes a definition that needs the same children. */
  adjust(server: ServerDefinition): void {
    this.#server = server;
  }

  /** Keys of the scopes that have children, or wait for them. */
  get scopeKeys(): readonly string[] {
    const used = [...this.#scopes, ...this.#modernScopes].filter(([, scope]) => !scope.isEmpty);
    return [...new Set(used.map(([key]) => key))];
  }

  /** Starts a child for each scope, so that nobody waits for one later. Never rejects: who needs it will be told. */
  async warm(keys: readonly string[]): Promise<void> {
    await Promise.allSettled(keys.map(async (key) => this.scope(key).acquire()));
  }

  /** Nobody new will come: spares go, and `maintain` closes what is not in use. */
  retire(): void {
    this.#retired = true;
    for (const spare of this.#spares) void spare.close();
    this.#spares.clear();
    for (const scope of this.#allScopes()) scope.retire();
    this.maintain(0);
  }

  get isRetired(): boolean {
    return this.#retired;
  }

  /**
   * The shared children of `key`: a principal, or `''` for everybody. For clients of the legacy era; the children
   * are of the modern one where the server refuses the other.
   */
  scope(key: string): Scope {
    let scope = this.#scopes.get(key);
    if (scope === undefined && this.isModernOnly) scope = this.#modernScopes.get(key);
    if (scope === undefined) {
      scope = this.#createScope((owner) => this.#startInitialised(owner, {}));
      this.#scopes.set(key, scope);
    }
    return scope;
  }

  /** The same for clients of the modern era; only where `speaksModern`. */
  modernScope(key: string): Scope {
    let scope = this.#modernScopes.get(key);
    if (scope === undefined && this.isModernOnly) scope = this.#scopes.get(key);
    if (scope === undefined) {
      scope = this.#createScope((owner) => this.#startDiscovered(owner));
      this.#modernScopes.set(key, scope);
    }
    return scope;
  }

  /** Whether clients of the modern era are served in their own; asks a child of its own when nobody knows. Never rejects. */
  speaksModern(): boolean | Promise<boolean> {
    const known = this.#eras.speaksModern(now());
    if (known !== undefined) return known;
    const { server } = this;
    // The transport of 2024-11-05 and WebSocket carry the legacy revisions only.
    if (this.#closed || (server.kind !== 'stdio' && server.transport !== 'http')) return false;
    this.#probe ??= this.#startProbe();
    return this.#probe.verdict.then((verdict) => verdict === true);
  }

  /** The server has refused the handshake of the legacy era, and named one that it speaks. */
  get isModernOnly(): boolean {
    return this.#eras.refusesLegacy(now());
  }

  /** A child of the caller's own, not initialised: the caller forwards a client's `initialize`, and closes it in the end. */
  async lease(owner: ChildOwner): Promise<Child> {
    const [spare] = this.#spares;
    if (spare === undefined) return this.#start(owner);
    this.#spares.delete(spare);
    this.#fillSpares();
    spare.owner = owner;
    return spare;
  }

  /**
   * A child for one call of a client with these capabilities: its questions reach that client and nobody else. One
   * that an earlier call of the same client (`key`) has given back is used again.
   */
  async borrow(key: string, capabilities: Capabilities, owner: ChildOwner): Promise<Child> {
    return this.#takeBack(key, owner) ?? this.#startInitialised(owner, capabilities);
  }

  /** The call is over. A child that still works on something is not fit for another one. */
  giveBack(key: string, child: Child): void {
    if (child.state !== 'ready' || child.connection.inFlight > 0) {
      void child.close();
      return;
    }
    child.owner = NOBODY;
    this.#givenBack.put(key, child);
  }

  /** A child of the modern era that is the caller's alone until it is given back under the same key. */
  async borrowModern(key: string, owner: ChildOwner): Promise<Child> {
    return this.#takeBack(key, owner) ?? this.#startDiscovered(owner);
  }

  /** Children of the modern era for one session alone, which closes them in the end. */
  ownScope(): Scope {
    return new Scope({ maxChildren: 1, start: (owner) => this.#startDiscovered(owner) });
  }

  /** A child answered its handshake. */
  started(child: Child): void {
    child.markReady();
    this.#breaker.succeeded();
    this.#lastError = undefined;
    this.#deps.recorder.started((now() - child.startedAt) / 1000);
  }

  /** A child did not answer its handshake as it should, and is ended. */
  notStarted(child: Child, error: BridgeError): void {
    if (!child.connection.isClosed) this.#failed(error); // else its end has told
    void child.close();
  }

  /** A child refused the handshake of the legacy era, and named one that it speaks: it is ended, and will be asked in that. */
  refusedLegacy(child: Child): void {
    this.#eras.refusedLegacy(now());
    this.refused(child);
    for (const spare of this.#spares) void spare.close();
    this.#spares.clear();
  }

  /** A child answered its handshake with an error that is for the client who sent it, and is ended. */
  refused(child: Child): void {
    this.#breaker.succeeded();
    void child.close();
  }

  /** Ends what nobody has used for `idleMs`, and brings the spares up to their number. */
  maintain(idleMs: number): void {
    for (const scopes of [this.#scopes, this.#modernScopes]) {
      for (const [key, scope] of scopes) {
        if (!scope.isIdle(idleMs)) continue;
        scopes.delete(key);
        void scope.close();
      }
    }
    this.#givenBack.maintain(idleMs);
    this.#fillSpares();
  }

  get isEmpty(): boolean {
    const { size } = this.#scopes;
    return size + this.#modernScopes.size + this.#children.size + this.#waitingStarts === 0 && !this.#probe;
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
    const scopes = this.#allScopes().map((scope) => scope.close());
    await Promise.all([
      ...scopes,
      ...[...this.#children].map((child) => child.close()),
      this.#probe?.close(),
    ]);
  }

  #allScopes(): readonly Scope[] {
    return [...this.#scopes.values(), ...this.#modernScopes.values()];
  }

  #createScope(start: (owner: ChildOwner) => Promise<Child>): Scope {
    return new Scope({ maxChildren: this.server.isolation === 'shared' ? this.#deps.maxShared : 1, start });
  }

  #takeBack(key: string, owner: ChildOwner): Child | undefined {
    const child = this.#givenBack.take(key);
    if (child !== undefined) child.owner = owner;
    return child;
  }

  #startProbe(): Probe {
    const started = probe(this.server, this.#deps);
    void started.verdict.then(async (verdict) => {
      if (verdict !== undefined) this.#eras.probed(verdict, now());
      this.#deps.log.debug({ server: this.server.name, verdict }, 'a server was probed');
      await started.close();
      this.#probe = undefined;
    });
    return started;
  }

  async #startDiscovered(owner: ChildOwner): Promise<Child> {
    const child = await this.#start(owner);
    try {
      await child.discover();
    } catch (error) {
      this.#eras.forget();
      this.notStarted(child, error as BridgeError);
      throw error;
    }
    this.started(child);
    return child;
  }

  async #startInitialised(owner: ChildOwner, capabilities: Capabilities): Promise<Child> {
    if (this.isModernOnly) return this.#startDiscovered(owner);
    const child = await this.lease(owner);
    try {
      await child.initialize(capabilities);
    } catch (error) {
      if (error instanceof BridgeError && namesModern(error.details.rpc)) {
        child.owner = NOBODY;
        this.refusedLegacy(child);
        return this.#startDiscovered(owner);
      }
      if (Object.keys(capabilities).length > 0 && (error as BridgeError).details?.rpc !== undefined) {
        // What a client declares must not keep others from the server.
        this.refused(child);
        throw new BridgeError('rejected_params', (error as BridgeError).message);
      }
      this.notStarted(child, error as BridgeError);
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
    this.#waitingStarts++;
    const acquired = await this.#deps.acquireChild().finally(() => {
      this.#waitingStarts--;
    });
    if (!acquired) {
      this.#breaker.untried();
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
    // A spare is of the legacy era: its ping has told the server so.
    if (this.#closed || this.#retired || this.isModernOnly) return;
    const missing = this.#deps.maxSpares - this.#spares.size - this.#sparesStarting;
    for (let i = 0; i < missing; i++) {
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
    try {
      await child.ask('ping', undefined);
    } catch (error) {
      this.notStarted(child, error as BridgeError);
      throw error;
    }
    this.#breaker.succeeded();
    if (this.#retired) void child.close();
    else if (!child.connection.isClosed) this.#spares.add(child);
  }
}
