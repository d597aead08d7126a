/**
 * One worker process as the primary holds it: forked, spoken to, killed, and its end told once. Owns the channel to it;
 * knows nothing of the fleet.
 */
import cluster, { type Worker } from 'node:cluster';
import { messageOf } from '../errors.ts';
import type { StartMessage, ToPrimary, ToWorker } from '../ipc/messages.ts';
import type { Logger } from '../log.ts';

/** Set in a worker's environment. `cluster.isWorker` alone is true under PM2 too, whose primary is not ours. */
const ROLE_VARIABLE = 'MCP_BRIDGE_ROLE';

/** How long the last words of a worker that is gone may still be under way. */
const LAST_WORDS_MS = 200;

export interface Seat {
  readonly slot: number;
  readonly id: string;
}

export interface WorkerEvents {
  heard(message: ToPrimary): void;
  /** There is no process; `gone` follows. */
  notForked(reason: string): void;
  /** Once, after the last words. */
  gone(code: number | null, signal: string | null): void;
}

/** The file that every worker runs. It gets its settings by message: nothing of our command line, which `ps` shows. */
export function prepareForks(entry: string): void {
  cluster.setupPrimary({ exec: entry, args: [], serialization: 'advanced' });
}

export class WorkerHandle {
  readonly slot: number;
  readonly id: string;
  /** What serves HTTP there; undefined before it is ready. */
  engine: string | undefined;
  readonly #worker: Worker;
  readonly #logger: Logger;
  #isListening = false;

  /** Undefined when no process could be made, which `events` is told. */
  static fork(seat: Seat, events: WorkerEvents, logger: Logger): WorkerHandle | undefined {
    try {
      return new WorkerHandle(seat, events, logger);
    } catch (error) {
      notForked(events, error);
      return undefined;
    }
  }

  private constructor({ slot, id }: Seat, events: WorkerEvents, logger: Logger) {
    this.slot = slot;
    this.id = id;
    this.#logger = logger;
    const worker = cluster.fork({ [ROLE_VARIABLE]: 'worker' });
    this.#worker = worker;
    const closeHandedOver = watchHandedOver(worker);
    worker.on('message', (message: ToPrimary) => events.heard(message));
    worker.on('error', (error) => {
      if (this.pid === undefined) notForked(events, error);
      else logger.warn({ slot, worker: id, err: error }, 'trouble with a worker process');
    });
    worker.once('exit', (code, signal) => {
      closeHandedOver();
      // A failure that the worker explained just before its end may still be in the channel.
      const gone = once(() => events.gone(code, signal));
      if (!worker.isConnected()) return gone();
      worker.once('disconnect', gone);
      setTimeout(gone, LAST_WORDS_MS);
    });
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  /** It said hello; what was sent before would have been lost. */
  get isListening(): boolean {
    return this.#isListening;
  }

  /** The answer to its hello. */
  welcome(start: Omit<StartMessage, 'type' | 'slot' | 'id'>): void {
    this.#isListening = true;
    this.send({ type: 'start', slot: this.slot, id: this.id, ...start });
  }

  /** No-op before its hello and after its end. */
  send(message: ToWorker): void {
    if (!this.#isListening || !this.#worker.isConnected()) return;
    this.#worker.send(message, (error) => {
      // It is going; its end is an event of its own.
      if (error !== null) this.#logger.debug({ worker: this.id, err: error }, 'message not delivered');
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#worker.process.kill(signal);
  }
}

function notForked(events: WorkerEvents, error: unknown): void {
  events.notForked(`a worker process could not be made: ${messageOf(error)}`);
  events.gone(null, null);
}

/**
 * Where node:cluster accepts for the workers, it hands each of them one connection at a time and waits for its word. Of
 * a worker that dies before, it would keep the connection, open and never answered (seen with Node 20): what this
 * returns closes it. One that was taken is closed here already, and closing it again does nothing.
 */
function watchHandedOver({ process: child }: Worker): () => void {
  let handed: { close(): void } | undefined;
  const send = child.send.bind(child) as (...args: unknown[]) => boolean;
  child.send = (...args: unknown[]) => {
    const [, handle] = args;
    if (typeof handle === 'object' && handle !== null && 'close' in handle) handed = handle as typeof handed;
    return send(...args);
  };
  return () => handed?.close();
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
}
