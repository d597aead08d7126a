/**
 * The gauges of a pool: read when somebody asks for them.
 */
import { readFileSync } from 'node:fs';
import type { Metrics } from '../metrics/metrics.ts';
import type { ChildState } from './child.ts';
import { ADHOC_LABEL, type Pool } from './pool.ts';

const PAGE_BYTES = 4096;

export function observePool(pool: Pool, metrics: Metrics): void {
  metrics.upstreamChildren.collect((set) => {
    for (const [label, each] of pool.labelled()) {
      for (const [state, count] of Object.entries(each.status().children) as [ChildState, number][]) {
        set(count, label, state);
      }
    }
  });
  metrics.upstreamBreaker.collect((set) => {
    for (const [label, each] of pool.labelled()) {
      if (label !== ADHOC_LABEL && !each.isRetired) set(1, label, each.status().breaker);
    }
  });
  metrics.upstreamMemory.collect((set) => {
    for (const [label, each] of pool.labelled()) {
      for (const pid of each.pids()) set(residentBytes(pid), label);
    }
  });
}

/** proc(5), `statm`: the second field counts resident pages. 0 for a process that is gone, or without /proc. */
function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
