/**
 * One client of the load with a session: opens it, calls, ends it, and opens another when it is lost. Checks every
 * answer. Commits faults of its own when told to: leaves in mid-call, while opening, or for good.
 */
import { type Asked, echoed, fixed, mixed, opening, slow } from './questions.ts';
import type { Random } from './random.ts';
import type { Profile } from './servers.ts';
import { openStream } from './stream.ts';
import type { Tally } from './tally.ts';
import { judgeRpc, type Verdict } from './verdict.ts';
import { ask, type Ending, keptAlive } from './wire.ts';

export interface Ground {
  readonly port: number;
  readonly token: string;
  readonly tally: Tally;
  readonly random: Random;
}

const MAX_IN_FLIGHT = 4;
/** Beyond it a session may have idled out before the call that found it lost. */
const SURELY_ALIVE_MS = 4_000;
const PAUSE_AFTER_FAILURE_MS = 250;
const PIDS = /^[1-9]\d*$/;

interface Session {
  readonly id: string;
  readonly endsAt: number;
  /** Cuts its GET stream. */
  readonly closeStream: () => void;
  usedAt: number;
}

export class SessionClient {
  readonly #ground: Ground;
  readonly #profile: Profile;
  readonly #name: string;
  readonly #agent = keptAlive();
  #session: Session | undefined;
  #inFlight = 0;
  #number = 0;
  #notBefore = 0;

  constructor(ground: Ground, profile: Profile, name: string) {
    this.#ground = ground;
    this.#profile = profile;
    this.#name = name;
  }

  get isFree(): boolean {
    const limit = this.#session === undefined ? 1 : MAX_IN_FLIGHT;
    return this.#inFlight < limit && performance.now() >= this.#notBefore;
  }

  /** The next thing this client does. Never rejects. */
  act(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return this.#open();
    if (performance.now() > session.endsAt) return this.#end(session);
    return this.#call(session, this.#question());
  }

  /** Begins a slow call and leaves; false when there is no session to do it in. */
  leaveInMidCall(): boolean {
    const session = this.#session;
    if (session === undefined || this.#profile.speaks !== 'echo') return false;
    void this.#call(session, slow(this.#nextId(), 150), this.#leavingSoon(100));
    return true;
  }

  /** A session that nobody learns the id of. */
  leaveWhileOpening(): void {
    const question = opening(this.#nextId(), `${this.#name}-gone`);
    void this.#ask(question, undefined, this.#leavingSoon(40));
  }

  /** Forgets its session without a word; false when it has none. */
  abandon(): boolean {
    const session = this.#session;
    session?.closeStream();
    this.#session = undefined;
    return session !== undefined;
  }

  /** Ends its session, and its connections. */
  async close(): Promise<void> {
    if (this.#session !== undefined) await this.#end(this.#session);
    this.#agent.destroy();
  }

  async #open(): Promise<void> {
    const { tally, random, port, token } = this.#ground;
    const { ending, verdict } = await this.#ask(opening(this.#nextId(), this.#name), undefined);
    if (ending.kind !== 'answered' || verdict.kind !== 'right') {
      this.#notBefore = performance.now() + PAUSE_AFTER_FAILURE_MS;
      return;
    }
    const id = ending.headers['mcp-session-id'];
    if (typeof id !== 'string') {
      tally.count({ kind: 'wrong', why: 'no Mcp-Session-Id' }, `initialize of ${this.#name}`);
      return;
    }
    tally.opened++;
    const path = this.#path;
    const closeStream =
      random.next() < 0.3
        ? openStream({ port, path, headers: headersOf(token, id), tally })
        : (): void => undefined;
    const usedAt = performance.now();
    this.#session = { id, endsAt: usedAt + random.between(3_000, 25_000), closeStream, usedAt };
  }

  async #call(session: Session, question: Asked, leave?: AbortSignal): Promise<void> {
    const { verdict } = await this.#ask(question, session.id, leave);
    if (verdict.kind === 'right') session.usedAt = performance.now();
    if (verdict.kind !== 'failed' || !verdict.reason.endsWith('session_not_found')) return;
    // Several calls may find out together; only the first loses it.
    if (this.#session !== session) return;
    const idleMs = performance.now() - session.usedAt;
    this.#lost(session, idleMs);
  }

  #lost(session: Session, idleMs: number): void {
    const { tally } = this.#ground;
    this.abandon();
    tally.lost++;
    if (!this.#profile.survives || idleMs > SURELY_ALIVE_MS) return;
    tally.lostShared++;
    tally.note(
      `lost: ${session.id} of ${this.#profile.server}, last answered ${Math.round(idleMs)} ms before`,
    );
  }

  async #end(session: Session): Promise<void> {
    if (this.#session === session) this.abandon();
    this.#inFlight++;
    const { port, token, tally } = this.#ground;
    tally.requests++;
    const headers = headersOf(token, session.id);
    const ending = await ask({ port, method: 'DELETE', path: this.#path, headers, agent: this.#agent });
    this.#inFlight--;
    tally.count(judgeDelete(ending), `DELETE of ${this.#name}`);
  }

  async #ask(
    question: Asked,
    session: string | undefined,
    leave?: AbortSignal,
  ): Promise<{ readonly ending: Ending; readonly verdict: Verdict }> {
    const { port, token, tally, random } = this.#ground;
    const { id, method, params } = question;
    this.#inFlight++;
    tally.requests++;
    const ending = await ask({
      port,
      method: 'POST',
      path: this.#path,
      headers: headersOf(token, session),
      body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
      agent: random.next() < 0.85 ? this.#agent : undefined,
      leave,
    });
    this.#inFlight--;
    const verdict = judgeRpc(ending, question);
    tally.count(verdict, `${method} ${id} at ${this.#profile.server}`);
    return { ending, verdict };
  }

  #question(): Asked {
    const { speaks, server } = this.#profile;
    const id = this.#nextId();
    if (speaks === 'ok') return fixed(id, /^ok$/);
    if (speaks === 'pid') return fixed(id, PIDS);
    const { random } = this.#ground;
    if (random.next() < 0.5) return echoed(id);
    return mixed(id, random, server === 'own' || server === 'flaky' ? this.#name : undefined);
  }

  #nextId(): string {
    return `${this.#name}-${++this.#number}`;
  }

  #leavingSoon(withinMs: number): AbortSignal {
    return AbortSignal.timeout(Math.ceil(this.#ground.random.between(1, withinMs)));
  }

  get #path(): string {
    return `/mcp/${this.#profile.server}`;
  }
}

/** Already gone is as good as gone. */
function judgeDelete(ending: Ending): Verdict {
  if (ending.kind === 'answered' && (ending.status === 200 || ending.status === 404)) {
    return { kind: 'right', result: undefined };
  }
  return judgeRpc(ending, { id: 'DELETE', check: () => 'a DELETE has no result' });
}

export function headersOf(token: string, session?: string): Record<string, string> {
  return {
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
    ...(session !== undefined && { 'Mcp-Session-Id': session }),
  };
}
