/**
 * One soak from start to end: a bridge, mixed traffic with clients that leave and sessions that nobody ends, and
 * samples of what could grow. Cleans up whatever happens; prints nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startLoad } from '../chaos/load.ts';
import { seeded } from '../chaos/random.ts';
import { SOAK_PROFILES } from '../chaos/servers.ts';
import { Subject } from '../chaos/subject.ts';
import { Tally } from '../chaos/tally.ts';
import { type Sample, soakEnvironment, takeSample } from './samples.ts';

export interface SoakOptions {
  readonly minutes: number;
  /** Calls a second. */
  readonly rate: number;
  readonly seed: number;
  /** KiB a second that each worker is made to leak; 0 but for a proof. */
  readonly leak: number;
  /** Ends the run early: cleans up, then rejects. */
  readonly stop?: AbortSignal;
}

export interface SoakResult {
  readonly tally: Tally;
  readonly samples: readonly Sample[];
  /** Sessions left without a word. */
  readonly abandoned: number;
  readonly exit: number | string | undefined;
  /** Processes left after the bridge has stopped. */
  readonly left: number;
}

const SAMPLE_EVERY_MS = 3_000;
const LEAVE_EVERY_MS = 700;

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { seed, rate, leak, stop } = options;
  const tally = new Tally();
  const folder = mkdtempSync(join(tmpdir(), 'soak-'));
  const subject = await Subject.start({ ...soakEnvironment(folder), SOAK_LEAK_KIB: String(leak) });
  const undo: (() => unknown)[] = [];
  try {
    const random = seeded(seed);
    const load = startLoad({ port: subject.port, token: subject.token, tally, random }, SOAK_PROFILES, rate);
    undo.push(() => load.stop());
    let abandoned = 0;
    const leaving = setInterval(() => {
      if (load.abandon(random.next())) abandoned++;
      load.leaveInMidCall(random.next());
      load.leaveWhileOpening(random.next());
    }, LEAVE_EVERY_MS);
    undo.push(() => clearInterval(leaving));

    const samples: Sample[] = [];
    const startedAt = performance.now();
    const endsAt = startedAt + options.minutes * 60_000;
    while (performance.now() < endsAt) {
      const sample = await takeSample({ subject, folder }, performance.now() - startedAt);
      if (sample !== undefined) samples.push(sample);
      await sleep(SAMPLE_EVERY_MS, undefined, stop && { signal: stop });
    }
    clearInterval(leaving);
    await load.stop();
    const exit = await subject.stop();
    return { tally, samples, abandoned, exit, left: subject.leftovers().processes };
  } finally {
    for (const each of undo.toReversed()) await each();
    await subject.discard();
    rmSync(folder, { recursive: true, force: true });
  }
}
