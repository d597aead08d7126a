/**
 * The HTTP+SSE transport of 2024-11-05, for old clients: one stream for everything the server says (sse-stream.ts),
 * and POSTs that are answered 202.
 *
 * MCP transports 2024-11-05, "HTTP with SSE".
 */
import { randomBytes } from 'node:crypto';
import type { Settings } from '../config/settings.ts';
import { asBridgeError, BridgeError } from '../errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Gate } from '../http/gate.ts';
import { type Reply, TEXT_HEADERS } from '../http/reply.ts';
import { sendError } from '../http/send-error.ts';
import type { Pool } from '../pool/pool.ts';
import { MAX_CLIENT_KEYS } from '../protocol/json-scanner.ts';
import { isBatch, readBatch, readMessage } from '../protocol/read-message.ts';
import type { Trace } from '../protocol/trace.ts';
import { Places } from '../sessions/places.ts';
import { workerOf } from '../sessions/session-id.ts';
import type { Relay } from '../shard/relay.ts';
import { admit, readAdmitted, relayedBody, whenKnown } from './admission.ts';
import type { Dispatch } from './mcp-dispatch.ts';
import { checkContentType, notAcceptable, readAccept, traceOfHeaders } from './negotiation.ts';
import type { Placement } from './placement.ts';
import { decodeParameter, type Route } from './router.ts';
import { SseStream } from './sse-stream.ts';

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
    if (stream === undefined || !stream.belongsTo(posted.server, posted.principal)) {
      throw new BridgeError('session_not_found', 'There is no such stream: GET /sse/<server> opens one.');
    }
    checkReadable(body);
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

/** Throws `invalid_request` for what is no message. A body that is too large for this thread is told so on the stream. */
function checkReadable(body: string | Uint8Array): void {
  if (typeof body !== 'string') return;
  const read = isBatch(body) ? readBatch(body) : readMessage(body, MAX_CLIENT_KEYS);
  if ('reason' in read) throw new BridgeError('invalid_request', read.reason);
}
