/**
 * The sessions this worker owns: found by id for whoever opened them, ended when idle, counted against the limit
 * of the whole bridge.
 */
import { now } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import type { Fleet } from '../ipc/fleet.ts';
import { cutOff } from '../pool/starts.ts';
import { workerShelf } from './event-shelf.ts';
import type { PrincipalSessions } from './principal-sessions.ts';
import type { Session, SessionFacts } from './session.ts';
import { isResumable } from './session-id.ts';

/** `moved`: it goes on at another worker. */
export type CloseReason = 'deleted' | 'idle' | 'server_died' | 'abandoned' | 'drained' | 'moved' | 'revoked';

export interface StoreDeps {
  readonly fleet: Pick<Fleet, 'acquire' | 'release'>;
  /** Those of one principal in the whole bridge. */
  readonly principals: PrincipalSessions;
  readonly ttlMs: number;
  /** Whether the calls of a session, resumed here once, are another worker's now. */
  readonly livesElsewhere: (session: SessionFacts) => boolean;
  readonly closed: (session: Session, reason: CloseReason) => void;
}

const SWEEP_MS = 1_000;
const TIDY_MS = 15_000;

export class SessionStore {
  readonly #deps: StoreDeps;
  readonly #sessions = new Map<string, Session>();
  readonly #sweep: NodeJS.Timeout;
  /** Of all sessions together. */
  readonly shelf = workerShelf();
  #tidiedAt = now();
  #turns = 0;
  #draining = false;
  #closed = false;

  constructor(deps: StoreDeps) {
    this.#deps = deps;
    this.#sweep = setInterval(() => this.#sweepIdle(), Math.min(SWEEP_MS, Math.max(50, deps.ttlMs / 4)));
    this.#sweep.unref();
  }

  /** Takes a place for one more session of the bridge. Throws `at_limit` when there is none. */
  async reserve(principal: string): Promise<void> {
    const { fleet, principals } = this.#deps;
    if (!(await principals.take(principal))) {
      throw new BridgeError(
        'at_limit',
        'You have as many sessions open as MAX_SESSIONS_PER_PRINCIPAL allows to each.',
        { retryAfterSeconds: 5 },
      );
    }
    if (await fleet.acquire('sessions', 1)) return;
    principals.free(principal);
    throw new BridgeError('at_limit', 'As many sessions are open as MAX_SESSIONS allows the whole bridge.', {
      retryAfterSeconds: 5,
    });
  }

  /** Gives a reserved place back that no session took. */
  cancelReservation(principal: string): void {
    this.#deps.principals.free(principal);
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

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  /** No session is opened here any more: it would not live long. */
  get isDraining(): boolean {
    return this.#draining;
  }

  /** None is resumed here either. */
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
    this.#deps.principals.free(session.facts.principal);
    this.#deps.fleet.release('sessions', 1);
    this.#deps.closed(session, reason);
    await session.close(error);
  }

  /** Whether a session would lose its child with this worker. */
  get hasOwnChildren(): boolean {
    for (const { facts } of this.#sessions.values()) if (!isResumable(facts.id)) return true;
    return false;
  }

  /** The worker drains: its sessions go on, but idle streams must not hold it up. */
  drain(): void {
    this.#draining = true;
    for (const session of this.#sessions.values()) session.closeStream();
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep);
    this.#closed = true;
    await Promise.all([...this.#sessions.values()].map((session) => this.end(session, 'drained', cutOff())));
  }

  #sweepIdle(): void {
    const tidies = now() - this.#tidiedAt >= TIDY_MS;
    if (tidies) {
      this.#tidiedAt = now();
      this.#turns++;
    }
    for (const session of this.#sessions.values()) {
      if (this.#deps.livesElsewhere(session.facts)) this.#letGo(session);
      else if (session.isIdle(this.#deps.ttlMs)) void this.end(session, 'idle');
      else if (tidies) session.tidy(this.#turns);
    }
  }

  /** When what it has in hand is done. Its client listens again, and meets the session where its calls go. */
  #letGo(session: Session): void {
    session.closeStream();
    if (session.inFlight === 0) void this.end(session, 'moved', goesOn());
  }
}

/** A call that comes too late for this worker: nothing was done, the caller may ask again. */
export const goesOn = (): BridgeError =>
  new BridgeError('draining', 'This worker is stopping; the session goes on at another one.');

const sessionEnded = (): BridgeError => new BridgeError('session_not_found', 'The session has ended.');
