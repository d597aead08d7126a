/**
 * What a primary that was killed leaves behind, and its end: the workers get a moment to end their children and
 * themselves, then whatever is left of either is killed, workers that hang and children that do not want to go included.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { endGroups } from './ledger.ts';
import { isLedgerOfTheDead, readLedgerFile, type WorkerNote } from './ledger-file.ts';
import { signalIfThere, startTimeOf } from './proc.ts';

export interface LeftBehind {
  /** Workers that had to be killed. */
  readonly workers: number;
  /** The servers whose groups were left. */
  readonly servers: readonly string[];
}

/** A worker that goes by itself takes up to 2.5 s to end its children; five seconds are all that anybody has. */
const PATIENCE_MS = 2_700;
const LOOK_MS = 50;

/** Ends all that the ledger at `path` names and that still is the process it was, and removes it. */
export async function endLeftBehind(path: string, patienceMs = PATIENCE_MS): Promise<LeftBehind> {
  const { workers, groups } = readLedgerFile(path);
  for (let waited = 0; waited < patienceMs && workers.some(isThere); waited += LOOK_MS) await wait(LOOK_MS);
  const hung = workers.filter(isThere);
  for (const { pid } of hung) signalIfThere(pid, 'SIGKILL');
  const servers = await endGroups(groups);
  rmSync(path, { force: true });
  return { workers: hung.length, servers };
}

/** The same for every primary that once had this folder and is gone, should nobody have done it. */
export async function endAllLeftBehind(folder: string): Promise<void> {
  for (const name of readdirSync(folder)) {
    if (isLedgerOfTheDead(name)) await endLeftBehind(join(folder, name), 0);
  }
}

const isThere = ({ pid, startTime }: WorkerNote): boolean =>
  startTime !== undefined && startTimeOf(pid) === startTime;
