/**
 * Mutual exclusion among the instances that share a RUNTIME_DIR, without anything that a killed one leaves locked.
 *
 * A ticket is a file that names its process. Who wants the lock makes its own ticket, then looks at the others':
 * is there one of a live process, it withdraws and tries again a moment later. Each looks after it has made its own,
 * so of two at once at least one sees the other. A dead process's ticket counts for nothing; a lock file that has to
 * be broken could be broken by two at once.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { now } from '../deadline.ts';
import { startTimeOf } from '../supervisor/proc.ts';

export interface Lock {
  /** One piece of work at a time. Rejects as `work` does, and when the lock is not to be had within `patienceMs`. */
  hold<T>(work: () => T | Promise<T>, patienceMs?: number): Promise<T>;
  /** For the end of a process, where nothing can be awaited: false when it was not to be had within `patienceMs`. */
  holdSync(work: () => void, patienceMs: number): boolean;
}

const PATIENCE_MS = 4_000;
const SUFFIX = '.ticket';
/** Of different length for everybody, so that two do not meet again and again. */
const retryMs = (): number => 1 + Math.random() * 4;

export function createLock(folder: string): Lock {
  const name = `${process.pid}-${startTimeOf(process.pid)}${SUFFIX}`;
  const path = join(folder, name);
  let isHeld = false;
  let last: Promise<unknown> = Promise.resolve();

  const take = (): boolean => {
    writeFileSync(path, '', { mode: 0o600 });
    isHeld = !readdirSync(folder).some((other) => other !== name && isLive(folder, other));
    if (!isHeld) rmSync(path, { force: true });
    return isHeld;
  };
  const giveBack = (): void => {
    isHeld = false;
    rmSync(path, { force: true });
  };

  const hold = async <T>(work: () => T | Promise<T>, patienceMs: number): Promise<T> => {
    const endsAt = now() + patienceMs;
    while (!take()) {
      if (now() > endsAt) throw new Error(`${folder} stays locked by another instance of the bridge`);
      await wait(retryMs());
    }
    try {
      return await work();
    } finally {
      giveBack();
    }
  };

  return {
    hold(work, patienceMs = PATIENCE_MS) {
      const result = last.then(() => hold(work, patienceMs));
      last = result.catch(() => undefined);
      return result;
    },
    holdSync(work, patienceMs) {
      if (isHeld) return false;
      const endsAt = now() + patienceMs;
      while (!take()) {
        if (now() > endsAt) return false;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs());
      }
      try {
        work();
      } finally {
        giveBack();
      }
      return true;
    },
  };
}

/** Whether the file is the ticket of a process that lives; one that a dead process left is removed. */
function isLive(folder: string, name: string): boolean {
  const [, pid, startTime] = /^(\d+)-(\w+)\.ticket$/.exec(name) ?? [];
  if (pid === undefined) return false;
  if (startTimeOf(Number(pid)) === startTime) return true;
  rmSync(join(folder, name), { force: true });
  return false;
}
