/**
 * A load beside the one that is measured, in a process of its own: its clients have machines of their own outside of a
 * benchmark, so it yields to what is measured. Whether it was sent in full is for the scenario to check.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import type { Lab } from '../lab.ts';
import type { AbuseOrder, AbuseResult } from './abuse.ts';
import type { SteadyOrder, SteadyResult } from './steady.ts';

const ENTRY = join(import.meta.dirname, 'apart-loads.ts');
/** Weighs a third of what has none, so that it comes late rather than holds up. */
const NICENESS = 5;

/** What each load is told, and tells in the end. */
export interface Loads {
  readonly abuse: { readonly order: AbuseOrder; readonly told: AbuseResult };
  readonly steady: { readonly order: SteadyOrder; readonly told: SteadyResult };
}

/** What goes to the process; it answers each with one message. */
export type Command = { readonly begin: keyof Loads; readonly order: unknown } | { readonly end: true };

export class Apart {
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#process = child;
  }

  /** Starts the process, which ends with the scenario. */
  static async start(lab: Lab): Promise<Apart> {
    // A session of its own, because the kernel may share out the cores by sessions first.
    const child = fork(ENTRY, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], detached: true });
    await Promise.race([once(child, 'message'), goneBefore(child)]);
    const { pid = 0 } = child;
    setPriority(pid, NICENESS);
    const ofSession = `/proc/${pid}/autogroup`;
    if (existsSync(ofSession)) writeFileSync(ofSession, String(NICENESS));
    const stop = async (): Promise<void> => {
      child.disconnect();
      await once(child, 'exit');
    };
    lab.keep({ pid, readyAfterMs: 0, logTail: () => '', stop });
    return new Apart(child);
  }

  /** Starts a load, of which there is one at a time; `end` stops it and tells what became of it. */
  async begin<L extends keyof Loads>(
    load: L,
    order: Loads[L]['order'],
  ): Promise<{ readonly end: () => Promise<Loads[L]['told']> }> {
    await this.#ask({ begin: load, order });
    return { end: async () => (await this.#ask({ end: true })) as Loads[L]['told'] };
  }

  async #ask(command: Command): Promise<unknown> {
    const ended = new AbortController();
    const over = once(this.#process, 'exit', ended).then(() => {
      throw new Error('The process of the load beside the measured one has ended.');
    });
    try {
      const answer = once(this.#process, 'message', ended);
      this.#process.send(command);
      const [told] = (await Promise.race([answer, over])) as [unknown];
      return told;
    } finally {
      over.catch(() => undefined);
      ended.abort();
    }
  }
}

/** Rejects when it ends. */
async function goneBefore(child: ChildProcess): Promise<never> {
  await once(child, 'exit');
  throw new Error('The process of the load beside the measured one ended before it was ready.');
}
