/**
 * When which fault happens: decided before anything runs, from the seed alone. Whom it hits is decided when it
 * happens, among those that are there, by the number that the schedule drew for it.
 */
import { seeded } from './random.ts';

export interface Fault {
  readonly atMs: number;
  readonly kind: FaultKind;
  /** [0, 1): which of the possible victims. */
  readonly victim: number;
  /** How long it lasts, for those that last. */
  readonly forMs: number;
}

interface Lane {
  /** On average. */
  readonly everyMs: number;
  readonly forMs?: readonly [low: number, high: number];
}

/**
 * Worker deaths are rarer than the supervisor's 30 s of service that forget a death, or it would rightly give the
 * slots up as crash loops: it is not what is tested here.
 */
const LANES = {
  'worker SIGKILL': { everyMs: 24_000 },
  'worker stopped, below the heartbeat limit': { everyMs: 17_000, forMs: [500, 4_000] },
  'worker stopped, past the heartbeat limit': { everyMs: 90_000, forMs: [13_000, 13_500] },
  'child SIGKILL': { everyMs: 2_500 },
  'child stopped, below the request timeout': { everyMs: 4_000, forMs: [200, 2_000] },
  'child stopped, past the request timeout': { everyMs: 30_000, forMs: [7_000, 9_000] },
  'file changed, SIGHUP': { everyMs: 20_000 },
  'file broken, SIGHUP': { everyMs: 45_000, forMs: [1_000, 3_000] },
  'rolling restart, SIGUSR2': { everyMs: 35_000 },
  'client gone in mid-call': { everyMs: 250 },
  'client gone while opening': { everyMs: 1_500 },
  'session abandoned': { everyMs: 1_000 },
} as const satisfies Record<string, Lane>;

export type FaultKind = keyof typeof LANES;

export const FAULT_KINDS = Object.keys(LANES) as readonly FaultKind[];

/** In order of time. Every kind comes at least once, however short the run, and ends before it does where it can. */
export function schedule(seed: number, durationMs: number): readonly Fault[] {
  const faults: Fault[] = [];
  for (const [lane, kind] of FAULT_KINDS.entries()) {
    const { everyMs, forMs = [0, 0] }: Lane = LANES[kind];
    // A generator for each kind: another kind's rate does not move this one's faults.
    const random = seeded(seed + lane * 7_919);
    const lastMs = Math.max(500, durationMs - forMs[1]);
    let atMs = random.between(0, Math.min(everyMs, lastMs));
    do {
      faults.push({ atMs, kind, victim: random.next(), forMs: random.between(...forMs) });
      atMs += everyMs * random.between(0.5, 1.5);
    } while (atMs < lastMs);
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}
