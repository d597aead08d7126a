/**
 * What is limited for the whole bridge, counted without a primary: each process writes how much it holds into a file
 * of its own, and takes more only with the lock held, when the files of all live processes leave enough. So the
 * limits are never exceeded. To spare files, a process takes sessions in blocks where the limit is large: close to
 * it, up to 1/64 of the places may be held by a process that does not use them.
 */
import { join } from 'node:path';
import type { QuotaKind } from '../ipc/messages.ts';
import { readJson, writeWhole } from '../supervisor/whole-file.ts';
import type { Lock } from './lock.ts';

export interface QuotaFiles {
  /** Grants all of `count` or as much as there is; answers how much. */
  acquire(kind: QuotaKind, count: number): Promise<number>;
  release(kind: QuotaKind, count: number): void;
}

export interface QuotaFilesOptions {
  readonly folder: string;
  readonly id: string;
  readonly lock: Lock;
  readonly limits: Readonly<Record<QuotaKind, number>>;
  /** Instances that share the limits. */
  readonly instances: number;
  /** The ids of the processes that live. */
  readonly liveIds: () => readonly string[];
}

type Counts = Record<QuotaKind, number>;

const SLACK_SHARE = 64;

export function createQuotaFiles(options: QuotaFilesOptions): QuotaFiles {
  const { folder, id, lock, limits, instances } = options;
  const held: Counts = { sessions: 0, children: 0 };
  const used: Counts = { sessions: 0, children: 0 };
  const block: Counts = {
    sessions: Math.max(1, Math.floor(limits.sessions / SLACK_SHARE / instances)),
    children: 1,
  };
  const pathOf = (of: string): string => join(folder, `${of}.quota`);

  const hold = (kind: QuotaKind, count: number): void => {
    held[kind] = count;
    writeWhole(pathOf(id), JSON.stringify(held));
  };
  const heldByOthers = (kind: QuotaKind): number => {
    let sum = 0;
    for (const other of options.liveIds()) {
      if (other !== id) sum += countIn(readJson(pathOf(other)), kind);
    }
    return sum;
  };

  return {
    acquire(kind, count) {
      const take = (): number => {
        const granted = Math.min(count, held[kind] - used[kind]);
        used[kind] += granted;
        return granted;
      };
      if (held[kind] - used[kind] >= count) return Promise.resolve(take());
      return lock.hold(() => {
        const most = limits[kind] - heldByOthers(kind);
        const wanted = Math.min(used[kind] + count + block[kind] - 1, most);
        if (wanted > held[kind]) hold(kind, wanted);
        return take();
      });
    },
    // Without the lock: others may only see too much of it for a moment.
    release(kind, count) {
      used[kind] -= Math.min(count, used[kind]);
      if (held[kind] - used[kind] >= 2 * block[kind] - 1) hold(kind, used[kind] + block[kind] - 1);
    },
  };
}

function countIn(value: unknown, kind: QuotaKind): number {
  const count = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[kind] : 0;
  return typeof count === 'number' && count > 0 ? count : 0;
}
