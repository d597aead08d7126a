/**
 * Which sessions that live in their ids were ended for good: told to every worker, so that none resumes one, and asked
 * of the others by a worker that begins. Bounded: the oldest are forgotten, and then such an id would open its session
 * again, for its own principal. A bridge that begins anew knows none.
 */
import { pause } from '../deadline.ts';
import { answerWorkers, askWorker } from '../shard/ask.ts';
import type { Relay } from '../shard/relay.ts';
import type { Roster } from '../shard/roster.ts';

export interface EndedSessionsDeps {
  readonly relay: Relay;
  readonly roster: Roster;
  /** This worker's id. */
  readonly self: string;
}

const MAX_REMEMBERED = 10_000;
/** A worker that hangs holds up neither a DELETE nor a start for longer. */
const PATIENCE_MS = 1_000;
const ROUTE = 'ended';
/** The question for all of them; any other is an id to be remembered. */
const ALL = '';

export class EndedSessions {
  readonly #deps: EndedSessionsDeps;
  readonly #ids = new Set<string>();

  constructor(deps: EndedSessionsDeps, toldOf: (id: string) => void) {
    this.#deps = deps;
    answerWorkers(deps.relay, ROUTE, async (question) => {
      if (question === ALL) return [...this.#ids].join('\n');
      this.#remember(question);
      toldOf(question);
      return '';
    });
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Resolves when every worker knows that is there and answers; never rejects. */
  async add(id: string): Promise<void> {
    this.#remember(id);
    await this.#ask(id);
  }

  /** Takes over what the others know; never rejects. */
  async learn(): Promise<void> {
    for (const list of await this.#ask(ALL)) {
      for (const id of list.split('\n')) if (id !== '') this.#remember(id);
    }
  }

  #remember(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size <= MAX_REMEMBERED) return;
    const [oldest = ''] = this.#ids;
    this.#ids.delete(oldest);
  }

  async #ask(question: string): Promise<readonly string[]> {
    const { relay, roster, self } = this.#deps;
    const others = roster.ids().filter((id) => id !== self);
    if (others.length === 0) return [];
    const late = pause(PATIENCE_MS).then(() => '');
    return Promise.all(
      // One that is gone, or does not listen yet and will ask for itself.
      others.map((id) => Promise.race([askWorker(relay, id, ROUTE, question).catch(() => ''), late])),
    );
  }
}
