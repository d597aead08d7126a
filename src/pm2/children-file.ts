/**
 * The ledger of a process's child groups, in a file that outlives it: a line for each that started or ended, written
 * at once, because who is killed has no time left to write. Read by whoever ends what a dead process left.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Group } from '../supervisor/ledger.ts';
import { startTimeOf } from '../supervisor/proc.ts';
import { readWhole, writeWhole } from './whole-file.ts';

export interface ChildrenFile {
  started(pgid: number, server: string): void;
  exited(pgid: number): void;
  groups(): readonly Group[];
}

/** Lines about ended children are left out again when there are so many. */
const MAX_LINES = 1_000;

export function createChildrenFile(folder: string, id: string): ChildrenFile {
  const path = pathOf(folder, id);
  const groups = new Map<number, Group>();
  let lines = 0;

  const write = (line: string): void => {
    lines++;
    if (lines <= Math.max(MAX_LINES, 2 * groups.size)) {
      appendFileSync(path, line, { mode: 0o600 });
      return;
    }
    lines = groups.size;
    writeWhole(path, [...groups.values()].map(startLine).join(''));
  };

  return {
    started(pgid, server) {
      // 0 and 1 would signal ourselves and everybody.
      if (!Number.isInteger(pgid) || pgid < 2 || pgid === process.pid) return;
      const group = { pgid, server, startTime: startTimeOf(pgid) };
      groups.set(pgid, group);
      write(startLine(group));
    },
    exited(pgid) {
      if (groups.delete(pgid)) write(`- ${pgid}\n`);
    },
    groups: () => [...groups.values()],
  };
}

/** What the process had not seen the end of. A last line that was cut off is left out. */
export function readChildren(folder: string, id: string): readonly Group[] {
  const groups = new Map<number, Group>();
  const lines = readWhole(pathOf(folder, id))?.split('\n').slice(0, -1) ?? [];
  for (const line of lines) {
    const [sign, number, startTime, ...server] = line.split(' ');
    const pgid = Number(number);
    if (!Number.isInteger(pgid) || pgid < 2) continue;
    if (sign === '+') {
      groups.set(pgid, {
        pgid,
        server: server.join(' '),
        startTime: startTime === NO_TIME ? undefined : startTime,
      });
    } else {
      groups.delete(pgid);
    }
  }
  return [...groups.values()];
}

const NO_TIME = '-';

const startLine = ({ pgid, server, startTime = NO_TIME }: Group): string =>
  `+ ${pgid} ${startTime} ${server}\n`;

const pathOf = (folder: string, id: string): string => join(folder, `${id}.children`);
