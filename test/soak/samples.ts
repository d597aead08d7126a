/**
 * What a soak looks at every few seconds: memory, descriptors, processes and sessions of one bridge. Garbage is
 * collected first: what is seen is what is kept, and not when V8 last chose to collect.
 */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { scrape, total } from '../chaos/counters.ts';
import { descriptorsOf, residentMib, signal } from '../chaos/processes.ts';
import type { Subject } from '../chaos/subject.ts';

const BYTES_PER_MIB = 1024 * 1024;

/** The order of rows and panels. `noise`: growth over the second half that is none, whatever it is in percent. */
export const SERIES = {
  heap: { title: 'heap of the workers', unit: 'MiB', noise: 3 },
  reserved: { title: 'heap reserved by them', unit: 'MiB', noise: 10 },
  buffers: { title: 'buffers of the workers', unit: 'MiB', noise: 6 },
  workers: { title: 'RSS of the workers', unit: 'MiB', noise: 16 },
  primary: { title: 'RSS of the primary', unit: 'MiB', noise: 8 },
  descriptors: { title: 'file descriptors', unit: '', noise: 12 },
  children: { title: 'children', unit: '', noise: 4 },
  sessions: { title: 'sessions', unit: '', noise: 5 },
} as const satisfies Record<string, { title: string; unit: string; noise: number }>;

export type SeriesName = keyof typeof SERIES;

export const SERIES_NAMES = Object.keys(SERIES) as readonly SeriesName[];

export type Sample = Readonly<Record<SeriesName, number>> & { readonly atMs: number };

/** What a bridge must be started with, so that it collects its garbage when asked. */
export const SOAK_ENV = {
  NODE_OPTIONS: `--expose-gc --require=${resolve('test/soak/collect-on-signal.cjs')}`,
};

/** For the signal to arrive, the garbage to be collected, and V8's threads to give the pages back. */
const COLLECTING_MS = 250;

/** Undefined when /metrics did not answer. */
export async function takeSample(subject: Subject, atMs: number): Promise<Sample | undefined> {
  subject.signalPrimary('SIGPWR');
  for (const worker of subject.tree().workers) signal(worker, 'SIGPWR');
  await sleep(COLLECTING_MS);
  const series = await scrape(subject);
  if (series === undefined) return undefined;
  const { workers, children } = subject.tree();
  const sum = (of: (pid: number) => number): number =>
    workers.reduce((before, { pid }) => before + of(pid), 0);
  return {
    atMs,
    heap: ofWorkers(series, 'nodejs_heap_size_used_bytes'),
    reserved: ofWorkers(series, 'nodejs_heap_size_total_bytes'),
    buffers: ofWorkers(series, 'nodejs_external_memory_bytes'),
    workers: sum(residentMib),
    primary: residentMib(subject.primary),
    descriptors: sum(descriptorsOf) + descriptorsOf(subject.primary),
    children: children.length,
    sessions: total(series, 'mcp_bridge_sessions'),
  };
}

/** MiB over all workers, without the primary. */
function ofWorkers(series: ReadonlyMap<string, number>, name: string): number {
  let bytes = 0;
  for (const [key, value] of series) {
    if (key.startsWith(`${name}{`) && /slot="\d+"/.test(key)) bytes += value;
  }
  return bytes / BYTES_PER_MIB;
}
