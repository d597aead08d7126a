/**
 * Everything this worker runs of one configured (or ad-hoc) server: the children that scopes share, those leased
 * to sessions, and started spares. When the server is defined anew another ServerPool takes its place, and this one,
 * retired, serves only those who were there before.
 */
import type { ServerDefinition } from '../config/settings.ts';
import { now } from '../deadline.ts';
import { asBridgeError, BridgeError } from '../errors.ts';
import { namesModern } from '../protocol/modern-envelope.ts';
import { type Child, type ChildOwner, NOBODY } from './child.ts';
import { Eras } from './eras.ts';
import { GivenBack } from './given-back.ts';
import { type Probe, probe } from './probe.ts';
import { Scope } from './scope.ts';
import { Spares } from './spares.ts';
import { type ServerStatus, Starts, type StartsDeps } from './starts.ts';

export interface ServerPoolDeps extends StartsDeps {
  /** This worker's part of `instances` and of `prewarm`. */
  readonly maxShared: number;
  readonly maxSpares: number;
}

type Capabilities = Readonly<Record<string, unknown>>;

export class ServerPool {
  #server: ServerDefinition;
  readonly #deps: ServerPoolDeps;
  readonly #starts: Starts;
  readonly #spares: Spares;
  readonly #eras = new Eras();
  #probe: Probe | undefined;
  readonly #scopes = new Map<string, Scope>();
  /** For clients of the modern era, where the server speaks that too. */
  readonly #modernScopes = new Map<string, Scope>();
  /** Children with a client's capabilities that wait for that client's next call. */
  readonly #givenBack = new GivenBack();
  #retired = false;
  #closed = false;

  constructor(server: ServerDefinition, deps: ServerPoolDeps) {
    this.#server = server;
    this.#deps = deps;
    this.#starts = new Starts(deps);
    this.#spares = new Spares({
      server: server.name,
      max: deps.maxSpares,
      isWanted: () => !this.#closed && !this.#retired && !this.isModernOnly,
      start: (owner) => this.#starts.start(this.#server, owner),
      answered: () => this.#starts.answered(),
      failed: (child, error) => this.#starts.failed(child, error),
      log: deps.log,
    });
    this.#spares.fill();
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
    this.#spares.dismiss();
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
    const spare = this.#spares.take();
    if (spare === undefined) return this.#starts.start(this.#server, owner);
    spare.owner = owner;
    return spare;
  }

  /**
   * A child for one call of a client with these capabilities: its questions reach that client and nobody else. One
   * that an earlier call of the same client (`key`) has given back is used again.
   */
  async borrow(key: string, capabilities: Capabilities, owner: ChildOwner): Promise<Child> {
    const known = this.#takeBack(key, owner);
    if (known !== undefined) return known;
    const child = await this.#startInitialised(owner, capabilities);
    // What it asks as soon as it is initialised, it has asked by then.
    if (child.era === 'legacy') await child.settled();
    return child;
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
    this.#starts.started(child);
  }

  /** A child did not answer its handshake as it should, and is ended. */
  notStarted(child: Child, error: BridgeError): void {
    this.#starts.failed(child, error);
  }

  /** A child refused the handshake of the legacy era, and named one that it speaks: it is ended, and will be asked in that. */
  refusedLegacy(child: Child): void {
    this.#eras.refusedLegacy(now());
    this.refused(child);
    this.#spares.dismiss();
  }

  /** A child answered its handshake with an error that is for the client who sent it, and is ended. */
  refused(child: Child): void {
    this.#starts.answered();
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
    this.#spares.fill();
  }

  get isEmpty(): boolean {
    return this.#scopes.size + this.#modernScopes.size === 0 && this.#starts.isEmpty && !this.#probe;
  }

  get inFlight(): number {
    return this.#starts.inFlight;
  }

  status(): ServerStatus {
    return this.#starts.status();
  }

  pids(): number[] {
    return this.#starts.pids();
  }

  async close(): Promise<void> {
    this.#closed = true;
    // Before the scopes, which would leave it to the end of each child to say why there is no answer.
    const starts = this.#starts.close();
    const scopes = this.#allScopes().map((scope) => scope.close());
    await Promise.all([starts, ...scopes, this.#probe?.close()]);
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
    const child = await this.#starts.start(this.#server, owner);
    try {
      await child.discover();
    } catch (error) {
      this.#eras.forget();
      this.notStarted(child, asBridgeError(error));
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
    } catch (thrown) {
      const error = asBridgeError(thrown);
      const { rpc } = error.details;
      if (namesModern(rpc)) {
        child.owner = NOBODY;
        this.refusedLegacy(child);
        return this.#startDiscovered(owner);
      }
      if (rpc !== undefined && Object.keys(capabilities).length > 0) {
        // What a client declares must not keep others from the server.
        this.refused(child);
        throw new BridgeError('rejected_params', error.message);
      }
      this.notStarted(child, error);
      throw error;
    }
    this.started(child);
    return child;
  }
}
