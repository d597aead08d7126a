/**
 * One MCP server seen as a peer: requests get ids of ours, answers find their asker, progress finds its call.
 * Because ids and progress tokens are rewritten per connection, two askers can never see each other's answers.
 * Owns the requests in flight and those that wait for a place; knows nothing of sessions.
 *
 * MCP basic protocol: "Requests", "Responses", utilities "Cancellation", "Progress", "Ping".
 */
import { type Deadlines, Expirable, roughlyNow } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import type { Chunk } from '../http/engine.ts';
import { IdTable } from '../id-table.ts';
import type { Logger } from '../log.ts';
import { type Message, rewrite } from '../protocol/message.ts';
import { numberIn } from '../protocol/whole-number.ts';
import { FairQueue } from './fair-queue.ts';
import { ServerLog } from './server-log.ts';
import type { Transport, TransportListener } from './transport.ts';

/** Who sent a request. Exactly one of `answered` and `failed` is called, once, and never after `cancel`. */
export interface Asker {
  /** Who waits in turn with others when the server has no place: a session, or a principal. */
  readonly lane?: string;
  /** A result or an error of the server; its id is ours and is to be rewritten. */
  answered(message: Message): void;
  /** A `notifications/progress` of this request; its token is ours and is to be rewritten. */
  progressed(message: Message): void;
  failed(error: BridgeError): void;
}

export type Outcome = 'ok' | 'error' | 'timeout' | 'cancelled' | 'died' | 'refused';

export interface ConnectionDeps {
  /** As in the configuration; for sentences. */
  readonly server: string;
  readonly log: Logger;
  readonly deadlines: Deadlines;
  readonly timeoutMs: number;
  /** Requests in flight at once; more wait, as many again times QUEUE_FACTOR. */
  readonly maxConcurrent: number;
  /** A request or a notification of the server that belongs to no call of ours. */
  readonly received: (message: Message) => void;
  /** Once; every asker was told before. */
  readonly closed: (reason: BridgeError) => void;
  readonly finished: (method: string, outcome: Outcome, seconds: number) => void;
  readonly queued: (seconds: number) => void;
}

/** How many requests may wait per request that may be in flight. */
const QUEUE_FACTOR = 8;

/** Requests that last, beside those that `maxConcurrent` counts. */
const MAX_LASTING = 64;

/** Bytes that a server may leave in its stdin before further requests are refused. */
const MAX_BACKLOG_BYTES = 67_108_864;

/** The same for answers and notifications, which nobody can be refused: it is ended. */
const MAX_UNREAD_BYTES = 2 * MAX_BACKLOG_BYTES;

class Pending extends Expirable {
  readonly message: Message;
  readonly asker: Asker;
  readonly startedAt = roughlyNow();
  /** `lasting`: sent, and answered when what it asks for ends, perhaps never. */
  state: 'waiting' | 'sent' | 'lasting' = 'waiting';
  id = 0;
  readonly #timedOut: (pending: Pending) => void;

  constructor(message: Message, asker: Asker, timedOut: (pending: Pending) => void) {
    super();
    this.message = message;
    this.asker = asker;
    this.#timedOut = timedOut;
  }

  override expire(): void {
    this.#timedOut(this);
  }
}

const laneOf = ({ asker }: Pending): string => asker.lane ?? '';

export class Connection implements TransportListener {
  readonly #deps: ConnectionDeps;
  readonly #log: ServerLog;
  readonly #pending: IdTable<Pending>;
  /** Those of `#pending` that wait for a place. */
  readonly #waiting = new FairQueue<Pending>();
  /** How many of `#pending` the server has and is to answer soon. */
  #sent = 0;
  readonly #timedOut = (pending: Pending): void => this.#expire(pending);
  #transport: Transport | undefined;
  #closedBy: BridgeError | undefined;

  constructor(deps: ConnectionDeps, open: (listener: TransportListener) => Transport) {
    this.#deps = deps;
    this.#log = new ServerLog(deps.log, deps.server);
    this.#pending = new IdTable(deps.maxConcurrent * (1 + QUEUE_FACTOR) + MAX_LASTING);
    this.#transport = open(this);
  }

  get inFlight(): number {
    return this.#sent + this.#waiting.size;
  }

  get pid(): number | undefined {
    return this.#transport?.pid;
  }

  get isClosed(): boolean {
    return this.#closedBy !== undefined;
  }

  /** Sends a request under an id of ours and returns that id, which `cancel` takes. Throws BridgeError when it cannot be taken. */
  request(message: Message, asker: Asker): number {
    const { maxConcurrent, server, deadlines, timeoutMs } = this.#deps;
    if (this.#closedBy !== undefined) throw this.#closedBy;
    if (this.#waiting.size >= maxConcurrent * QUEUE_FACTOR) {
      this.#deps.finished(message.method, 'refused', 0);
      throw new BridgeError(
        'at_limit',
        `Server "${server}" has ${this.#sent} requests in flight and ${this.#waiting.size} waiting; no more are taken.`,
      );
    }
    if ((this.#transport?.backlog ?? 0) > MAX_BACKLOG_BYTES) {
      this.#deps.finished(message.method, 'refused', 0);
      throw new BridgeError('at_limit', `Server "${server}" does not read its input; no more is sent to it.`);
    }
    const pending = new Pending(message, asker, this.#timedOut);
    pending.id = this.#pending.add(pending);
    deadlines.set(pending, timeoutMs, pending.startedAt);
    if (this.#sent < maxConcurrent) this.#send(pending);
    else this.#waiting.push(laneOf(pending), pending);
    return pending.id;
  }

  /**
   * As `request`, for one that is answered when what it asks for ends, perhaps never: it has no deadline, and takes
   * no place from others.
   */
  subscribe(message: Message, asker: Asker): number {
    if (this.#closedBy !== undefined) throw this.#closedBy;
    const pending = new Pending(message, asker, this.#timedOut);
    pending.state = 'lasting';
    pending.id = this.#pending.add(pending);
    this.#transport?.send(rewrite(message, `${pending.id}`, `${pending.id}`));
    return pending.id;
  }

  /**
   * Sends a notification, or an answer to one of the server's requests, as it stands. A server that asks on and on and
   * never reads what it gets is ended: its answers would fill the memory.
   */
  send(message: Chunk | readonly Chunk[]): void {
    const unread = this.#transport?.backlog ?? 0;
    if (unread <= MAX_UNREAD_BYTES) {
      this.#transport?.send(message);
      return;
    }
    const { server } = this.#deps;
    this.closed(
      new BridgeError(
        'server_died',
        `Server "${server}" was ended: it left ${unread} bytes of its input unread.`,
      ),
    );
    void this.close();
  }

  /** Forgets a request; the server is told when it has it. The asker hears nothing more. `reason` is one line for the server. */
  cancel(id: number, reason: string): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    const { state, message } = pending;
    this.#settle(pending, 'cancelled');
    if (state !== 'waiting' && message.method !== 'initialize') this.#sendCancelled(id, reason);
  }

  /** Starts the deadline of a request anew, for while it is not the server who is waited for, and again afterwards. */
  extend(id: number, lengthMs = this.#deps.timeoutMs): void {
    const pending = this.#pending.get(id);
    if (pending?.state === 'sent') this.#deps.deadlines.set(pending, lengthMs);
  }

  close(): Promise<void> {
    return this.#transport?.close() ?? Promise.resolve();
  }

  message(message: Message): void {
    if (message.kind === 'result' || message.kind === 'error') this.#answer(message);
    else if (message.kind === 'notification' && message.method === 'notifications/progress')
      this.#progress(message);
    else this.#deps.received(message);
  }

  closed(reason: BridgeError): void {
    if (this.#closedBy !== undefined) return;
    this.#closedBy = reason;
    this.#log.close();
    for (const pending of [...this.#pending]) {
      this.#settle(pending, 'died');
      pending.asker.failed(reason);
    }
    this.#deps.closed(reason);
  }

  #send(pending: Pending): void {
    pending.state = 'sent';
    this.#sent++;
    const id = `${pending.id}`;
    this.#transport?.send(rewrite(pending.message, id, id));
  }

  /** Takes a request off the books and lets the next one that waits go out. */
  #settle(pending: Pending, outcome: Outcome): void {
    this.#pending.delete(pending.id);
    if (pending.state === 'lasting') return;
    this.#deps.deadlines.cancel(pending);
    this.#deps.finished(pending.message.method, outcome, (roughlyNow() - pending.startedAt) / 1000);
    if (pending.state === 'waiting') {
      this.#waiting.delete(laneOf(pending), pending);
      return;
    }
    this.#sent--;
    if (this.#closedBy === undefined) this.#sendNext();
  }

  #sendNext(): void {
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#deps.queued((roughlyNow() - next.startedAt) / 1000);
    this.#send(next);
  }

  #answer(message: Message): void {
    const pending = this.#pending.get(numberIn(message.id ?? ''));
    if (pending === undefined || pending.state === 'waiting') {
      this.#log.warn({ id: message.id }, 'a server answered what nobody asked');
      return;
    }
    this.#settle(pending, message.kind === 'result' ? 'ok' : 'error');
    pending.asker.answered(message);
  }

  #progress(message: Message): void {
    const pending = this.#pending.get(numberIn(message.token ?? ''));
    if (pending?.state !== 'sent' || pending.message.token === undefined) return;
    this.#deps.deadlines.set(pending, this.#deps.timeoutMs);
    pending.asker.progressed(message);
  }

  #expire(pending: Pending): void {
    const { server, timeoutMs } = this.#deps;
    const sent = pending.state === 'sent';
    this.#settle(pending, 'timeout');
    if (sent && pending.message.method !== 'initialize')
      this.#sendCancelled(pending.id, `no answer within ${timeoutMs} ms`);
    const what = sent ? 'did not answer' : 'had no place for';
    pending.asker.failed(
      new BridgeError(
        'server_timeout',
        `Server "${server}" ${what} "${pending.message.method}" within ${timeoutMs} ms.`,
      ),
    );
  }

  /** MCP utilities, "Cancellation": `initialize` must not be cancelled. */
  #sendCancelled(requestId: number, reason: string): void {
    const params = JSON.stringify({ requestId, reason });
    this.#transport?.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":${params}}`);
  }
}
