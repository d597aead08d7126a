/**
 * Reads the configuration again while the bridge runs, and brings what is good of it to the workers:
 *
 *   asked -> read -> invalid: every fault is told, nothing changes
 *                 -> servers that are new or changed are tried -> those that do not start stay as they were,
 *                    and are tried again later -> the rest is adopted
 *
 * One after the other; being asked in between means once more. Knows neither files nor processes.
 */
import { isDeepStrictEqual } from 'node:util';
import { applicable, compareServers, needingRestart, withoutRefused } from './config/difference.ts';
import { renderFault } from './config/fault.ts';
import type { Loaded, Refused } from './config/load.ts';
import type { ServerDefinition, Settings } from './config/settings.ts';
import type { TrialFailure } from './ipc/messages.ts';
import type { Logger } from './log.ts';

export interface ReloaderDeps {
  /** What runs. */
  readonly settings: Settings;
  /** Sentences that the operator has seen at the start. */
  readonly notes: readonly string[];
  readonly read: () => Loaded | Refused;
  /** Starts each server once, beside what runs. */
  readonly tryServers: (servers: readonly ServerDefinition[]) => Promise<readonly TrialFailure[]>;
  /** Resolves when nothing new is served by the settings before. */
  readonly adopt: (settings: Settings) => Promise<void>;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** First wait before a refused server is tried again; doubles from time to time. Default: 30 s. */
  readonly retryMs?: number;
}

const FIRST_RETRY_MS = 30_000;
const MAX_RETRY_MS = 600_000;

const NOT_RELOADED = 'configuration not reloaded: what runs goes on';
/** A token is made, and told, only by a start. */
const NOBODY_LET_IN = renderFault({
  file: 'environment',
  key: 'ACCESS_TOKEN',
  found: 'found nothing',
  allowed: 'a running bridge demands at least one of ACCESS_TOKEN, auth.tokens and auth.jwt',
});

export class Reloader {
  readonly #deps: ReloaderDeps;
  readonly #firstRetryMs: number;
  readonly #told: Set<string>;
  #settings: Settings;
  #state: 'idle' | 'busy' | 'again' | 'closed' = 'idle';
  #retry: NodeJS.Timeout | undefined;
  #retryMs: number;

  constructor(deps: ReloaderDeps) {
    this.#deps = deps;
    this.#settings = deps.settings;
    this.#told = new Set(deps.notes);
    this.#firstRetryMs = deps.retryMs ?? FIRST_RETRY_MS;
    this.#retryMs = this.#firstRetryMs;
  }

  /** What runs. */
  get settings(): Settings {
    return this.#settings;
  }

  /** Asks for one; `because` stands in the log. */
  request(because: string): void {
    this.#retryMs = this.#firstRetryMs;
    this.#request(because);
  }

  close(): void {
    this.#state = 'closed';
    clearTimeout(this.#retry);
  }

  #request(because: string): void {
    if (this.#state === 'busy') this.#state = 'again';
    if (this.#state !== 'idle') return;
    this.#state = 'busy';
    clearTimeout(this.#retry);
    void this.#reload(because)
      .catch((error: unknown) => this.#deps.logger.error({ err: error }, 'configuration not reloaded'))
      .then(() => {
        const again = this.#state === 'again';
        if (this.#state !== 'closed') this.#state = 'idle';
        if (again) this.#request(because);
      });
  }

  async #reload(because: string): Promise<void> {
    const { read, tryServers, adopt, logger } = this.#deps;
    const fresh = read();
    if ('faults' in fresh) {
      for (const fault of fresh.faults) {
        logger.error({ fault: renderFault(fault) }, NOT_RELOADED);
      }
      return;
    }
    const running = this.#settings;
    const { generatedToken: made } = fresh;
    if (made !== undefined && !running.accessTokens.includes(made)) {
      logger.error({ fault: NOBODY_LET_IN }, NOT_RELOADED);
      return;
    }
    this.#note(fresh);
    const wanted = applicable(running, fresh.settings);
    const { added, changed, adjusted, removed } = compareServers(running.servers, wanted.servers);
    const failures = await tryServers([...changed, ...added]);
    if (this.#state === 'closed') return;
    const refused = this.#refuse(failures, changed);
    const settings = { ...wanted, servers: withoutRefused(running.servers, wanted.servers, refused) };
    if (isDeepStrictEqual(settings, running)) {
      logger.info({ because, refused: [...refused] }, 'configuration read again: nothing to apply');
      return;
    }
    this.#settings = settings;
    await adopt(settings);
    const names = (servers: readonly ServerDefinition[]): readonly string[] =>
      servers.map(({ name }) => name).filter((name) => !refused.has(name));
    const summary = { added: names(added), changed: names(changed), adjusted: names(adjusted), removed };
    logger.info({ because, ...summary, refused: [...refused] }, 'configuration reloaded');
  }

  /** Says why, and comes back to it: the cause may lie outside the file. */
  #refuse(failures: readonly TrialFailure[], changed: readonly ServerDefinition[]): ReadonlySet<string> {
    const { logger } = this.#deps;
    for (const { server, reason } of failures) {
      const isChanged = changed.some(({ name }) => name === server);
      const consequence = isChanged ? 'its old definition stays' : 'it is left out';
      logger.error({ server, reason }, `a server does not start as it is defined now: ${consequence}`);
    }
    if (failures.length > 0) {
      this.#retry = setTimeout(() => this.#request('a refused server is tried again'), this.#retryMs).unref();
      this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
    }
    return new Set(failures.map(({ server }) => server));
  }

  /** Each sentence once. */
  #note({ settings, notes }: Loaded): void {
    const variables = needingRestart(this.#settings, settings);
    const late =
      variables.length === 0
        ? []
        : [`These take effect when the bridge is started anew: ${variables.join(', ')}.`];
    for (const sentence of [...notes, ...late]) {
      if (this.#told.has(sentence)) continue;
      this.#told.add(sentence);
      this.#deps.logger.warn(sentence);
    }
  }
}
