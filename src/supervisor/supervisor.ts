/**
 * The thin shell around decide: forks and signals what it orders, and turns what happens to the workers into
 * events. Answers the workers' questions too (quotas, gathers). Judges nothing, and carries no client's request.
 */
import cluster, { type Worker } from 'node:cluster';
import type { ServerDefinition, Settings } from '../config/settings.ts';
import { now } from '../deadline.ts';
import { messageOf } from '../errors.ts';
import type { ToPrimary, ToWorker, TrialFailure } from '../ipc/messages.ts';
import type { Logger } from '../log.ts';
import type { PrimaryMetrics } from '../metrics/metrics.ts';
import { createDecide, type Decide } from './decide.ts';
import { createErrands, type Errands } from './errands.ts';
import {
  type Action,
  countSlots,
  emptyFleet,
  type FleetEvent,
  type FleetState,
  membersOf,
  type Outcome,
} from './fleet-state.ts';
import { createGathers, type Gathers } from './gathers.ts';
import { createLedger, type Ledger } from './ledger.ts';
import type { LedgerFile } from './ledger-file.ts';
import { createQuotas, type Quotas } from './quotas.ts';
import { type Rules, rulesFor } from './rules.ts';
import type { RuntimeDir } from './runtime-dir.ts';
import { createSnapshots, type Snapshots } from './snapshots.ts';
import { workerId } from './worker-id.ts';

/** Set in a worker's environment. `cluster.isWorker` alone is true under PM2 too, whose primary is not ours. */
export const ROLE_VARIABLE = 'MCP_BRIDGE_ROLE';

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
/** A reload waits no longer for a worker that does not say that it serves with the new settings. */
const ADOPT_MS = 60_000;
/** Beyond the time that the servers on trial may take. */
const TRIAL_SLACK_MS = 10_000;
/** How long the last words of a worker that is gone may still be under way. */
const LAST_WORDS_MS = 200;

interface Running {
  readonly slot: number;
  readonly worker: Worker;
  engine: string | undefined;
  isListening: boolean;
}

export class Supervisor {
  /** Resolves when the fleet is gone, with everything that it left behind. */
  readonly done: Promise<Outcome>;
  readonly #options: SupervisorOptions;
  readonly #decide: Decide;
  readonly #running = new Map<string, Running>();
  readonly #events: FleetEvent[] = [];
  readonly #reaping = new Set<Promise<void>>();
  readonly #ledger: Ledger;
  readonly #quotas: Quotas;
  readonly #gathers: Gathers;
  readonly #trials: Errands<readonly TrialFailure[]> = createErrands();
  readonly #adoptions: Errands<true> = createErrands();
  readonly #snapshots: Snapshots;
  readonly #end: (outcome: Outcome) => void;
  #fleet: FleetState;
  #settings: Settings;
  #isBusy = false;
  #ticker: NodeJS.Timeout | undefined;

  constructor(options: SupervisorOptions) {
    const { settings, metrics, entry } = options;
    this.#options = options;
    this.#settings = settings;
    this.#fleet = emptyFleet(settings.workers);
    this.#decide = createDecide(
      { ...rulesFor(settings), ...options.rules },
      { id: workerId, random: Math.random },
    );
    this.#ledger = createLedger(options.ledgerFile);
    this.#quotas = createQuotas({ sessions: settings.maxSessions, children: settings.maxChildren });
    this.#gathers = createGathers((id, seq, topic) => this.#send(id, { type: 'ask', seq, topic }));
    this.#snapshots = createSnapshots(() => metrics.snapshot());
    metrics.workers.collect((set) => {
      for (const [state, count] of Object.entries(countSlots(this.#fleet))) set(count, state);
    });
    // The worker gets its settings by message: nothing of our command line, which `ps` shows.
    cluster.setupPrimary({ exec: entry, args: [], serialization: 'advanced' });
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
  async adopt(settings: Settings): Promise<void> {
    this.#settings = settings;
    const adopting = [...this.#running].map(async ([id, { isListening }]) => {
      if (!isListening) return; // it will be welcomed with these
      const { seq, done } = this.#adoptions.begin(id, ADOPT_MS);
      this.#send(id, { type: 'settings', seq, settings });
      if ((await done) === undefined && this.#running.has(id)) {
        this.#options.logger.warn(
          { worker: id },
          'a worker has not said that it serves with the new settings',
        );
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
      const worker = membersOf(this.#fleet).find(({ id, state }) => state === 'ready' && !tried.has(id));
      if (worker === undefined) break;
      tried.add(worker.id);
      const { seq, done } = this.#trials.begin(worker.id, deadlineMs);
      this.#send(worker.id, { type: 'try', seq, servers });
      const failures = await done;
      if (failures !== undefined) return failures;
    }
    const reason =
      tried.size === 0 ? 'no worker was ready to try it' : 'the workers that tried it gave no answer';
    return servers.map(({ name }) => ({ server: name, reason }));
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
        for (const id of this.#running.keys()) this.#send(id, action);
        return;
      case 'drain': {
        const { id, deadlineMs, rolling } = action;
        this.#send(id, { type: 'drain', deadlineMs, rolling });
        break;
      }
      case 'kill':
        this.#running.get(action.id)?.worker.process.kill(action.signal);
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
        const pid = this.#running.get(String(action.fields['worker']))?.worker.process.pid;
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
    let worker: Worker;
    try {
      worker = cluster.fork({ [ROLE_VARIABLE]: 'worker' });
    } catch (error) {
      this.#notForked(id, error);
      return;
    }
    this.#running.set(id, { slot, worker, engine: undefined, isListening: false });
    const { pid } = worker.process;
    if (pid !== undefined) this.#options.ledgerFile.forked(pid);
    worker.on('message', (message: ToPrimary) => this.#heard(slot, id, message));
    worker.on('error', (error) => {
      if (worker.process.pid === undefined) this.#notForked(id, error);
      else this.#options.logger.warn({ slot, worker: id, err: error }, 'trouble with a worker process');
    });
    worker.once('exit', (code, signal) => {
      // A failure that the worker explained just before its end may still be in the channel.
      const gone = once(() => this.#enqueue({ type: 'exited', id, code, signal }));
      if (!worker.isConnected()) return gone();
      worker.once('disconnect', gone);
      setTimeout(gone, LAST_WORDS_MS);
    });
  }

  /** Only from here on does it get messages: its settings, then who is there. */
  #welcome(running: Running, id: string): void {
    const { port, sessionSecret, runtimeDir } = this.#options;
    running.isListening = true;
    this.#send(id, {
      type: 'start',
      slot: running.slot,
      id,
      settings: this.#settings,
      sessionSecret,
      port,
      runtimeDir: runtimeDir.path,
    });
    this.#send(id, { type: 'roster', members: membersOf(this.#fleet) });
  }

  #notForked(id: string, error: unknown): void {
    this.#enqueue({
      type: 'boot-failed',
      id,
      reason: `a worker process could not be made: ${messageOf(error)}`,
    });
    this.#enqueue({ type: 'exited', id, code: null, signal: null });
  }

  #send(id: string, message: ToWorker): void {
    const running = this.#running.get(id);
    if (!running?.isListening || !running.worker.isConnected()) return;
    running.worker.send(message, (error) => {
      // It is going; its end is an event of its own.
      if (error !== null) this.#options.logger.debug({ worker: id, err: error }, 'message not delivered');
    });
  }

  #heard(slot: number, id: string, message: ToPrimary): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    switch (message.type) {
      case 'hello':
        this.#welcome(running, id);
        break;
      case 'ready':
        running.engine = message.engine;
        this.#enqueue({ type: 'booted', id, engine: message.engine });
        break;
      case 'boot-failed':
        this.#enqueue({ type: 'boot-failed', id, reason: message.reason });
        break;
      case 'heartbeat':
        this.#snapshots.keep(slot, id, message.metrics);
        this.#enqueue({ type: 'beat', id, rssBytes: message.rssBytes });
        break;
      case 'acquire': {
        const { seq, kind, count } = message;
        this.#send(id, { type: 'granted', seq, granted: this.#quotas.acquire(id, kind, count) });
        break;
      }
      case 'release':
        this.#quotas.release(id, message.kind, message.count);
        break;
      case 'child-started':
        this.#ledger.started(id, message.pgid, message.server);
        break;
      case 'child-exited':
        this.#ledger.exited(id, message.pgid);
        break;
      case 'gather':
        return void this.#gather(id, message);
      case 'answer': {
        const topic = this.#gathers.answer(id, message.seq, message.value);
        if (topic === 'metrics' && message.value !== undefined) this.#snapshots.keep(slot, id, message.value);
        break;
      }
      case 'tried':
        this.#trials.finish(id, message.seq, message.failures);
        break;
      case 'adopted':
        this.#adoptions.finish(id, message.seq, true);
    }
  }

  /** A worker that is not ready knows nothing yet. Metrics come from the stored snapshots, which the answers replaced. */
  async #gather(asker: string, { seq, topic }: Extract<ToPrimary, { type: 'gather' }>): Promise<void> {
    const asked = membersOf(this.#fleet).filter(({ state }) => state !== 'booting');
    const parts = await this.#gathers.gather(topic, asked);
    this.#send(asker, {
      type: 'gathered',
      seq,
      parts: topic === 'metrics' ? this.#snapshots.parts() : parts,
    });
  }

  #reap(id: string): void {
    const pid = this.#running.get(id)?.worker.process.pid;
    if (pid !== undefined) this.#options.ledgerFile.gone(pid);
    this.#running.delete(id);
    this.#snapshots.retire(id);
    this.#gathers.forget(id);
    this.#trials.forget(id);
    this.#adoptions.forget(id);
    this.#quotas.forget(id);
    this.#options.runtimeDir.forget(id);
    const reaping = this.#ledger
      .reap(id)
      .then((servers) => {
        if (servers.length === 0) return;
        this.#options.logger.warn({ worker: id, servers }, 'ended the children of a worker that is gone');
      })
      .finally(() => this.#reaping.delete(reaping));
    this.#reaping.add(reaping);
  }

  #readyWorkers(): readonly ReadyWorker[] {
    return [...this.#running.values()].flatMap(({ slot, worker, engine }) =>
      engine === undefined ? [] : [{ slot, pid: worker.process.pid, engine }],
    );
  }
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
}
