/**
 * Who is in a fleet without a primary: a file per process in RUNTIME_DIR, written by that process alone. The roster
 * is the listing of those whose process lives. All that belongs to process ID is named `ID.…`.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Member, WorkerState } from '../ipc/messages.ts';
import { startTimeOf } from '../supervisor/proc.ts';
import { readJson, writeWhole } from '../supervisor/whole-file.ts';

export interface MemberRecord extends Member {
  readonly pid: number;
  /** Tells the process from a later one of the same number. */
  readonly startTime: string;
  /** Wall clock, for the order of the processes of a slot. */
  readonly bornMs: number;
  /** Where it listens or is about to: this bridge's own from then on. */
  readonly port: number;
}

const SUFFIX = '.member';
const STATES: readonly unknown[] = ['booting', 'ready', 'draining'] satisfies WorkerState[];

export const isMemberFile = (name: string): boolean => name.endsWith(SUFFIX);

export function writeMember(folder: string, record: MemberRecord): void {
  writeWhole(join(folder, `${record.id}${SUFFIX}`), JSON.stringify(record));
}

export interface Members {
  /** In the order of their birth. */
  readonly live: readonly MemberRecord[];
  /** Left by processes that did not leave in order. */
  readonly dead: readonly MemberRecord[];
}

export function readMembers(folder: string): Members {
  const live: MemberRecord[] = [];
  const dead: MemberRecord[] = [];
  for (const name of readdirSync(folder).filter(isMemberFile)) {
    const record = readJson(join(folder, name));
    if (isRecord(record)) (isAlive(record) ? live : dead).push(record);
  }
  const byBirth = (a: MemberRecord, b: MemberRecord): number => a.bornMs - b.bornMs || (a.id < b.id ? -1 : 1);
  return { live: live.sort(byBirth), dead: dead.sort(byBirth) };
}

/** Removes every file of process `id`, the member file last: until then, who interrupts this is followed by another. */
export function removeMember(folder: string, id: string): void {
  const names = readdirSync(folder).filter((name) => name.startsWith(`${id}.`));
  names.sort((a, b) => Number(isMemberFile(a)) - Number(isMemberFile(b)));
  for (const name of names) rmSync(join(folder, name), { force: true });
}

const isAlive = ({ pid, startTime }: MemberRecord): boolean => startTimeOf(pid) === startTime;

function isRecord(value: unknown): value is MemberRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { id, slot, pid, startTime, bornMs, port, state } = value as Record<string, unknown>;
  return (
    typeof id === 'string' &&
    typeof startTime === 'string' &&
    STATES.includes(state) &&
    [slot, pid, bornMs, port].every((number) => typeof number === 'number')
  );
}
