/**
 * The ledger of a process in a file that outlives it: its children's groups and its workers, a line for each that
 * started or ended, written at once, because who is killed has no time left to write. Read by whoever ends what a dead
 * process left.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTimeOf } from './proc.ts';
import { readWhole, writeWhole } from './whole-file.ts';

/** A process group, by its leader; a child. */
export interface Group {
  readonly pgid: number;
  readonly server: string;
  /** Of its leader, when it was reported; undefined when the leader was gone by then. */
  readonly startTime: string | undefined;
}

/** A worker: it leads no group, and is ended by itself. */
export interface WorkerNote {
  readonly pid: number;
  readonly startTime: string | undefined;
}

export interface Noted {
  readonly groups: readonly Group[];
  readonly workers: readonly WorkerNote[];
}

export interface LedgerFile {
  started(group: Group): void;
  forked(pid: number): void;
  /** A group or a worker is gone. */
  gone(pid: number): void;
  groups(): readonly Group[];
  /** Writes all of it again, after its folder was removed. */
  restore(): void;
}

/** Lines about what is gone are left out again when there are so many. */
const MAX_LINES = 1_000;

/** `failed` is told when the file cannot be written, on a full disk above all; nobody stops for that. */
export function createLedgerFile(path: string, failed: (error: unknown) => void): LedgerFile {
  const entries = new Map<number, string>();
  const groups = new Map<number, Group>();
  let lines = 0;

  const writeAll = (): void => {
    lines = entries.size;
    writeWhole(path, [...entries.values()].join(''));
  };
  const attempt = (writing: () => void): void => {
    try {
      writing();
    } catch (error) {
      failed(error);
    }
  };
  const write = (line: string): void =>
    attempt(() => {
      lines++;
      if (lines <= Math.max(MAX_LINES, 2 * entries.size)) appendFileSync(path, line, { mode: 0o600 });
      else writeAll();
    });
  const enter = (pid: number, line: string): void => {
    entries.set(pid, line);
    write(line);
  };

  return {
    started(group) {
      const { pgid, server, startTime = NO_TIME } = group;
      groups.set(pgid, group);
      enter(pgid, `+ ${pgid} ${startTime} ${server}\n`);
    },
    forked(pid) {
      if (isSafe(pid)) enter(pid, `w ${pid} ${startTimeOf(pid) ?? NO_TIME}\n`);
    },
    gone(pid) {
      groups.delete(pid);
      if (entries.delete(pid)) write(`- ${pid}\n`);
    },
    groups: () => [...groups.values()],
    restore: () => attempt(writeAll),
  };
}

/** The group that a child leads which has just started; undefined for a number that can be none. */
export function groupOf(pgid: number, server: string): Group | undefined {
  return isSafe(pgid) ? { pgid, server, startTime: startTimeOf(pgid) } : undefined;
}

/** Where a primary keeps its ledger: its name tells whose it is. */
export const ledgerPath = (folder: string): string =>
  join(folder, `${process.pid}-${startTimeOf(process.pid)}.ledger`);

/** Whether it is the name of the ledger of a primary that is gone. */
export function isLedgerOfTheDead(name: string): boolean {
  const [, pid, startTime] = /^(\d+)-(\w+)\.ledger$/.exec(name) ?? [];
  return pid !== undefined && startTimeOf(Number(pid)) !== startTime;
}

/** What the process had not seen the end of. A last line that was cut off is left out. */
export function readLedgerFile(path: string): Noted {
  const groups = new Map<number, Group>();
  const workers = new Map<number, WorkerNote>();
  const lines = readWhole(path)?.split('\n').slice(0, -1) ?? [];
  for (const line of lines) {
    const [sign, number, time, ...server] = line.split(' ');
    const pid = Number(number);
    if (!isSafe(pid)) continue;
    const startTime = time === NO_TIME ? undefined : time;
    groups.delete(pid);
    workers.delete(pid);
    if (sign === '+') groups.set(pid, { pgid: pid, server: server.join(' '), startTime });
    else if (sign === 'w') workers.set(pid, { pid, startTime });
  }
  return { groups: [...groups.values()], workers: [...workers.values()] };
}

const NO_TIME = '-';

/** 0 and 1 would signal ourselves and everybody. */
const isSafe = (pid: number): boolean => Number.isInteger(pid) && pid >= 2 && pid !== process.pid;
