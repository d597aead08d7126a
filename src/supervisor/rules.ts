/** The limits by which the supervisor judges its workers, in one table. */
import type { Settings } from '../config/settings.ts';

export interface Rules {
  /** From fork to ready; past it the worker is killed. */
  readonly bootMs: number;
  /** Without a heartbeat for so long a worker hangs. Three beats may be late before that. */
  readonly silentMs: number;
  /** What a draining worker gets to finish its requests. */
  readonly drainMs: number;
  /** What it gets beyond that to close its pool (a stubborn child takes up to 4 s) before it is killed. */
  readonly graceMs: number;
  readonly backOffFirstMs: number;
  readonly backOffMaxMs: number;
  /** After so long in service a death is news again, not one more of a series. */
  readonly stableMs: number;
  /** Failed starts of every slot after which a fleet that never served gives up. */
  readonly bootAttempts: number;
  /** Deaths in a row that a slot of a serving fleet survives before it is put aside as `failed`. */
  readonly crashBudget: number;
  /** When a failed slot gets one more attempt. */
  readonly failedMs: number;
  /** A younger worker is not replaced for its memory, which is still growing to its usual size. */
  readonly memoryYoungMs: number;
  /** Nor is one of a slot where that was done so short a time ago: it would be large again. */
  readonly memoryPauseMs: number;
  /** 0: no limit. */
  readonly maxMemoryBytes: number;
  /**
   * A terminal and npm both pass on one Ctrl-C, within a few milliseconds: two stop signals within this time are one.
   * Short, because whoever asks a second time wants it now.
   */
  readonly sameSignalMs: number;
  /** A tick that comes later than this means that the primary itself stood still, not its workers. */
  readonly stallMs: number;
}

export function rulesFor(settings: Pick<Settings, 'drainTimeoutMs' | 'workerMaxMemoryMb'>): Rules {
  return {
    bootMs: 30_000,
    silentMs: 10_000,
    drainMs: settings.drainTimeoutMs,
    graceMs: 5_000,
    backOffFirstMs: 100,
    backOffMaxMs: 15_000,
    stableMs: 30_000,
    bootAttempts: 3,
    crashBudget: 20,
    failedMs: 300_000,
    memoryYoungMs: 5_000,
    memoryPauseMs: 30_000,
    maxMemoryBytes: settings.workerMaxMemoryMb * 1024 * 1024,
    sameSignalMs: 100,
    stallMs: 1_000,
  };
}
