/**
 * The answers to one POST: plain JSON when the first thing to say is the last one, SSE from the moment something
 * has to come before it. A batch (2025-03-26) is answered as one array, or as events of one stream. Within a session
 * that stream can be resumed: what is said after the connection broke is kept for the client who comes back.
 *
 * MCP transports, "Sending Messages to the Server".
 */
import type { BridgeError } from '../errors.ts';
import type { Chunk, HeaderPairs } from '../http/engine.ts';
import { JSON_HEADERS, NO_HEADERS, type Reply, SSE_HEADERS } from '../http/reply.ts';
import { rpcErrorBody, sendError } from '../http/send-error.ts';
import { sseEvent } from '../http/sse.ts';
import type { EventStream } from './event-stream.ts';
import type { EventStreams } from './event-streams.ts';

export interface DeliveryOptions {
  /** How many answers will come: one per request in the body. */
  readonly expected: number;
  readonly batch: boolean;
  /** Whether the client takes SSE. */
  readonly streams: boolean;
  /** Whose requests wait in turn with those of others: a session's, or a principal's. */
  readonly lane?: string;
  /** Those of the session whose client can come back for the answer. */
  readonly events?: EventStreams | undefined;
  /** The id of the one request, as JSON text. */
  readonly request?: string | undefined;
}

type Text = Chunk | readonly Chunk[];

/** The answers of every delivery that has collected none. */
const NONE: Text[] = [];

export class Delivery {
  readonly reply: Reply;
  readonly lane: string;
  readonly #batch: boolean;
  readonly #streams: boolean;
  readonly #events: EventStreams | undefined;
  readonly #request: string | undefined;
  #stream: EventStream | undefined;
  /** The first turn of `lasts`. */
  #since = 0;
  #expected: number;
  #answers: Text[] = NONE;
  #extraHeaders: HeaderPairs = NO_HEADERS;

  constructor(reply: Reply, { expected, batch, streams, lane = '', events, request }: DeliveryOptions) {
    this.reply = reply;
    this.lane = lane;
    this.#expected = expected;
    this.#batch = batch;
    this.#streams = streams;
    this.#events = events;
    this.#request = request;
  }

  /** Whether `event` can reach the client now. */
  get canStream(): boolean {
    if (this.#stream !== undefined) return this.#stream.isConnected;
    return this.#streams && this.reply.state !== 'done';
  }

  /** Whether `event` reaches a client who comes back. */
  get isBroken(): boolean {
    return this.#stream !== undefined && !this.#stream.isConnected;
  }

  /** Called from time to time, with another `turn`: an answer that two of them find missing becomes a stream. */
  lasts(turn: number): void {
    if (this.#since === 0) this.#since = turn;
    else if (turn > this.#since && this.reply.state === 'open' && this.canStream) this.#openStream();
  }

  /** Sent with the answer, if it has not begun. */
  addHeaders(headers: HeaderPairs): void {
    this.#extraHeaders = [...this.#extraHeaders, ...headers];
  }

  /** One of the expected answers: a JSON-RPC result or error. */
  answer(text: Text): void {
    this.#expected--;
    if (this.#isStream) {
      this.#write(text);
      if (this.#expected === 0) this.#end();
    } else if (!this.#batch) {
      this.reply.send(200, this.#withExtra(JSON_HEADERS), text);
    } else {
      if (this.#answers === NONE) this.#answers = [];
      this.#answers.push(text);
      if (this.#expected === 0) this.#sendArray();
    }
  }

  /** The one expected answer, with another status than 200 if it can still have one. */
  answerWith(status: number, text: Text): void {
    if (this.reply.state === 'open' && !this.#batch)
      this.reply.send(status, this.#withExtra(JSON_HEADERS), text);
    else this.answer(text);
  }

  /** A failure of the bridge's own in place of an answer; `id` is the request's, as JSON text. */
  fail(id: string | undefined, error: BridgeError): void {
    const rpcId = id ?? null;
    if (this.reply.state === 'open' && !this.#batch) sendError(this.reply, error, { rpcId });
    else this.answer(rpcErrorBody(error, rpcId, this.reply.requestId));
  }

  /** A message that comes before the answer; false when it cannot be delivered here. */
  event(text: Text): boolean {
    if (!this.#isStream) {
      if (!this.canStream) return false;
      this.#openStream();
    }
    this.#write(text);
    return true;
  }

  /** A request that was cancelled by its client gets no answer. */
  skip(): void {
    this.#expected--;
    if (this.#expected > 0) return;
    if (this.#isStream) this.#end();
    else if (this.reply.state === 'done') return;
    else if (this.#answers.length > 0) this.#sendArray();
    else if (!this.#streams) this.reply.send(202, NO_HEADERS, '');
    else {
      // There is nothing to come back for: no stream of the session's.
      this.reply.open(200, this.#withExtra(SSE_HEADERS));
      this.reply.end();
    }
  }

  get #isStream(): boolean {
    return this.#stream !== undefined || this.reply.state === 'streaming';
  }

  #openStream(): void {
    this.reply.open(200, this.#withExtra(SSE_HEADERS));
    this.#stream = this.#events?.answering(this.#request, this.reply);
    for (const answer of this.#answers.splice(0)) this.#write(answer);
  }

  #write(text: Text): void {
    if (this.#stream === undefined) this.reply.write(sseEvent(text));
    else this.#stream.send(text);
  }

  #end(): void {
    if (this.#stream === undefined) this.reply.end();
    else this.#stream.end();
  }

  #sendArray(): void {
    const parts: Chunk[] = [];
    for (const answer of this.#answers.splice(0)) {
      parts.push(parts.length === 0 ? '[' : ',');
      if (typeof answer === 'string' || answer instanceof Uint8Array) parts.push(answer);
      else parts.push(...answer);
    }
    this.reply.send(200, this.#withExtra(JSON_HEADERS), [...parts, ']']);
  }

  #withExtra(headers: HeaderPairs): HeaderPairs {
    return this.#extraHeaders === NO_HEADERS ? headers : [...headers, ...this.#extraHeaders];
  }
}
