/**
 * One request and its one safe answer: the only user of a RawResponse. It ends once, survives a client that goes
 * away at any moment, and puts on every answer what every answer carries: X-Request-Id, CORS, Connection: close
 * while the worker drains.
 */
import { type Deadlines, now } from '../deadline.ts';
import { joinChunks } from './chunks.ts';
import type { AnswerHead, Chunk, HeaderPairs, RawRequest, RawResponse, ResponseListener } from './engine.ts';
import { MAX_BUFFERED_BYTES, NO_HEADERS, type Reply } from './reply.ts';
import { endsEvent, isEventStream, SSE_COMMENT } from './sse.ts';

/** Seen by the observer when the client went away before the answer began; never sent. */
const CLIENT_GONE_STATUS = 499;

/** What a worker gives to all its exchanges. */
export interface ExchangeContext {
  /** Whether answers close their connection, because the worker drains. */
  closing(): boolean;
  nextRequestId(): string;
  /** A request has come. */
  started(): void;
  /** Its answer has become an event stream, which is to be kept alive until `finished`. */
  streaming(exchange: Exchange): void;
  /** Called once per exchange, when its answer was handed over or the client went away. */
  finished(exchange: Exchange, status: number, durationMs: number): void;
  readonly deadlines: Deadlines;
}

/** What takes the bytes of the request's body. */
export interface BodySink {
  /** `bytes` is valid only during the call. */
  take(bytes: Uint8Array, last: boolean): void;
  /** The client went away. */
  gone(): void;
}

/** Ids that cost one concatenation; `prefix` is unique among all workers that ever ran. */
export function requestIds(prefix: string): () => string {
  let count = 0;
  return () => `${prefix}-${++count}`;
}

const ACCEPTABLE_REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

export class Exchange implements Reply, ResponseListener {
  readonly request: RawRequest;
  readonly requestId: string;
  readonly context: ExchangeContext;
  /** Label of the route in metrics and logs; whoever routes sets it. */
  route = 'other';
  readonly #response: RawResponse;
  readonly #startedAt = now();
  #state: 'open' | 'streaming' | 'done' = 'open';
  #status = CLIENT_GONE_STATUS;
  #isGone = false;
  #closing = false;
  #written = false;
  /** Nothing was written since the last look. */
  #isQuiet = false;
  /** What was written last ended an event: only there may a comment follow. */
  #isBetween = true;
  #corsHeaders: HeaderPairs = NO_HEADERS;
  #abortListener: (() => void) | undefined;
  #body: BodySink | undefined;

  constructor(context: ExchangeContext, request: RawRequest, response: RawResponse) {
    const given = request.headers.requestId;
    context.started();
    this.context = context;
    this.request = request;
    this.requestId =
      given !== undefined && ACCEPTABLE_REQUEST_ID.test(given) ? given : context.nextRequestId();
    this.#response = response;
    response.listen(this);
  }

  get state(): 'open' | 'streaming' | 'done' {
    return this.#state;
  }

  /** The gate let this origin in: every answer says so. */
  allowOrigin(corsHeaders: HeaderPairs): void {
    this.#corsHeaders = corsHeaders;
  }

  /** The connection is not kept after this answer. */
  closeAfterwards(): void {
    this.#closing = true;
  }

  /** Must be called in the tick in which the request came. */
  receive(body: BodySink): void {
    if (this.#isGone) {
      body.gone();
      return;
    }
    this.#body = body;
    this.#response.receive();
  }

  received(bytes: Uint8Array, last: boolean): void {
    const body = this.#body;
    if (last) this.#body = undefined;
    body?.take(bytes, last);
  }

  send(status: number, headers: HeaderPairs, body: Chunk | readonly Chunk[]): void {
    if (this.#state !== 'open') return;
    this.#status = status;
    this.#response.end(this.#head(status, headers), body);
    this.#finished();
  }

  open(status: number, headers: HeaderPairs): void {
    if (this.#state !== 'open') return;
    this.#state = 'streaming';
    this.#status = status;
    this.#response.begin(this.#head(status, headers));
    if (isEventStream(headers)) this.context.streaming(this);
    // The head travels with the first write; a stream with nothing to say yet must show its head all the same.
    queueMicrotask(() => {
      if (!this.#written) this.write(SSE_COMMENT);
    });
  }

  write(chunk: Chunk | readonly Chunk[]): void {
    if (this.#state !== 'streaming') return;
    this.#written = true;
    this.#isQuiet = false;
    this.#isBetween = endsEvent(chunk);
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) this.#response.write(chunk);
    else if (chunk.every((part) => typeof part === 'string')) this.#response.write(joinChunks(chunk));
    else for (const part of chunk) this.#response.write(part);
    if (this.#response.buffered > MAX_BUFFERED_BYTES) this.cut();
  }

  /** Called from time to time for an event stream: says that it lives when it said nothing else. */
  keepAlive(): void {
    if (this.#isQuiet && this.#isBetween) this.write(SSE_COMMENT);
    this.#isQuiet = true;
  }

  end(): void {
    if (this.#state !== 'streaming') return;
    this.#written = true;
    this.#response.finish();
    this.#finished();
  }

  /** Ends the connection without an answer, or in the middle of it. */
  cut(): void {
    this.#response.cut();
    this.aborted();
  }

  onAbort(listener: () => void): void {
    if (this.#isGone) listener();
    else if (this.#state !== 'done') this.#abortListener = listener;
  }

  aborted(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    const body = this.#body;
    this.#body = undefined;
    body?.gone();
    if (this.#state === 'done') return;
    const listener = this.#abortListener;
    this.#finished();
    listener?.();
  }

  #head(status: number, headers: HeaderPairs): AnswerHead {
    return {
      status,
      requestId: this.requestId,
      headers,
      corsHeaders: this.#corsHeaders,
      closing: this.#closing || this.context.closing(),
    };
  }

  #finished(): void {
    this.#state = 'done';
    this.#abortListener = undefined;
    this.context.finished(this, this.#status, now() - this.#startedAt);
  }
}
