/**
 * One chaos run from start to end: a bridge, load, faults, recovery, and what was left. Judges what must not be;
 * prints nothing. Cleans up whatever happens.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CounterWatch, scrape, total, watchCounters } from './counters.ts';
import { type Faults, injectFaults } from './faults.ts';
import { type Load, startLoad } from './load.ts';
import { descriptorsOf, residentMib } from './processes.ts';
import { seeded } from './random.ts';
import { type FaultKind, schedule } from './schedule.ts';
import { CHAOS_PROFILES } from './servers.ts';
import { Subject } from './subject.ts';
import { Tally } from './tally.ts';

export interface ChaosOptions {
  readonly minutes: number;
  /** Calls a second. */
  readonly rate: number;
  readonly seed: number;
  /** Ends the run early: cleans up, then rejects. */
  readonly stop?: AbortSignal;
}

/** A number that must be 0. */
export interface Must {
  readonly what: string;
  readonly count: number;
}

export interface ChaosResult {
  readonly tally: Tally;
  readonly injected: ReadonlyMap<FaultKind, number>;
  readonly missed: number;
  readonly musts: readonly Must[];
  /** What helps to understand a broken must. */
  readonly notes: readonly string[];
  /** Resident MiB of primary and workers. */
  readonly memoryMib: { readonly start: number; readonly end: number };
  readonly recoveredAfterMs: number | undefined;
  readonly scrapes: number;
}

/** Long enough for a short stop of its worker: what idles out in one is not lost to a fault. */
const SESSION_TTL_MS = 8_000;
const SCRAPE_EVERY_MS = 3_000;
/** For the longest back-off of a worker, or of a server. */
const RECOVERY_MS = 45_000;
const LOOK_MS = 250;

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, rate } = options;
  const durationMs = options.minutes * 60_000;
  const tally = new Tally();
  const ownDescriptors = descriptorsOf(process.pid);
  const subject = await Subject.start({ STREAM_SESSION_TTL_MS: String(SESSION_TTL_MS) });
  const undo: (() => unknown)[] = [];
  try {
    const memoryStart = memoryOf(subject);
    const primaryDescriptors = descriptorsOf(subject.primary);
    const ground = { port: subject.port, token: subject.token, tally, random: seeded(seed) };
    const load: Load = startLoad(ground, CHAOS_PROFILES, rate);
    undo.push(() => load.stop());
    const watch: CounterWatch = watchCounters(subject, SCRAPE_EVERY_MS);
    undo.push(() => watch.stop());
    const faults: Faults = injectFaults(schedule(seed, durationMs), subject, load);
    undo.push(() => faults.end());
    await sleep(durationMs, undefined, { ...(options.stop && { signal: options.stop }) });
    faults.end();
    await load.stop();
    watch.stop();

    const endedAt = performance.now();
    const left = await settle(subject, primaryDescriptors);
    const recoveredAfterMs = left.serves ? performance.now() - endedAt : undefined;
    const memoryEnd = memoryOf(subject);
    const exit = await subject.stop();
    const { processes, files } = subject.leftovers();
    const own = await ownLeft(ownDescriptors);
    const notes = [
      ...tally.examples,
      ...[...watch.wentBack].slice(0, 10).map((one) => `went back: ${one}`),
      ...(files.length > 0 ? [`left in RUNTIME_DIR: ${files.join(', ')}`] : []),
      ...(exit === 0 ? [] : [`the bridge ended with ${exit ?? 'a kill'}:\n${subject.logTail()}`]),
    ];
    return {
      tally,
      injected: faults.injected,
      missed: faults.missed,
      notes,
      memoryMib: { start: memoryStart, end: memoryEnd },
      recoveredAfterMs,
      scrapes: watch.scrapes,
      musts: [
        { what: 'wrong answers', count: tally.wrong },
        { what: `requests hung beyond the timeout`, count: tally.hung },
        { what: 'failures that no fault explains', count: tally.unexpected },
        { what: 'sessions of the shared server lost', count: tally.lostShared },
        { what: 'counters that went back', count: watch.wentBack.size },
        { what: 'not serving again after the faults', count: left.serves ? 0 : 1 },
        { what: 'sessions left past their idle time', count: left.sessions },
        { what: 'children left past their idle time', count: left.children },
        { what: "primary's file descriptors left", count: left.descriptors },
        { what: 'exit code of the bridge', count: typeof exit === 'number' ? exit : 1 },
        { what: 'processes left', count: processes },
        { what: 'sockets and files left in RUNTIME_DIR', count: files.length },
        { what: "this program's file descriptors left", count: own },
      ],
    };
  } finally {
    for (const each of undo.toReversed()) await each();
    await subject.discard();
  }
}

interface Left {
  readonly serves: boolean;
  readonly sessions: number;
  readonly children: number;
  readonly descriptors: number;
}

/** Waits until the bridge serves as it did and nothing is left of the load, or patience is over. */
async function settle(subject: Subject, primaryDescriptors: number): Promise<Left> {
  const end = performance.now() + RECOVERY_MS;
  for (;;) {
    const serves = await subject.isReady();
    const series = serves ? await scrape(subject) : undefined;
    const left = {
      serves,
      sessions: series === undefined ? 0 : total(series, 'mcp_bridge_sessions'),
      children: subject.tree().children.length,
      descriptors: Math.max(0, descriptorsOf(subject.primary) - primaryDescriptors),
    };
    const isDone = left.serves && left.sessions + left.children + left.descriptors === 0;
    if (isDone || performance.now() > end) return left;
    await sleep(LOOK_MS);
  }
}

/** Sockets take a moment to go after their `destroy`. */
async function ownLeft(before: number): Promise<number> {
  let left = 0;
  for (let looked = 0; looked < 20; looked++) {
    left = Math.max(0, descriptorsOf(process.pid) - before);
    if (left === 0) break;
    await sleep(LOOK_MS);
  }
  return left;
}

function memoryOf(subject: Subject): number {
  const { workers } = subject.tree();
  return [subject.primary, ...workers.map(({ pid }) => pid)].reduce((sum, pid) => sum + residentMib(pid), 0);
}
