/**
 * The process groups that each worker's children lead. A worker stops its own children; the ledger is for a worker
 * that died and cannot: then nothing it started may stay behind, grandchildren included.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { isSignalable, startTimeOf } from './proc.ts';

export interface Ledger {
  started(worker: string, pgid: number, server: string): void;
  exited(worker: string, pgid: number): void;
  /** Ends all groups of the worker, gently for a moment. Resolves when they are gone, with the servers they belonged to; never rejects. */
  reap(worker: string): Promise<readonly string[]>;
}

export interface Group {
  readonly pgid: number;
  readonly server: string;
  /** Of its leader, when it was reported; undefined when the leader was gone by then. */
  readonly startTime: string | undefined;
}

/** All of it together stays below a second. */
const TERM_MS = 500;
const KILL_MS = 400;
const LOOK_MS = 20;

export function createLedger(): Ledger {
  const workers = new Map<string, Map<number, Group>>();

  return {
    started(worker, pgid, server) {
      // 0 and 1 would signal ourselves and everybody.
      if (!Number.isInteger(pgid) || pgid < 2 || pgid === process.pid) return;
      const groups = workers.get(worker) ?? new Map<number, Group>();
      workers.set(worker, groups.set(pgid, { pgid, server, startTime: startTimeOf(pgid) }));
    },
    exited(worker, pgid) {
      workers.get(worker)?.delete(pgid);
    },
    async reap(worker) {
      const groups = [...(workers.get(worker)?.values() ?? [])];
      workers.delete(worker);
      return endGroups(groups);
    },
  };
}

/** Gently for a moment. Resolves when they are gone, with the servers of those that were left; never rejects. */
export async function endGroups(reported: readonly Group[]): Promise<readonly string[]> {
  const groups = reported.filter(isLeft);
  for (const group of groups) signal(group, 'SIGTERM');
  await gone(groups, TERM_MS);
  for (const group of groups.filter(isLeft)) signal(group, 'SIGKILL');
  await gone(groups, KILL_MS);
  return groups.map(({ server }) => server);
}

/**
 * Whether the number still means the group that was reported. The kernel gives no process an id that is in use as a
 * group's, so a group without its leader is still ours; a leader with another start time is a stranger's.
 */
function isLeft({ pgid, startTime }: Group): boolean {
  const leader = startTimeOf(pgid);
  if (leader !== undefined && leader !== startTime) return false;
  return isSignalable(-pgid);
}

function signal({ pgid }: Group, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pgid, name);
  } catch (error) {
    // ESRCH: it went by itself. EPERM: a child that runs as another user, whom only its own worker may end.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

/** These waits keep the process alive, unlike `pause`: the primary must not end before its work is done. */
async function gone(groups: readonly Group[], ms: number): Promise<void> {
  for (let waited = 0; waited < ms && groups.some(isLeft); waited += LOOK_MS) await wait(LOOK_MS);
}
