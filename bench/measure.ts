/**
 * Measuring contenders against each other: their runs alternate (A B A B), because on a small machine the minute
 * matters more than the code, and the median of the rounds counts.
 */
import type { Lab } from './lab.ts';
import type { LoadPlan, LoadResult } from './load/plan.ts';
import { cpuSeconds, gatewayPids, rssMib } from './proc.ts';
import { CHILD_MARK, type Target } from './targets/target.ts';

/** A slice of warm-up, and how many there are at most; a peer's heavy code takes up to ten seconds to be compiled. */
const WARM_UP_SECONDS = 1;
const WARM_UP_SLICES = 12;
/** A slice that is faster than all before by less than this has not grown. */
const GROWTH = 1.05;
const RSS_EVERY_MS = 250;

export interface Contender {
  readonly name: string;
  /** Whose CPU and memory count. */
  pids(): readonly number[];
  drive(seconds: number): Promise<LoadResult>;
}

/** Medians over the rounds; errors are summed. */
export interface Figures {
  readonly name: string;
  readonly requestsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Wrong or missing answers in all rounds, and how many were right or wrong together. */
  readonly errors: number;
  readonly requests: number;
  readonly cpuUsPerRequest: number;
  /** The highest seen. */
  readonly rssMib: number;
  /** The first wrong answer; empty when there was none. */
  readonly sample: string;
}

/** `plan` against `target` by the load generator. */
export const contender = (lab: Lab, target: Target, plan: Omit<LoadPlan, 'port' | 'headers'>): Contender => ({
  name: target.name,
  pids: () => gatewayPids(target.pid, CHILD_MARK),
  drive: (seconds) => lab.generator.run({ ...plan, port: target.port, headers: target.headers }, seconds),
});

export const named = (name: string, one: Contender): Contender => ({ ...one, name });

/** The figures of each contender, in their order. */
export async function alternate(lab: Lab, contenders: readonly Contender[]): Promise<readonly Figures[]> {
  const rounds: Figures[][] = contenders.map(() => []);
  for (const one of contenders) {
    lab.progress.step(`warm-up: ${one.name}`);
    await warmUp(one);
  }
  for (let round = 1; round <= lab.rounds; round++) {
    for (const [index, one] of contenders.entries()) {
      lab.progress.step(`round ${round} of ${lab.rounds}: ${one.name}`);
      rounds[index]?.push(await measureOnce(one, lab.seconds));
    }
  }
  return rounds.map(summary);
}

/** Until two slices in a row are no faster: a cold contender would be measured compiling. */
async function warmUp(one: Contender): Promise<void> {
  let best = 0;
  let level = 0;
  for (let slice = 0; slice < WARM_UP_SLICES && level < 2; slice++) {
    const { requests, seconds } = await one.drive(WARM_UP_SECONDS);
    const rate = requests / seconds;
    level = rate > best * GROWTH ? 0 : level + 1;
    best = Math.max(best, rate);
  }
}

async function measureOnce(one: Contender, seconds: number): Promise<Figures> {
  const pids = one.pids();
  let highest = rssMib(pids);
  const sampling = setInterval(() => {
    highest = Math.max(highest, rssMib(pids));
  }, RSS_EVERY_MS);
  try {
    const cpuBefore = cpuSeconds(pids);
    const result = await one.drive(seconds);
    const cpu = cpuSeconds(pids) - cpuBefore;
    return {
      name: one.name,
      requestsPerSecond: result.requests / result.seconds,
      p50Us: result.p50Us,
      p99Us: result.p99Us,
      errors: result.errors,
      requests: result.requests,
      cpuUsPerRequest: (cpu * 1e6) / result.requests,
      rssMib: Math.max(highest, rssMib(pids)),
      sample: result.sample,
    };
  } finally {
    clearInterval(sampling);
  }
}

function summary(rounds: readonly Figures[]): Figures {
  const middle = (pick: (figures: Figures) => number): number => median(rounds.map(pick));
  return {
    name: rounds[0]?.name ?? '',
    requestsPerSecond: middle((round) => round.requestsPerSecond),
    p50Us: middle((round) => round.p50Us),
    p99Us: middle((round) => round.p99Us),
    errors: rounds.reduce((sum, round) => sum + round.errors, 0),
    requests: rounds.reduce((sum, round) => sum + round.requests, 0),
    cpuUsPerRequest: middle((round) => round.cpuUsPerRequest),
    rssMib: Math.max(...rounds.map((round) => round.rssMib)),
    sample: rounds.find((round) => round.sample !== '')?.sample ?? '',
  };
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const upper = sorted[Math.floor(half)] ?? Number.NaN;
  return Number.isInteger(half) ? ((sorted[half - 1] ?? upper) + upper) / 2 : upper;
}
