/**
 * The HTTP+SSE transport of 2024-11-05, for old clients: one stream for everything the server says, and POSTs that
 * are answered 202. Behind it stands an ordinary session; its answers and its GET stream both flow into the one
 * stream, and it ends with it.
 *
 * MCP transports 2024-11-05, "HTTP with SSE".
 */
import { randomBytes } from 'node:crypto';
import type { Settings } from '../config/settings.ts';
import { asBridgeError, BridgeError } from '../errors.ts';
import { joinChunks } from '../http/chunks.ts';
import type { Chunk, HeaderPairs } from '../http/engine.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Gate } from '../http/gate.ts';
import type { Principal } from '../http/principal.ts';
import { type Reply, SSE_HEADERS, TEXT_HEADERS } from '../http/reply.ts';
import { sendError } from '../http/send-error.ts';
import { sseEvent, sseNamedEvent } from '../http/sse.ts';
import type { Pool } from '../pool/pool.ts';
import type { Trace } from '../protocol/trace.ts';
import type { McpCall } from '../sessions/mcp-call.ts';
import { Places } from '../sessions/places.ts';
import { workerOf } from '../sessions/session-id.ts';
import type { Relay } from '../shard/relay.ts';
import { admit, readAdmitted, relayedBody, whenKnown } from './admission.ts';
import type { Dispatch } from './mcp-dispatch.ts';
import { checkContentType, notAcceptable, readAccept, traceOfHeaders } from './negotiation.ts';
import type { Placement } from './placement.ts';
import { decodeParameter, type Route } from './router.ts';

export interface SseRoutesDeps {
  readonly settings: Settings;
  readonly gate: Gate;
  readonly pool: Pool;
  readonly dispatch: Dispatch;
  readonly relay: Relay;
  readonly placement: Placement;
  /** This worker's id: the streams that it holds carry it in their ids. */
  readonly self: string;
  readonly streamOpened: (exchange: Exchange) => void;
}

interface Posted {
  readonly stream: string;
  readonly server: string;
  readonly principal: string;
  readonly trace: Trace | undefined;
}

const MAX_STREAMS = 1_024;

export function createSseRoutes(deps: SseRoutesDeps): readonly Route[] {
  const { settings, gate, pool, dispatch, relay, placement, self, streamOpened } = deps;
  const streams = new Map<string, SseStream>();
  const places = new Places(MAX_STREAMS, 'streams of HTTP+SSE');

  const post = (posted: Posted, body: string | Uint8Array, reply: Reply): void => {
    const stream = streams.get(posted.stream);
    if (stream === undefined || !stream.belongsTo(posted)) {
      throw new BridgeError('session_not_found', 'There is no such stream: GET /sse/<server> opens one.');
    }
    stream.post(body, posted.trace);
    reply.send(202, TEXT_HEADERS, 'Accepted');
  };

  relay.register('sse', (head, body, reply) => {
    try {
      post(JSON.parse(head) as Posted, relayedBody(body), reply);
    } catch (error) {
      sendError(reply, asBridgeError(error), 'http');
    }
  });

  const open: Route = {
    label: '/sse/:serverId',
    methods: ['GET'],
    shape: 'http',
    handle(exchange, parameter) {
      const { headers } = exchange.request;
      const principal = gate.authenticate(exchange.request);
      if (!readAccept(headers).sse) throw notAcceptable(headers, 'text/event-stream');
      streamOpened(exchange);
      return whenKnown(principal, (known) => {
        const server = admit(decodeParameter(parameter), known);
        pool.configured(server);
        const id = `${self}.${randomBytes(16).toString('base64url')}`;
        places.take(known.key);
        const stream = new SseStream(exchange, { server, principal: known }, dispatch, () => {
          streams.delete(id);
          places.free(known.key);
        });
        streams.set(id, stream);
        stream.begin(`/messages/${encodeURIComponent(server)}?sessionId=${id}`);
      });
    },
  };

  const messages: Route = {
    label: '/messages/:serverId',
    methods: ['POST'],
    shape: 'http',
    handle(exchange, parameter) {
      const { headers, query } = exchange.request;
      const principal = gate.authenticate(exchange.request);
      checkContentType(headers);
      const trace = traceOfHeaders(headers);
      const stream = new URLSearchParams(query).get('sessionId') ?? '';
      return readAdmitted(
        exchange,
        principal,
        { maxBytes: settings.maxBodyBytes, shape: 'http' },
        (known, body) => {
          const server = admit(decodeParameter(parameter), known);
          const posted: Posted = { stream, server, principal: known.key, trace };
          const owner = placement.ofWorker(workerOf(stream));
          if (owner === undefined) {
            post(posted, body, exchange);
            return;
          }
          const lost = (): void =>
            sendError(
              exchange,
              new BridgeError('worker_died', 'The worker that held this stream died.'),
              'http',
            );
          relay.forward(owner, 'sse', { head: JSON.stringify(posted), body, reply: exchange, lost });
        },
      );
    },
  };

  return [open, messages];
}

interface StreamOwner {
  readonly server: string;
  readonly principal: Principal;
}

/** One client's stream and the session behind it. */
class SseStream {
  readonly #exchange: Exchange;
  readonly #owner: StreamOwner;
  readonly #dispatch: Dispatch;
  readonly #closed: () => void;
  #sessionId: string | undefined;

  constructor(exchange: Exchange, owner: StreamOwner, dispatch: Dispatch, closed: () => void) {
    this.#exchange = exchange;
    this.#owner = owner;
    this.#dispatch = dispatch;
    this.#closed = closed;
  }

  /** `endpoint` is where the client is to POST to. */
  begin(endpoint: string): void {
    this.#exchange.open(200, SSE_HEADERS);
    this.#exchange.write(sseNamedEvent('endpoint', endpoint));
    this.#exchange.onAbort(() => {
      this.#closed();
      if (this.#sessionId !== undefined) this.#dispatch(this.#call('DELETE'), '', this.#reply());
    });
  }

  belongsTo({ server, principal }: Posted): boolean {
    return this.#owner.server === server && this.#owner.principal.key === principal;
  }

  post(body: string | Uint8Array, trace: Trace | undefined): void {
    this.#dispatch(this.#call('POST', trace), body, this.#reply());
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

  #reply(): Reply {
    return new StreamReply(this.#exchange, (sessionId) => {
      this.#sessionId = sessionId;
      // What the session says outside of calls; its stream ends with this one.
      this.#dispatch(this.#call('GET'), '', this.#reply());
    });
  }
}

/** An answer that becomes part of a stream which is open already. */
class StreamReply implements Reply {
  state: Reply['state'] = 'open';
  readonly #exchange: Exchange;
  readonly #opened: (sessionId: string) => void;

  constructor(exchange: Exchange, opened: (sessionId: string) => void) {
    this.#exchange = exchange;
    this.#opened = opened;
  }

  get requestId(): string {
    return this.#exchange.requestId;
  }

  send(_status: number, headers: HeaderPairs, body: Chunk | readonly Chunk[]): void {
    this.state = 'done';
    if (joinChunks(body).length > 0) this.#exchange.write(sseEvent(body));
    this.#seeSession(headers);
  }

  open(_status: number, headers: HeaderPairs): void {
    this.state = 'streaming';
    this.#seeSession(headers);
  }

  write(chunk: Chunk | readonly Chunk[]): void {
    this.#exchange.write(chunk);
  }

  end(): void {
    this.state = 'done';
  }

  onAbort(): void {
    // The stream itself is watched, and ends the session.
  }

  #seeSession(headers: HeaderPairs): void {
    const sessionId = headers.find(([name]) => name === 'Mcp-Session-Id')?.[1];
    if (sessionId !== undefined) this.#opened(sessionId);
  }
}
