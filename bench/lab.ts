/**
 * What a scenario works with: a temporary folder, the load generator, the progress line, and everything it started,
 * which ends with it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findGenerator, type Generator } from './load/generator.ts';
import type { Options } from './options.ts';
import type { Progress } from './report/progress.ts';
import type { Running } from './targets/process.ts';
import type { Ground } from './targets/target.ts';

export class Lab implements Ground {
  readonly seconds: number;
  readonly rounds: number;
  readonly progress: Pick<Progress, 'step'>;
  readonly generator: Generator;
  readonly #root = mkdtempSync(join(tmpdir(), 'mcp-bench-'));
  readonly #running = new Set<Running>();

  constructor({ seconds, rounds }: Options, progress: Pick<Progress, 'step'>) {
    this.seconds = seconds;
    this.rounds = rounds;
    this.progress = progress;
    this.generator = findGenerator(this.#root);
  }

  folder(): string {
    return mkdtempSync(join(this.#root, 't-'));
  }

  keep<T extends Running>(running: T): T {
    const once = { ...running };
    once.stop = () => (this.#running.delete(once) ? running.stop() : Promise.resolve());
    this.#running.add(once);
    return once;
  }

  /** The ends of the logs of what runs: what to read when a scenario failed. */
  logTails(): string {
    return [...this.#running].map((running) => `log of ${running.pid}:\n${running.logTail()}\n`).join('');
  }

  /** Stops what was started and still runs. Rejects when something had to be killed. */
  async clear(): Promise<void> {
    const stops = await Promise.allSettled([...this.#running].map((running) => running.stop()));
    const failed = stops.find((stop) => stop.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async close(): Promise<void> {
    try {
      await this.clear();
    } finally {
      rmSync(this.#root, { recursive: true, force: true });
    }
  }
}
