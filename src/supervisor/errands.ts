/**
 * What one worker was asked to do, until it says that it is done. A worker that dies or stays silent leaves
 * nobody waiting.
 */

interface Errand<T> {
  readonly seq: number;
  /** What the worker reports; undefined when it is gone, or time is over. Never rejects. */
  readonly done: Promise<T | undefined>;
}

export interface Errands<T> {
  begin(worker: string, deadlineMs: number): Errand<T>;
  finish(worker: string, seq: number, report: T): void;
  /** The worker is gone. */
  forget(worker: string): void;
}

interface Open<T> {
  readonly worker: string;
  readonly settle: (report: T | undefined) => void;
}

export function createErrands<T>(): Errands<T> {
  const open = new Map<number, Open<T>>();
  let lastSeq = 0;
  return {
    begin(worker, deadlineMs) {
      const seq = ++lastSeq;
      const done = new Promise<T | undefined>((resolve) => {
        const settle = (report: T | undefined): void => {
          clearTimeout(timer);
          open.delete(seq);
          resolve(report);
        };
        const timer = setTimeout(() => settle(undefined), deadlineMs).unref();
        open.set(seq, { worker, settle });
      });
      return { seq, done };
    },
    finish(worker, seq, report) {
      const errand = open.get(seq);
      if (errand?.worker === worker) errand.settle(report);
    },
    forget(worker) {
      for (const errand of [...open.values()]) if (errand.worker === worker) errand.settle(undefined);
    },
  };
}
