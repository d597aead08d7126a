/**
 * This worker's shard: one ServerPool for each configured server and for each ad-hoc command in use. Closes what
 * is idle; says what there is; lets a changed definition take the place of the running one:
 *
 *   created --aside, warming--> configured --replaced or removed--> aside, retired --nobody uses it--> gone
 */
import { enabledByName, needSameChildren } from '../config/difference.ts';
import type { ServerDefinition, Settings } from '../config/settings.ts';
import { BridgeError } from '../errors.ts';
import type { Fleet } from '../ipc/fleet.ts';
import type { TrialFailure } from '../ipc/messages.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { createRecorder } from './recorder.ts';
import { ServerPool, type ServerPoolDeps } from './server-pool.ts';
import { tryServer } from './trial.ts';

type PoolDeps = Pick<ServerPoolDeps, 'log' | 'tasks' | 'deadlines' | 'baseEnvironment'> & {
  readonly settings: Settings;
  readonly fleet: Fleet;
  readonly metrics: Metrics;
};

/** In metrics: an unbounded number of commands must not become label values. */
export const ADHOC_LABEL = 'adhoc';

const MAINTENANCE_MS = 1_000;
/** Trials at once: a start is work for every core, and the others go on serving. */
const TRIALS_AT_ONCE = 4;

export class Pool {
  readonly #deps: PoolDeps;
  readonly #configured = new Map<string, ServerPool>();
  readonly #adhoc = new Map<string, ServerPool>();
  /** Not yet, or no longer, what new traffic is given to. */
  readonly #aside = new Set<ServerPool>();
  readonly #maintenance: NodeJS.Timeout;
  #adopting: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(deps: PoolDeps) {
    this.#deps = deps;
    for (const [name, server] of enabledByName(deps.settings.servers)) {
      this.#configured.set(name, this.#create(server, name));
    }
    this.#maintenance = setInterval(() => this.#maintain(), MAINTENANCE_MS);
    this.#maintenance.unref();
  }

  /** Throws `unknown_server`. */
  configured(name: string): ServerPool {
    const pool = this.#configured.get(name);
    if (pool === undefined) {
      throw new BridgeError(
        'unknown_server',
        `There is no server "${name.slice(0, 100)}" in the configuration.`,
      );
    }
    return pool;
  }

  /** What is said of this server now; of a removed one, what its last sessions live by; undefined when there is nothing. */
  definition(name: string): ServerDefinition | undefined {
    const pool =
      this.#configured.get(name) ?? [...this.#aside].findLast(({ server }) => server.name === name);
    return pool?.server;
  }

  /** What /bridge may start beyond the configuration; `server.name` is a digest of what makes two calls the same. */
  adhoc(server: ServerDefinition): ServerPool {
    let pool = this.#adhoc.get(server.name);
    if (pool === undefined) {
      pool = this.#create(server, ADHOC_LABEL);
      this.#adhoc.set(server.name, pool);
    }
    return pool;
  }

  /** Those that are configured and not disabled, those that were or will be, those that calls have started. */
  *all(): IterableIterator<ServerPool> {
    yield* this.#configured.values();
    yield* this.#aside;
    yield* this.#adhoc.values();
  }

  /** The same with their label in metrics. */
  *labelled(): IterableIterator<readonly [label: string, pool: ServerPool]> {
    yield* this.#configured;
    for (const pool of this.#aside) yield [pool.server.name, pool];
    for (const pool of this.#adhoc.values()) yield [ADHOC_LABEL, pool];
  }

  /** Requests sent to any child, or waiting for one. */
  get inFlight(): number {
    let total = 0;
    for (const pool of this.all()) total += pool.inFlight;
    return total;
  }

  /** Starts each of them once, beside whatever runs. Never rejects. */
  async tryServers(servers: readonly ServerDefinition[]): Promise<readonly TrialFailure[]> {
    const failures: TrialFailure[] = [];
    const waiting = [...servers];
    const next = async (): Promise<void> => {
      for (let server = waiting.shift(); server !== undefined; server = waiting.shift()) {
        const reason = await tryServer(server, this.#depsFor(server, server.name));
        if (reason !== undefined) failures.push({ server: server.name, reason });
      }
    };
    await Promise.all(Array.from({ length: TRIALS_AT_ONCE }, next));
    return failures;
  }

  /**
   * Makes these the configured servers. What needs no new children keeps its own, with all sessions. A changed
   * server serves with its old children until the new ones are ready; from then on only what was begun stays with
   * the old. Resolves when everything new is served by the new.
   */
  adopt(servers: readonly ServerDefinition[]): Promise<void> {
    this.#adopting = this.#adopting.then(() => this.#adopt(enabledByName(servers)));
    return this.#adopting;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#maintenance);
    await Promise.all([...this.all()].map((pool) => pool.close()));
  }

  async #adopt(servers: ReadonlyMap<string, ServerDefinition>): Promise<void> {
    if (this.#closed) return;
    for (const [name, pool] of this.#configured) {
      if (servers.has(name)) continue;
      this.#configured.delete(name);
      this.#retire(pool);
    }
    const replacing: Promise<void>[] = [];
    for (const [name, server] of servers) {
      const old = this.#configured.get(name);
      if (old === undefined) this.#configured.set(name, this.#create(server, name));
      else if (needSameChildren(old.server, server)) old.adjust(server);
      else replacing.push(this.#replace(old, server));
    }
    await Promise.all(replacing);
  }

  async #replace(old: ServerPool, server: ServerDefinition): Promise<void> {
    const pool = this.#create(server, server.name);
    this.#aside.add(pool);
    await pool.warm(keysFor(server, old));
    this.#aside.delete(pool);
    this.#configured.set(server.name, pool);
    this.#retire(old);
  }

  #retire(pool: ServerPool): void {
    this.#aside.add(pool);
    pool.retire();
  }

  #create(server: ServerDefinition, label: string): ServerPool {
    return new ServerPool(server, this.#depsFor(server, label));
  }

  #depsFor(server: ServerDefinition, label: string): ServerPoolDeps {
    const { settings, fleet, metrics, log, tasks, deadlines, baseEnvironment } = this.#deps;
    return {
      log,
      tasks,
      deadlines,
      baseEnvironment,
      recorder: createRecorder(metrics, label),
      acquireChild: () => fleet.acquire('children', 1),
      releaseChild: () => fleet.release('children', 1),
      started: (pgid) => fleet.childStarted(pgid, server.name),
      exited: (pgid) => fleet.childExited(pgid),
      maxShared:
        server.instances === 0 ? 1 : Math.max(1, share(server.instances, settings.workers, fleet.slot)),
      maxSpares: share(server.prewarm, settings.workers, fleet.slot),
    };
  }

  #maintain(): void {
    const { clientCacheTtlMs } = this.#deps.settings;
    for (const pool of this.#configured.values()) pool.maintain(clientCacheTtlMs);
    for (const pool of this.#aside) {
      if (!pool.isRetired) continue;
      pool.maintain(0);
      if (pool.isEmpty) this.#aside.delete(pool);
    }
    for (const [name, pool] of this.#adhoc) {
      pool.maintain(clientCacheTtlMs);
      if (pool.isEmpty) this.#adhoc.delete(name);
    }
  }
}

/** The scopes that will be asked for at once when `server` takes over from `old`. */
function keysFor({ isolation }: ServerDefinition, { scopeKeys }: ServerPool): readonly string[] {
  if (isolation === 'shared') return scopeKeys.length > 0 ? [''] : [];
  return scopeKeys.filter((key) => key !== '');
}

/** How many of `total` fall to `slot` when they are dealt out to `slots` in turn. */
function share(total: number, slots: number, slot: number): number {
  return Math.floor(total / slots) + (slot < total % slots ? 1 : 0);
}
