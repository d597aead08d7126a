/**
 * How many sessions one principal has in the whole bridge, where MAX_SESSIONS_PER_PRINCIPAL limits it. The worker that
 * owns the principal's key knows how many each worker has of them: they tell it their own count whenever it changes, and
 * not the change, so that what is lost on the way is made good by the next word. Of workers that are gone nothing counts;
 * a new owner learns as it is asked, and lets in a few more until then.
 */
import { within } from '../deadline.ts';
import { answerWorkers, askWorker } from '../shard/ask.ts';
import type { Relay } from '../shard/relay.ts';
import type { Roster } from '../shard/roster.ts';

export interface PrincipalSessions {
  /** Counts one more; false, and it is not counted, when that is one too many. Never rejects. */
  take(principal: string): Promise<boolean>;
  /** One less. */
  free(principal: string): void;
}

export interface PrincipalSessionsDeps {
  /** 0: no limit. */
  readonly max: number;
  readonly relay: Relay;
  readonly roster: Roster;
  /** This worker's id. */
  readonly self: string;
}

interface Count {
  readonly principal: string;
  readonly worker: string;
  readonly sessions: number;
}

const ROUTE = 'principal-sessions';
/** An owner that hangs holds up nobody for longer; then each worker counts for itself. */
const PATIENCE_MS = 1_000;

export function createPrincipalSessions({
  max,
  relay,
  roster,
  self,
}: PrincipalSessionsDeps): PrincipalSessions {
  if (max === 0) return { take: () => Promise.resolve(true), free: () => undefined };
  /** This worker's sessions. */
  const own = new Map<string, number>();
  /** Sessions by worker, of the principals whose keys this worker owns. */
  const known = new Map<string, Map<string, number>>();

  /** Takes the count over unless it is a rise beyond the limit. */
  const note = ({ principal, worker, sessions }: Count): boolean => {
    const counts = known.get(principal) ?? new Map<string, number>();
    let others = 0;
    for (const [id, count] of counts) {
      if (roster.get(id) === undefined && id !== self) counts.delete(id);
      else if (id !== worker) others += count;
    }
    const isRise = sessions > (counts.get(worker) ?? 0);
    if (isRise && others + sessions > max) return false;
    if (sessions === 0) counts.delete(worker);
    else counts.set(worker, sessions);
    if (counts.size === 0) known.delete(principal);
    else known.set(principal, counts);
    return true;
  };
  answerWorkers(relay, ROUTE, async (question) => String(note(JSON.parse(question) as Count)));

  const tell = async (principal: string): Promise<boolean> => {
    const count: Count = { principal, worker: self, sessions: own.get(principal) ?? 0 };
    const owner = roster.owners(`sessions ${principal}`, 1)[0]?.id ?? self;
    if (owner === self) return note(count);
    const late = (): Error => new Error(`worker ${owner} does not answer`);
    const answer = askWorker(relay, owner, ROUTE, JSON.stringify(count));
    return within(answer, PATIENCE_MS, late).then(
      (text) => text === 'true',
      () => count.sessions <= max,
    );
  };

  const change = (principal: string, by: 1 | -1): void => {
    const sessions = (own.get(principal) ?? 0) + by;
    if (sessions > 0) own.set(principal, sessions);
    else own.delete(principal);
  };

  return {
    async take(principal) {
      change(principal, 1);
      const isTaken = await tell(principal);
      if (!isTaken) change(principal, -1);
      return isTaken;
    },
    free(principal) {
      change(principal, -1);
      void tell(principal);
    },
  };
}
