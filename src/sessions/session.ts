/**
 * A legacy session: one client, one server, the requests in flight between them and the client's GET stream. What
 * stands behind it, a child of its own or a share of one, is for own-session.ts and pooled-session.ts.
 *
 * MCP transports, "Session Management".
 */
import { now, roughlyNow } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import type { Chunk } from '../http/engine.ts';
import type { Reply } from '../http/reply.ts';
import { type Message, parsePayload } from '../protocol/message.ts';
import type { ToolGate } from '../protocol/tool-gate.ts';
import { ClientRequest } from './client-request.ts';
import type { Delivery } from './delivery.ts';
import type { Shelf } from './event-shelf.ts';
import { EventStreams } from './event-streams.ts';
import { Outlet } from './outlet.ts';

export interface SessionFacts {
  readonly id: string;
  /** Name of the server in the configuration. */
  readonly server: string;
  /** Key of the principal who opened it; nobody else can use it. */
  readonly principal: string;
  /** The negotiated protocol version. */
  readonly version: string;
}

export interface StreamWish {
  /** Of the stream to go on with, and how far the client has come. */
  readonly lastEventId: string | undefined;
  /** Without ids, because the client cannot come back. */
  readonly plain: boolean;
}

export abstract class Session {
  readonly facts: SessionFacts;
  /** In flight, in their order. No Map: see id-table.ts. */
  readonly #requests: ClientRequest[] = [];
  /** Those that this session's answers turn into, and its GET stream. */
  readonly streams: EventStreams;
  protected readonly outlet: Outlet;
  #usedAt = now();
  readonly #done = (request: ClientRequest): void => this.#forget(request);

  /** `shelf`: the worker's, for what clients may have missed. */
  constructor(facts: SessionFacts, shelf: Shelf) {
    this.facts = facts;
    this.streams = new EventStreams(shelf, facts.version);
    this.outlet = new Outlet(this.streams);
  }

  /** Ends what stands behind the session; resolves when it is gone. */
  protected abstract release(): Promise<void>;
  protected abstract ask(request: ClientRequest): void;
  /** A notification of the client, `notifications/cancelled` excepted. */
  protected abstract notify(message: Message): void;
  /** The client's answer to a request of the server. */
  protected abstract respond(message: Message): void;

  /**
   * Takes one message of a POST. A request is answered through `delivery`, nothing else is. `tools` are those of
   * this moment: a reload may have changed them since the session was opened.
   */
  take(message: Message, delivery: Delivery, tools: ToolGate): void {
    this.#usedAt = roughlyNow();
    if (message.kind === 'request') this.#ask(message, delivery, tools);
    else if (message.kind !== 'notification') this.respond(message);
    else if (message.method === 'notifications/cancelled') this.#cancel(message);
    else this.notify(message);
  }

  /** The client's GET. Throws `stream_conflict` for a second one, `invalid_request` for a strange `lastEventId`. */
  openStream(reply: Reply, { lastEventId, plain }: StreamWish): void {
    this.#usedAt = now();
    if (lastEventId !== undefined && this.streams.resume(lastEventId, reply)) return;
    this.outlet.open(reply, plain);
  }

  get inFlight(): number {
    return this.#requests.length;
  }

  isIdle(idleMs: number): boolean {
    if (this.outlet.isOpen || this.#requests.length > 0) {
      this.#usedAt = now();
      return false;
    }
    return now() - this.#usedAt > idleMs;
  }

  /** From time to time: calls that take long become streams, which proxies keep and clients can come back to. */
  tidy(turn: number): void {
    for (const { delivery } of this.#requests) delivery.lasts(turn);
    this.streams.tidy();
  }

  /** Of the GET stream; the session goes on, here or elsewhere. */
  closeStream(): void {
    this.outlet.release();
  }

  /** Everything in flight is answered with `reason`, the streams end, the child too. */
  close(reason: BridgeError): Promise<void> {
    for (const request of [...this.#requests]) request.failed(reason);
    this.streams.close();
    return this.release();
  }

  /** How long the server may take for what it has in hand. Default: as long as it always may. */
  protected extend(lengthMs?: number): void {
    for (const request of this.#requests) request.extend(lengthMs);
  }

  /** The latest request whose answer can still carry something before it. */
  protected streamingRequest(): ClientRequest | undefined {
    return this.#requests.findLast(({ delivery }) => delivery.canStream);
  }

  /**
   * To the client by the GET stream, else on the answer of a request in flight, be it one that the client has to come
   * back for, else held for the next GET.
   */
  protected tell(text: Chunk): void {
    if (this.outlet.send(text)) return;
    const request = this.streamingRequest() ?? this.#requests.findLast(({ delivery }) => delivery.isBroken);
    if (request?.delivery.event(text) !== true) this.outlet.hold(text);
  }

  #ask(message: Message, delivery: Delivery, tools: ToolGate): void {
    const request = new ClientRequest(message, delivery, tools, this.#done);
    this.#requests.push(request);
    if (message.method === 'initialize') {
      request.failed(new BridgeError('invalid_request', 'This session is initialized already.'));
    } else if (message.method === 'tools/call' && !tools.allows(message.target)) {
      request.failed(new BridgeError('tool_not_allowed', `Unknown tool: ${message.target}`));
    } else {
      this.ask(request);
    }
  }

  #cancel(message: Message): void {
    const { reason } = parsePayload(message);
    // As it is written: a client spells its own id the same way each time.
    const request = this.#requests.findLast((each) => each.message.id === message.token);
    request?.cancel(typeof reason === 'string' ? reason : 'cancelled by the client');
  }

  #forget(request: ClientRequest): void {
    const place = this.#requests.indexOf(request);
    if (place !== -1) this.#requests.splice(place, 1);
  }
}
