/**
 * What the workers ask of the whole bridge, and what they report: places within the limits, questions to all, children
 * that started and ended, metrics. What a dead one held is given back, ended, or kept in the sums.
 */
import type { Settings } from '../config/settings.ts';
import type { GatheredPart, ToPrimary } from '../ipc/messages.ts';
import { type Asked, createGathers, type Gathers } from './gathers.ts';
import { createLedger, type Ledger } from './ledger.ts';
import type { LedgerFile } from './ledger-file.ts';
import { createQuotas, type Quotas } from './quotas.ts';
import { createSnapshots, type Snapshots } from './snapshots.ts';
import type { WorkerHandle } from './worker-handle.ts';

export interface DeskDeps {
  readonly settings: Pick<Settings, 'maxSessions' | 'maxChildren'>;
  readonly ledgerFile: LedgerFile;
  /** Whom a question to all is put to; a worker that is not ready knows nothing yet. */
  readonly askable: () => readonly Asked[];
  readonly worker: (id: string) => WorkerHandle | undefined;
  /** A snapshot of the primary's own metrics. */
  readonly ownMetrics: () => unknown;
}

export class Desk {
  readonly #deps: DeskDeps;
  readonly #ledger: Ledger;
  readonly #quotas: Quotas;
  readonly #gathers: Gathers;
  readonly #snapshots: Snapshots;

  constructor(deps: DeskDeps) {
    const { settings, ledgerFile } = deps;
    this.#deps = deps;
    this.#ledger = createLedger(ledgerFile);
    this.#quotas = createQuotas({ sessions: settings.maxSessions, children: settings.maxChildren });
    this.#gathers = createGathers((id, seq, topic) => deps.worker(id)?.send({ type: 'ask', seq, topic }));
    this.#snapshots = createSnapshots(deps.ownMetrics);
  }

  heard(worker: WorkerHandle, message: ToPrimary): void {
    const { slot, id } = worker;
    switch (message.type) {
      case 'heartbeat':
        this.#snapshots.keep(slot, id, message.metrics);
        break;
      case 'acquire': {
        const { seq, kind, count } = message;
        worker.send({ type: 'granted', seq, granted: this.#quotas.acquire(id, kind, count) });
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
        return void this.#gather(worker, message);
      case 'answer': {
        const topic = this.#gathers.answer(id, message.seq, message.value);
        if (topic === 'metrics' && message.value !== undefined) this.#snapshots.keep(slot, id, message.value);
      }
    }
  }

  /** The worker is gone. Resolves when its children are, with the servers of those that were left; never rejects. */
  settle(id: string): Promise<readonly string[]> {
    this.#snapshots.retire(id);
    this.#gathers.forget(id);
    this.#quotas.forget(id);
    return this.#ledger.reap(id);
  }

  /** Metrics come from the stored snapshots, which the answers replaced. */
  async #gather(asker: WorkerHandle, { seq, topic }: Extract<ToPrimary, { type: 'gather' }>): Promise<void> {
    const answers: readonly GatheredPart[] = await this.#gathers.gather(topic, this.#deps.askable());
    const parts = topic === 'metrics' ? this.#snapshots.parts() : answers;
    asker.send({ type: 'gathered', seq, parts });
  }
}
