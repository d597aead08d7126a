/**
 * This worker's shard: one ServerPool for each configured server and for each ad-hoc command in use. Closes what
 * is idle; says what there is.
 */
import type { ServerDefinition, Settings } from '../config/settings.ts';
import { BridgeError } from '../errors.ts';
import type { Fleet } from '../ipc/fleet.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { createRecorder } from './recorder.ts';
import { ServerPool, type ServerPoolDeps } from './server-pool.ts';

type PoolDeps = Pick<ServerPoolDeps, 'log' | 'tasks' | 'deadlines' | 'baseEnvironment'> & {
  readonly settings: Settings;
  readonly fleet: Fleet;
  readonly metrics: Metrics;
};

/** In metrics: an unbounded number of commands must not become label values. */
export const ADHOC_LABEL = 'adhoc';

const MAINTENANCE_MS = 1_000;

export class Pool {
  readonly #deps: PoolDeps;
  readonly #configured = new Map<string, ServerPool>();
  readonly #adhoc = new Map<string, ServerPool>();
  readonly #maintenance: NodeJS.Timeout;

  constructor(deps: PoolDeps) {
    this.#deps = deps;
    for (const server of deps.settings.servers) {
      if (!server.disabled) this.#configured.set(server.name, this.#create(server, server.name));
    }
    this.#maintenance = setInterval(() => this.#maintain(), MAINTENANCE_MS);
    this.#maintenance.unref();
  }

  /** Throws `unknown_server`. */
  configured(name: string): ServerPool {
    const pool = this.#configured.get(name);
    if (pool === undefined) {
      throw new BridgeError('unknown_server', `There is no server "${name}" in the configuration.`);
    }
    return pool;
  }

  /** Whether `adhoc` would find it running. */
  hasAdhoc(name: string): boolean {
    return this.#adhoc.has(name);
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

  /** The configured ones that are not disabled, then those that calls have started. */
  *all(): IterableIterator<ServerPool> {
    yield* this.#configured.values();
    yield* this.#adhoc.values();
  }

  /** The same with their label in metrics. */
  *labelled(): IterableIterator<readonly [label: string, pool: ServerPool]> {
    yield* this.#configured;
    for (const pool of this.#adhoc.values()) yield [ADHOC_LABEL, pool];
  }

  /** Requests sent to any child, or waiting for one. */
  get inFlight(): number {
    let total = 0;
    for (const pool of this.all()) total += pool.inFlight;
    return total;
  }

  async close(): Promise<void> {
    clearInterval(this.#maintenance);
    await Promise.all([...this.all()].map((pool) => pool.close()));
  }

  #create(server: ServerDefinition, label: string): ServerPool {
    const { settings, fleet, metrics, log, tasks, deadlines, baseEnvironment } = this.#deps;
    return new ServerPool(server, {
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
    });
  }

  #maintain(): void {
    const { clientCacheTtlMs } = this.#deps.settings;
    for (const pool of this.#configured.values()) pool.maintain(clientCacheTtlMs);
    for (const [name, pool] of this.#adhoc) {
      pool.maintain(clientCacheTtlMs);
      if (pool.isEmpty) this.#adhoc.delete(name);
    }
  }
}

/** How many of `total` fall to `slot` when they are dealt out to `slots` in turn. */
function share(total: number, slots: number, slot: number): number {
  return Math.floor(total / slots) + (slot < total % slots ? 1 : 0);
}
