/**
 * The process groups that each worker's children lead. A worker stops its own children; the ledger is for a worker
 * that died and cannot: then nothing it started may stay behind, grandchildren included.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { type Group, groupOf, type LedgerFile } from './ledger-file.ts';
import { isSignalable, signalIfThere, startTimeOf } from './proc.ts';

export interface Ledger {
  started(worker: string, pgid: number, server: string): void;
  exited(worker: string, pgid: number): void;
  /** Ends all groups of the worker, gently for a moment. Resolves when they are gone, with the servers they belonged to; never rejects. */
  reap(worker: string): Promise<readonly string[]>;
}

/** All of it together stays below a second. */
const TERM_MS = 500;
const KILL_MS = 400;
const LOOK_MS = 20;

/** `file` is kept up to date, for whoever comes after this process. */
export function createLedger(file: Pick<LedgerFile, 'started' | 'gone'>): Ledger {
  const workers = new Map<string, Map<number, Group>>();

  return {
    started(worker, pgid, server) {
      const group = groupOf(pgid, server);
      if (group === undefined) return;
      const groups = workers.get(worker) ?? new Map<number, Group>();
      workers.set(worker, groups.set(pgid, group));
      file.started(group);
    },
    exited(worker, pgid) {
      if (workers.get(worker)?.delete(pgid)) file.gone(pgid);
    },
    async reap(worker) {
      const groups = [...(workers.get(worker)?.values() ?? [])];
      workers.delete(worker);
      const servers = await endGroups(groups);
      for (const { pgid } of groups) file.gone(pgid);
      return servers;
    },
  };
}

/** Gently for a moment. Resolves when they are gone, with the servers of those that were left; never rejects. */
export async function endGroups(reported: readonly Group[]): Promise<readonly string[]> {
  const groups = reported.filter(isLeft);
  for (const { pgid } of groups) signalIfThere(-pgid, 'SIGTERM');
  await gone(groups, TERM_MS);
  for (const { pgid } of groups.filter(isLeft)) signalIfThere(-pgid, 'SIGKILL');
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

/** These waits keep the process alive, unlike `pause`: the primary must not end before its work is done. */
async function gone(groups: readonly Group[], ms: number): Promise<void> {
  for (let waited = 0; waited < ms && groups.some(isLeft); waited += LOOK_MS) await wait(LOOK_MS);
}
