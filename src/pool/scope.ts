/**
 * The children that one scope of a server shares: everybody of a `shared` server, one principal otherwise. Keeps
 * who listens to them, counts their resource subscriptions, and ends them when nobody has used them for a while.
 */
import { now } from '../deadline.ts';
import { asBridgeError, BridgeError } from '../errors.ts';
import type { Message } from '../protocol/message.ts';
import type { Child, ChildOwner, ServerFacts } from './child.ts';
import { type Refusal, Subscriptions } from './subscriptions.ts';
import { UpstreamListen } from './upstream-listen.ts';

/** A session without a child of its own. */
export interface ScopeListener {
  /** A notification of one of the children that belongs to no call. */
  notified(message: Message): void;
  /** The server is defined anew or removed: whoever is not bound to these children may go. */
  replaced?(): void;
}

export interface ScopeDeps {
  /** Starts a child that tells `owner`; resolves when it is initialised. */
  readonly start: (owner: ChildOwner) => Promise<Child>;
  readonly maxChildren: number;
}

export class Scope implements ChildOwner {
  readonly #deps: ScopeDeps;
  readonly #listeners = new Set<ScopeListener>();
  /** Ready children. */
  readonly #children = new Set<Child>();
  /** Of the children of the modern era, which tell nothing that nobody listens to. */
  readonly #listens = new Map<Child, UpstreamListen>();
  readonly #subscriptions: Subscriptions;
  #toolsVersion = 0;
  #minSeverity = Number.POSITIVE_INFINITY;
  #logLevel: string | undefined;
  #starting: Promise<Child> | undefined;
  #usedAt = now();
  /** Since `usedAt` was set: on the way of every request, which a look at the clock would cost more. */
  #isUsed = false;
  #closed = false;

  constructor(deps: ScopeDeps) {
    this.#deps = deps;
    this.#subscriptions = new Subscriptions({
      ready: async () => {
        try {
          await this.acquire();
          return undefined;
        } catch (error) {
          return asBridgeError(error);
        }
      },
      tell: (method, uri) => this.#tellOf(method, uri),
    });
  }

  /** Has no child, and none on its way. */
  get isEmpty(): boolean {
    return this.#children.size === 0 && this.#starting === undefined;
  }

  /** Whether `acquire` would start one: what then runs is of the asker's making. */
  get wouldStart(): boolean {
    if (this.#starting !== undefined) return false;
    const child = this.#leastBusy();
    return child === undefined || this.#mayGrow(child);
  }

  /** A child to send to: at once when one is ready, else when it has started (all callers wait for the same one). */
  acquire(): Child | Promise<Child> {
    this.#isUsed = true;
    const child = this.#leastBusy();
    if (child === undefined) return this.#startOnce();
    if (this.#mayGrow(child)) {
      this.#startOnce().catch(() => undefined); // told to the breaker and the log; this call has its child
    }
    return child;
  }

  /** What the server says of itself; starts a child when none is ready. */
  async facts(): Promise<ServerFacts> {
    const { facts } = await this.acquire();
    if (facts === undefined) throw new TypeError('a pooled child is initialised before it is handed out');
    return facts;
  }

  /** Another one when the tools may have changed since. */
  get toolsVersion(): number {
    return this.#toolsVersion;
  }

  retire(): void {
    for (const listener of [...this.#listeners]) listener.replaced?.();
  }

  attach(listener: ScopeListener): void {
    this.#listeners.add(listener);
  }

  detach(listener: ScopeListener): void {
    this.#listeners.delete(listener);
    this.#usedAt = now();
  }

  /** Counts a subscriber of `uri`; the servers are told of the first. Resolves with their refusal, if there is one. */
  subscribe(uri: string): Promise<Refusal | undefined> {
    return this.#subscriptions.add(uri);
  }

  /** One subscriber less; resolves when the servers know of the last one's end. */
  unsubscribe(uri: string): Promise<void> {
    return this.#subscriptions.remove(uri);
  }

  /** Resolves when what was subscribed to is what the servers tell of, where they say so. */
  async settled(): Promise<void> {
    for (const listen of this.#listens.values()) await listen.settled;
  }

  /** Makes the children say what the most curious session wants to hear; sessions filter for themselves. */
  async wantLogs(level: string, severity: number): Promise<void> {
    if (severity >= this.#minSeverity) return;
    const child = await this.acquire();
    if (child.facts?.capabilities['logging'] === undefined) {
      throw new BridgeError('unknown_method', `Server "${child.server.name}" has no logging.`);
    }
    this.#minSeverity = severity;
    this.#logLevel = level;
    for (const each of this.#children) await each.ask('logging/setLevel', { level });
  }

  isIdle(idleMs: number): boolean {
    if (this.#listeners.size > 0 || this.#starting !== undefined) return false;
    for (const child of this.#children) if (child.connection.inFlight > 0) return false;
    if (this.#isUsed) {
      this.#isUsed = false;
      this.#usedAt = now();
    }
    return now() - this.#usedAt > idleMs;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const starting = this.#starting?.then(
      (child) => child.close(),
      () => undefined,
    );
    await Promise.all([starting, ...[...this.#children].map((child) => child.close())]);
  }

  received(message: Message, child: Child): void {
    if (message.kind === 'request') {
      refuse(message, child);
      return;
    }
    if (this.#listens.get(child)?.hears(message) === false && message.method !== 'notifications/message')
      return;
    if (message.method === 'notifications/tools/list_changed') this.#toolsVersion++;
    for (const listener of this.#listeners) listener.notified(message);
  }

  closed(_reason: BridgeError, child: Child): void {
    this.#children.delete(child);
    this.#listens.delete(child);
    // Whoever listens has no request that would start it again.
    if (this.#listeners.size > 0 && !this.#closed) this.#startOnce().catch(() => undefined);
  }

  #leastBusy(): Child | undefined {
    let best: Child | undefined;
    for (const child of this.#children) {
      if (best === undefined || child.connection.inFlight < best.connection.inFlight) best = child;
    }
    return best;
  }

  #mayGrow(leastBusy: Child): boolean {
    const hasRoom = this.#children.size < this.#deps.maxChildren && this.#starting === undefined;
    return hasRoom && leastBusy.connection.inFlight >= leastBusy.server.maxConcurrent;
  }

  #startOnce(): Promise<Child> {
    this.#starting ??= this.#deps
      .start(this)
      .then((child) => {
        if (this.#closed) void child.close();
        else if (child.state === 'ready') this.#adopt(child);
        return child;
      })
      .finally(() => {
        this.#starting = undefined;
      });
    return this.#starting;
  }

  /** The first refusal, if there is one. */
  async #tellOf(method: string, uri: string): Promise<Refusal | undefined> {
    const told = [...this.#children].map((child) => this.#tellChild(child, method, uri));
    return (await Promise.all(told)).find((refusal) => refusal !== undefined);
  }

  async #tellChild(child: Child, method: string, uri: string): Promise<Refusal | undefined> {
    const listen = this.#listens.get(child);
    if (listen !== undefined) {
      listen.want(this.#subscriptions.uris);
      await listen.settled;
      if (method !== 'resources/subscribe' || listen.honours(uri)) return undefined;
      const sentence = `Server "${child.server.name}" does not tell of changes of "${uri}".`;
      return new BridgeError('rejected_params', sentence);
    }
    try {
      const answer = await child.ask(method, { uri });
      return answer.kind === 'error' ? answer : undefined;
    } catch (error) {
      return asBridgeError(error);
    }
  }

  #adopt(child: Child): void {
    this.#children.add(child);
    this.#toolsVersion++;
    if (child.era === 'modern') {
      const listen = new UpstreamListen(child);
      this.#listens.set(child, listen);
      listen.want(this.#subscriptions.uris);
      return;
    }
    // A new child knows nothing of what was asked of another one. Should it die meanwhile, `closed` tells.
    const tell = (method: string, params: unknown): void =>
      void child.ask(method, params).catch(() => undefined);
    if (this.#logLevel !== undefined) tell('logging/setLevel', { level: this.#logLevel });
    for (const uri of this.#subscriptions.uris) tell('resources/subscribe', { uri });
  }
}

/** Nobody stands behind a shared child: it was initialised without capabilities and may ask for `ping` only. */
function refuse(request: Message, child: Child): void {
  const answer =
    request.method === 'ping'
      ? '"result":{}'
      : `"error":{"code":-32601,"message":${JSON.stringify(`No client of this server can answer ${request.method}.`)}}`;
  child.connection.send(`{"jsonrpc":"2.0","id":${request.id},${answer}}`);
}
