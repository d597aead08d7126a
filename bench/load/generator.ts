/**
 * Which load generator this machine has.
 */
import { autocannonLoad } from './autocannon.ts';
import type { LoadPlan, LoadResult } from './plan.ts';
import { wrkLoad, wrkVersion } from './wrk.ts';

export interface Generator {
  /** For the output: the name, the version, and what to know when it is not the first choice. */
  readonly name: string;
  run(plan: LoadPlan, seconds: number): Promise<LoadResult>;
}

/** wrk where it is on the PATH, else autocannon. */
export function findGenerator(folder: string): Generator {
  const wrk = wrkVersion();
  if (wrk !== undefined) return { name: wrk, run: (plan, seconds) => wrkLoad(plan, seconds, folder) };
  return {
    name: 'autocannon (no wrk on the PATH: fewer requests/s, latency in whole milliseconds)',
    run: autocannonLoad,
  };
}
