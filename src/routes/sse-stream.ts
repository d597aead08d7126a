/**
 * One client's stream of HTTP+SSE. Behind it stands an ordinary session, whose answers and GET stream both flow into
 * this one; each of the two ends with the other.
 */
import { pause } from '../deadline.ts';
import { joinChunks } from '../http/chunks.ts';
import type { Chunk, HeaderPairs } from '../http/engine.ts';
import type { Principal } from '../http/principal.ts';
import { type Reply, SSE_HEADERS } from '../http/reply.ts';
import { sseEvent, sseNamedEvent } from '../http/sse.ts';
import type { Trace } from '../protocol/trace.ts';
import type { McpCall } from '../sessions/mcp-call.ts';
import type { Dispatch } from './mcp-dispatch.ts';

/** Between the end of a worker and the moment when all others know of it; doubled with each refusal. */
const LISTEN_AGAIN_MS = 50;
const LISTEN_AGAIN_MAX_MS = 5_000;

export interface StreamOwner {
  readonly server: string;
  readonly principal: Principal;
}

export class SseStream {
  readonly #exchange: Reply;
  readonly #owner: StreamOwner;
  readonly #dispatch: Dispatch;
  readonly #closed: () => void;
  #sessionId: string | undefined;
  /** Messages that were taken and are not answered yet. */
  #inHand = 0;
  /** There is no session any more. */
  #isOver = false;
  #isClosed = false;

  constructor(exchange: Reply, owner: StreamOwner, dispatch: Dispatch, closed: () => void) {
    this.#exchange = exchange;
    this.#owner = owner;
    this.#dispatch = dispatch;
    this.#closed = closed;
  }

  /** `endpoint` is where the client is to POST to. */
  begin(endpoint: string): void {
    this.#exchange.open(200, SSE_HEADERS);
    this.#exchange.write(sseNamedEvent('endpoint', endpoint));
    this.#exchange.onAbort(() => this.#close());
  }

  /** `principal` is a Principal's key. */
  belongsTo(server: string, principal: string): boolean {
    return this.#owner.server === server && this.#owner.principal.key === principal;
  }

  post(body: string | Uint8Array, trace: Trace | undefined): void {
    this.#inHand++;
    const answered = (): void => {
      this.#inHand--;
      this.#endWhenAnswered();
    };
    try {
      this.#dispatch(this.#call('POST', trace), body, this.#reply(answered));
    } catch (error) {
      answered();
      throw error;
    }
  }

  #call(verb: McpCall['verb'], trace?: Trace): McpCall {
    return {
      verb,
      trace,
      ...this.#owner,
      sessionId: this.#sessionId,
      version: undefined,
      mcpMethod: undefined,
      mcpName: undefined,
      mcpParams: undefined,
      isOneStream: true,
      streams: true,
    };
  }

  #reply(done: () => void): Reply {
    const opened = (sessionId: string): void => {
      this.#sessionId = sessionId;
      this.#listen();
    };
    return new StreamReply(this.#exchange, opened, done);
  }

  /** To what the session says outside of calls; where its worker goes and it does not, at the next one. */
  #listen(againMs = LISTEN_AGAIN_MS): void {
    if (this.#isClosed) return;
    const ended = (refusal: number | undefined): void => {
      if (refusal === 404) {
        this.#isOver = true;
        this.#endWhenAnswered();
        return;
      }
      if (refusal === undefined) void pause(LISTEN_AGAIN_MS).then(() => this.#listen());
      else void pause(againMs).then(() => this.#listen(Math.min(2 * againMs, LISTEN_AGAIN_MAX_MS)));
    };
    this.#dispatch(this.#call('GET'), '', new ListeningReply(this.#exchange, ended));
  }

  /** A client that can see the end opens another stream; one that cannot would ask a session that is gone for ever. */
  #endWhenAnswered(): void {
    if (!this.#isOver || this.#inHand > 0) return;
    this.#exchange.end();
    this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closed();
    if (this.#sessionId === undefined) return;
    this.#dispatch(this.#call('DELETE'), '', new ListeningReply(this.#exchange, () => undefined));
  }
}

/** An answer that becomes part of a stream which is open already. */
class StreamReply implements Reply {
  state: Reply['state'] = 'open';
  readonly #exchange: Reply;
  readonly #opened: (sessionId: string) => void;
  readonly #done: () => void;

  /** `done` is called once: nothing more comes of this answer. */
  constructor(exchange: Reply, opened: (sessionId: string) => void, done: () => void) {
    this.#exchange = exchange;
    this.#opened = opened;
    this.#done = done;
  }

  get requestId(): string {
    return this.#exchange.requestId;
  }

  send(_status: number, headers: HeaderPairs, body: Chunk | readonly Chunk[]): void {
    if (joinChunks(body).length > 0) this.#exchange.write(sseEvent(body));
    this.#seeSession(headers);
    this.end();
  }

  open(_status: number, headers: HeaderPairs): void {
    this.state = 'streaming';
    this.#seeSession(headers);
  }

  write(chunk: Chunk | readonly Chunk[]): void {
    this.#exchange.write(chunk);
  }

  end(): void {
    if (this.state === 'done') return;
    this.state = 'done';
    this.#done();
  }

  onAbort(): void {
    // The stream itself is watched, and ends the session.
  }

  #seeSession(headers: HeaderPairs): void {
    const sessionId = headers.find(([name]) => name === 'Mcp-Session-Id')?.[1];
    if (sessionId !== undefined) this.#opened(sessionId);
  }
}

/** What belongs to no call. A refusal is not for the client, who asked for nothing. */
class ListeningReply extends StreamReply {
  readonly #ended: (refusal: number | undefined) => void;

  /** `refusal`: the status with which it ended before it began. Without one it may be the end of its worker alone. */
  constructor(exchange: Reply, ended: (refusal: number | undefined) => void) {
    super(
      exchange,
      () => undefined,
      () => ended(undefined),
    );
    this.#ended = ended;
  }

  override send(status: number): void {
    this.state = 'done';
    this.#ended(status);
  }
}
