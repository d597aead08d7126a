/**
 * The thin shell around decide: carries out what it orders, and turns what happens to the workers into events. Judges
 * nothing, and carries no client's request.
 */
import type { ServerDefinition, Settings } from '../config/settings.ts';
import { now } from '../deadline.ts';
import type { ToPrimary, TrialFailure } from '../ipc/messages.ts';
import type { Logger } from '../log.ts';
import type { PrimaryMetrics } from '../metrics/metrics.ts';
import { createDecide, type Decide } from './decide.ts';
import { Desk } from './desk.ts';
import {
  type Action,
  countSlots,
  emptyFleet,
  type FleetEvent,
  type FleetState,
  membersOf,
  type Outcome,
} from './fleet-state.ts';
import type { LedgerFile } from './ledger-file.ts';
import { ReloadErrands } from './reload-errands.ts';
import { type Rules, rulesFor } from './rules.ts';
import type { RuntimeDir } from './runtime-dir.ts';
import { prepareForks, WorkerHandle } from './worker-handle.ts';
import { workerId } from './worker-id.ts';

export interface SupervisorOptions {
  readonly settings: Settings;
  /** Where the workers listen; never 0. */
  readonly port: number;
  readonly runtimeDir: RuntimeDir;
  readonly sessionSecret: string;
  /** The file that a worker runs: the bridge's own entry. */
  readonly entry: string;
  readonly logger: Logger;
  readonly metrics: PrimaryMetrics;
  readonly ledgerFile: LedgerFile;
  /** Every slot had its first chance, and at least one worker serves. */
  readonly onStarted: (workers: readonly ReadyWorker[]) => void;
  readonly rules?: Partial<Rules>;
}

export interface ReadyWorker {
  readonly slot: number;
  readonly pid: number | undefined;
  readonly engine: string;
}

const TICK_MS = 100;

export class Supervisor {
  /** Resolves when the fleet is gone, with everything that it left behind. */
  readonly done: Promise<Outcome>;
  readonly #options: SupervisorOptions;
  readonly #decide: Decide;
  readonly #workers = new Map<string, WorkerHandle>();
  readonly #events: FleetEvent[] = [];
  readonly #reaping = new Set<Promise<void>>();
  readonly #desk: Desk;
  readonly #errands: ReloadErrands;
  readonly #end: (outcome: Outcome) => void;
  #fleet: FleetState;
  #settings: Settings;
  #isBusy = false;
  #ticker: NodeJS.Timeout | undefined;

  constructor(options: SupervisorOptions) {
    const { settings, metrics, entry, logger, ledgerFile } = options;
    this.#options = options;
    this.#settings = settings;
    this.#fleet = emptyFleet(settings.workers);
    this.#decide = createDecide(
      { ...rulesFor(settings), ...options.rules },
      { id: workerId, random: Math.random },
    );
    this.#desk = new Desk({
      settings,
      ledgerFile,
      askable: () => membersOf(this.#fleet).filter(({ state }) => state !== 'booting'),
      worker: (id) => this.#workers.get(id),
      ownMetrics: () => metrics.snapshot(),
    });
    this.#errands = new ReloadErrands({
      workers: this.#workers,
      ready: () => membersOf(this.#fleet).flatMap(({ id, state }) => (state === 'ready' ? [id] : [])),
      logger,
    });
    metrics.workers.collect((set) => {
      for (const [state, count] of Object.entries(countSlots(this.#fleet))) set(count, state);
    });
    prepareForks(entry);
    let end: (outcome: Outcome) => void = () => undefined;
    this.done = new Promise((resolve) => {
      end = resolve;
    });
    this.#end = end;
  }

  start(): void {
    this.#ticker = setInterval(() => this.#enqueue({ type: 'tick' }), TICK_MS);
    this.#enqueue({ type: 'start' });
  }

  /** Drains and stops; asked again, stops at once. */
  stop(): void {
    this.#enqueue({ type: 'stop' });
  }

  /** Replaces the workers one by one. */
  roll(): void {
    this.#enqueue({ type: 'roll' });
  }

  /**
   * What all workers run with, those forked later too. Limits of the whole bridge stay as they were at the start.
   * Resolves when no worker serves anything new by the settings before.
   */
  adopt(settings: Settings): Promise<void> {
    this.#settings = settings;
    return this.#errands.adopt(settings);
  }

  /** Has one worker start each server once; never rejects. */
  tryServers(servers: readonly ServerDefinition[]): Promise<readonly TrialFailure[]> {
    return this.#errands.tryServers(servers);
  }

  /** Events that come up while actions are carried out wait for their turn. */
  #enqueue(event: FleetEvent): void {
    this.#events.push(event);
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      const { fleet, actions } = this.#decide(this.#fleet, next, now());
      this.#fleet = fleet;
      for (const action of actions) this.#carryOut(action);
    }
    this.#isBusy = false;
  }

  #carryOut(action: Action): void {
    const { logger, metrics, onStarted } = this.#options;
    switch (action.type) {
      case 'fork':
        this.#fork(action.slot, action.id);
        break;
      case 'roster':
        for (const worker of this.#workers.values()) worker.send(action);
        return;
      case 'drain': {
        const { id, deadlineMs, rolling } = action;
        this.#workers.get(id)?.send({ type: 'drain', deadlineMs, rolling });
        break;
      }
      case 'kill':
        this.#workers.get(action.id)?.kill(action.signal);
        return;
      case 'reap':
        this.#reap(action.id);
        break;
      case 'restarted':
        metrics.workerRestarts.child(action.slot, action.reason).add();
        break;
      case 'started':
        onStarted(this.#readyWorkers());
        break;
      case 'log': {
        const pid = this.#workers.get(String(action.fields['worker']))?.pid;
        logger[action.level](
          { ...action.fields, ...(pid === undefined ? {} : { workerPid: pid }) },
          action.message,
        );
        break;
      }
      case 'exit': {
        clearInterval(this.#ticker);
        const { code, lastLine } = action;
        void Promise.all(this.#reaping).then(() => this.#end({ code, lastLine }));
      }
    }
  }

  #fork(slot: number, id: string): void {
    const events = {
      heard: (message: ToPrimary) => this.#heard(id, message),
      notForked: (reason: string) => this.#enqueue({ type: 'boot-failed', id, reason }),
      gone: (code: number | null, signal: string | null) =>
        this.#enqueue({ type: 'exited', id, code, signal }),
    };
    const worker = WorkerHandle.fork({ slot, id }, events, this.#options.logger);
    if (worker === undefined) return;
    this.#workers.set(id, worker);
    if (worker.pid !== undefined) this.#options.ledgerFile.forked(worker.pid);
  }

  #heard(id: string, message: ToPrimary): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    switch (message.type) {
      case 'hello':
        this.#welcome(worker);
        return;
      case 'ready':
        worker.engine = message.engine;
        this.#enqueue({ type: 'booted', id, engine: message.engine });
        return;
      case 'boot-failed':
        this.#enqueue({ type: 'boot-failed', id, reason: message.reason });
        return;
      case 'heartbeat':
        this.#enqueue({ type: 'beat', id, rssBytes: message.rssBytes });
    }
    this.#desk.heard(worker, message);
    this.#errands.heard(id, message);
  }

  /** Its settings, then who is there. */
  #welcome(worker: WorkerHandle): void {
    const { port, sessionSecret, runtimeDir } = this.#options;
    this.#restoreRuntimeDir();
    worker.welcome({ settings: this.#settings, sessionSecret, port, runtimeDir: runtimeDir.path });
    worker.send({ type: 'roster', members: membersOf(this.#fleet) });
  }

  /** Without the folder no worker could listen for the others. */
  #restoreRuntimeDir(): void {
    const { runtimeDir, ledgerFile, logger } = this.#options;
    try {
      if (!runtimeDir.restore()) return;
      ledgerFile.restore();
      logger.warn({ folder: runtimeDir.path }, 'RUNTIME_DIR was removed and is made again');
    } catch (error) {
      logger.error({ err: error }, 'RUNTIME_DIR was removed and cannot be made again');
    }
  }

  #reap(id: string): void {
    const { ledgerFile, runtimeDir, logger } = this.#options;
    const pid = this.#workers.get(id)?.pid;
    if (pid !== undefined) ledgerFile.gone(pid);
    this.#workers.delete(id);
    this.#errands.forget(id);
    runtimeDir.forget(id);
    const reaping = this.#desk
      .settle(id)
      .then((servers) => {
        if (servers.length === 0) return;
        logger.warn({ worker: id, servers }, 'ended the children of a worker that is gone');
      })
      .finally(() => this.#reaping.delete(reaping));
    this.#reaping.add(reaping);
  }

  #readyWorkers(): readonly ReadyWorker[] {
    return [...this.#workers.values()].flatMap(({ slot, pid, engine }) =>
      engine === undefined ? [] : [{ slot, pid, engine }],
    );
  }
}
