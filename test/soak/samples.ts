/**
 * What a soak looks at every few seconds: memory, descriptors, processes and sessions of one bridge. Garbage is
 * collected first: what is seen is what is kept, and not when V8 last chose to collect.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
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

/** What a bridge must be started with, so that it collects its garbage when asked, and says in `folder` what it keeps. */
export const soakEnvironment = (folder: string): Readonly<Record<string, string>> => ({
  NODE_OPTIONS: `--expose-gc --require=${resolve('test/soak/collect-on-signal.cjs')}`,
  SOAK_MEMORY_DIR: folder,
});

/** For the signal to arrive, the garbage to be collected, and V8's threads to give the pages back. */
const COLLECTING_MS = 300;

export interface Sampled {
  readonly subject: Subject;
  /** That of `soakEnvironment`. */
  readonly folder: string;
}

/** Undefined when somebody did not answer. */
export async function takeSample({ subject, folder }: Sampled, atMs: number): Promise<Sample | undefined> {
  const { workers, children } = subject.tree();
  subject.signalPrimary('SIGPWR');
  for (const worker of workers) signal(worker, 'SIGPWR');
  await sleep(COLLECTING_MS);
  const kept = workers.map(({ pid }) => readMemory(folder, pid));
  const series = await scrape(subject);
  if (series === undefined || !kept.every((one) => one !== undefined)) return undefined;
  const mib = (of: (one: NodeJS.MemoryUsage) => number): number =>
    kept.reduce((bytes, one) => bytes + of(one), 0) / BYTES_PER_MIB;
  const sum = (of: (pid: number) => number): number =>
    workers.reduce((before, { pid }) => before + of(pid), 0);
  return {
    atMs,
    heap: mib(({ heapUsed }) => heapUsed),
    reserved: mib(({ heapTotal }) => heapTotal),
    buffers: mib(({ external }) => external),
    workers: sum(residentMib),
    primary: residentMib(subject.primary),
    descriptors: sum(descriptorsOf) + descriptorsOf(subject.primary),
    children: children.length,
    sessions: total(series, 'mcp_bridge_sessions'),
  };
}

/** What a process kept when it was asked last; undefined when it has not answered. */
function readMemory(folder: string, pid: number): NodeJS.MemoryUsage | undefined {
  try {
    const path = join(folder, String(pid));
    const usage: NodeJS.MemoryUsage = JSON.parse(readFileSync(path, 'utf8'));
    rmSync(path);
    return usage;
  } catch {
    return undefined; // busy for longer; the next sample will tell
  }
}
