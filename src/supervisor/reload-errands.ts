/**
 * What a reload has the workers do: one of them tries the servers that are new, then all of them serve by the new
 * settings. Each errand ends, with its worker if need be.
 */
import type { ServerDefinition, Settings } from '../config/settings.ts';
import type { ToPrimary, TrialFailure } from '../ipc/messages.ts';
import type { Logger } from '../log.ts';
import { createErrands, type Errands } from './errands.ts';
import type { WorkerHandle } from './worker-handle.ts';

/** A reload waits no longer for a worker that does not say that it serves with the new settings. */
const ADOPT_MS = 60_000;
/** Beyond the time that the servers on trial may take. */
const TRIAL_SLACK_MS = 10_000;

export interface ReloadErrandsDeps {
  readonly workers: ReadonlyMap<string, WorkerHandle>;
  /** Ids of those that serve. */
  readonly ready: () => readonly string[];
  readonly logger: Logger;
}

export class ReloadErrands {
  readonly #deps: ReloadErrandsDeps;
  readonly #trials: Errands<readonly TrialFailure[]> = createErrands();
  readonly #adoptions: Errands<true> = createErrands();

  constructor(deps: ReloadErrandsDeps) {
    this.#deps = deps;
  }

  /** Resolves when no worker serves anything new by the settings before. */
  async adopt(settings: Settings): Promise<void> {
    const { workers, logger } = this.#deps;
    const adopting = [...workers].map(async ([id, worker]) => {
      if (!worker.isListening) return; // it will be welcomed with these
      const { seq, done } = this.#adoptions.begin(id, ADOPT_MS);
      worker.send({ type: 'settings', seq, settings });
      if ((await done) === undefined && workers.has(id)) {
        logger.warn({ worker: id }, 'a worker has not said that it serves with the new settings');
      }
    });
    await Promise.all(adopting);
  }

  /** Has one worker start each server once. Should it die over that, another one tries; never rejects. */
  async tryServers(servers: readonly ServerDefinition[]): Promise<readonly TrialFailure[]> {
    if (servers.length === 0) return [];
    const deadlineMs = servers.reduce((total, { timeoutMs }) => total + timeoutMs, TRIAL_SLACK_MS);
    const tried = new Set<string>();
    for (let attempt = 0; attempt < 2; attempt++) {
      const id = this.#deps.ready().find((candidate) => !tried.has(candidate));
      if (id === undefined) break;
      tried.add(id);
      const { seq, done } = this.#trials.begin(id, deadlineMs);
      this.#deps.workers.get(id)?.send({ type: 'try', seq, servers });
      const failures = await done;
      if (failures !== undefined) return failures;
    }
    const reason =
      tried.size === 0 ? 'no worker was ready to try it' : 'the workers that tried it gave no answer';
    return servers.map(({ name }) => ({ server: name, reason }));
  }

  heard(id: string, message: ToPrimary): void {
    if (message.type === 'tried') this.#trials.finish(id, message.seq, message.failures);
    else if (message.type === 'adopted') this.#adoptions.finish(id, message.seq, true);
  }

  /** The worker is gone. */
  forget(id: string): void {
    this.#trials.forget(id);
    this.#adoptions.forget(id);
  }
}
