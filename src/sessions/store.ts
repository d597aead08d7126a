/**
 * The sessions this worker owns: found by id for whoever opened them, ended when idle, counted against the limit
 * of the whole bridge.
 */
import { now } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import type { Fleet } from '../ipc/fleet.ts';
import type { Session } from './session.ts';
import { isResumable } from './session-id.ts';

export type CloseReason = 'deleted' | 'idle' | 'server_died' | 'abandoned' | 'drained' | 'revoked';

export interface StoreDeps {
  readonly fleet: Pick<Fleet, 'acquire' | 'release'>;
  readonly ttlMs: number;
  readonly closed: (session: Session, reason: CloseReason) => void;
}

const SWEEP_MS = 1_000;
const KEEP_ALIVE_MS = 15_000;
/** Ended resumable sessions that are remembered, so that they stay ended on this worker. */
const MAX_TOMBSTONES = 10_000;

export class SessionStore {
  readonly #deps: StoreDeps;
  readonly #sessions = new Map<string, Session>();
  readonly #tombstones = new Set<string>();
  readonly #sweep: NodeJS.Timeout;
  #keptAliveAt = now();
  #closed = false;

  constructor(deps: StoreDeps) {
    this.#deps = deps;
    this.#sweep = setInterval(() => this.#sweepIdle(), Math.min(SWEEP_MS, Math.max(50, deps.ttlMs / 4)));
    this.#sweep.unref();
  }

  /** Takes a place for one more session of the bridge. Throws `at_limit` when there is none. */
  async reserve(): Promise<void> {
    if (await this.#deps.fleet.acquire('sessions', 1)) return;
    throw new BridgeError('at_limit', 'As many sessions are open as MAX_SESSIONS allows the whole bridge.', {
      retryAfterSeconds: 5,
    });
  }

  /** Gives a reserved place back that no session took. */
  cancelReservation(): void {
    this.#deps.fleet.release('sessions', 1);
  }

  /** A place was reserved before. */
  add(session: Session): void {
    this.#sessions.set(session.facts.id, session);
  }

  /** Undefined for an unknown id and for the session of another principal or server: nobody learns which. */
  find(id: string, server: string, principal: string): Session | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    const { facts } = session;
    return facts.server === server && facts.principal === principal ? session : undefined;
  }

  hasEnded(id: string): boolean {
    return this.#tombstones.has(id);
  }

  /** No session is opened or resumed here any more. */
  get isClosed(): boolean {
    return this.#closed;
  }

  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** Requests in flight are answered with an error, the stream ends. Resolves when its child is gone. */
  async end(session: Session, reason: CloseReason, error = sessionEnded()): Promise<void> {
    const { id } = session.facts;
    if (this.#sessions.get(id) !== session) return;
    this.#sessions.delete(id);
    // One that drains with its worker has not ended: what is all in its id goes on at another one.
    if (reason !== 'drained' || !isResumable(id)) this.#tombstones.add(id);
    if (this.#tombstones.size > MAX_TOMBSTONES) this.#forgetOldest();
    this.#deps.fleet.release('sessions', 1);
    this.#deps.closed(session, reason);
    await session.close(error);
  }

  /** Whether a session would lose its child with this worker. */
  get hasOwnChildren(): boolean {
    for (const { facts } of this.#sessions.values()) if (!isResumable(facts.id)) return true;
    return false;
  }

  /** Idle streams must not hold up a worker that drains. */
  closeStreams(): void {
    for (const session of this.#sessions.values()) session.closeStream();
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep);
    this.#closed = true;
    await Promise.all(
      [...this.#sessions.values()].map((session) =>
        this.end(session, 'drained', isResumable(session.facts.id) ? goesOn() : sessionEnded()),
      ),
    );
  }

  #sweepIdle(): void {
    const keepAlive = now() - this.#keptAliveAt >= KEEP_ALIVE_MS;
    if (keepAlive) this.#keptAliveAt = now();
    for (const session of this.#sessions.values()) {
      if (session.isIdle(this.#deps.ttlMs)) void this.end(session, 'idle');
      else if (keepAlive) session.keepAlive();
    }
  }

  #forgetOldest(): void {
    for (const id of this.#tombstones) {
      this.#tombstones.delete(id);
      return;
    }
  }
}

/** A call that comes too late for this worker, or that it did not get done: the caller may ask again. */
export const goesOn = (): BridgeError =>
  new BridgeError('draining', 'This worker is stopping; the session goes on at another one.');

const sessionEnded = (): BridgeError => new BridgeError('session_not_found', 'The session has ended.');
