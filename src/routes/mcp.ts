/**
 * POST, GET and DELETE /mcp/:serverId, the HTTP side: checks what can be checked before anybody owns the call,
 * finds its owner, and serves it here or carries it there.
 */
import type { ServerDefinition, Settings } from '../config/settings.ts';
import { BridgeError } from '../errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Gate } from '../http/gate.ts';
import { type Principal, principalFromWire } from '../http/principal.ts';
import type { Reply } from '../http/reply.ts';
import { RPC_WITHOUT_ID, sendError } from '../http/send-error.ts';
import type { Pool } from '../pool/pool.ts';
import { parsePayload } from '../protocol/message.ts';
import { readMessage } from '../protocol/read-message.ts';
import { isModernVersion } from '../protocol/versions.ts';
import type { Face } from '../sessions/face.ts';
import type { McpCall } from '../sessions/mcp-call.ts';
import type { ModernFace } from '../sessions/modern-face.ts';
import type { Relay } from '../shard/relay.ts';
import { admit, readAdmitted, relayedBody, whenKnown } from './admission.ts';
import { checkContentType, notAcceptable, readAccept } from './negotiation.ts';
import type { Placement } from './placement.ts';
import { decodeParameter, type Route } from './router.ts';

export interface McpRouteDeps {
  readonly settings: Settings;
  readonly gate: Gate;
  readonly pool: Pool;
  readonly face: Face;
  readonly modern: ModernFace;
  readonly relay: Relay;
  readonly placement: Placement;
  /** Told of GET streams, which a draining worker does not wait for. */
  readonly streamOpened: (exchange: Exchange) => void;
}

/** The head of a relayed call: a McpCall with its principal as text. */
type WireCall = Omit<McpCall, 'principal'> & { readonly principal: string };

export function createMcpRoute(deps: McpRouteDeps): Route {
  const { settings, gate, pool, face, modern, relay, placement } = deps;
  const principals = new Map<string, Principal>();
  const rules = { maxBytes: settings.maxBodyBytes, shape: RPC_WITHOUT_ID };

  const dispatch = (call: McpCall, body: string | Uint8Array, reply: Reply): void => {
    const { server } = pool.configured(call.server);
    const owner = ownerOf(call, server, body);
    if (owner === undefined) {
      face.serve(call, body, reply);
      return;
    }
    const head = JSON.stringify({ ...call, principal: call.principal.wire } satisfies WireCall);
    relay.forward(owner, 'mcp', { head, body, reply, lost: (served) => lost(call, body, reply, served) });
  };

  const ownerOf = (
    call: McpCall,
    server: ServerDefinition,
    body: string | Uint8Array,
  ): string | undefined => {
    if (call.sessionId !== undefined) return placement.ofSession(call.sessionId, server);
    if (call.verb !== 'POST') return undefined;
    const holder = typeof body === 'string' ? holderOf(body) : undefined;
    if (holder !== undefined) return placement.ofWorker(holder);
    if (server.isolation === 'session' && isInitialize(body)) return placement.forNewChild();
    return placement.ofScope(server, call.principal.key);
  };

  /** A retry goes to the worker that has its call in hand, wherever it lands. */
  const holderOf = (body: string): string | undefined => {
    if (!body.includes('"requestState"')) return undefined;
    const read = readMessage(body);
    return read.kind === 'request' ? modern.ownerOf(parsePayload(read)) : undefined;
  };

  const lost = (call: McpCall, body: string | Uint8Array, reply: Reply, served: boolean): void => {
    // Without a session any worker will do, as long as nothing was done yet.
    if (!served && call.sessionId === undefined) face.serve(call, body, reply);
    else if (served) {
      sendError(
        reply,
        new BridgeError('worker_died', 'The worker that had this call in hand died.'),
        RPC_WITHOUT_ID,
      );
    } else {
      sendError(reply, new BridgeError('session_not_found', 'Session not found'), RPC_WITHOUT_ID);
    }
  };

  relay.register('mcp', (head, body, reply) => {
    const call = JSON.parse(head) as WireCall;
    face.serve(
      { ...call, principal: principalFromWire(call.principal, principals) },
      relayedBody(body),
      reply,
    );
  });

  return {
    label: '/mcp/:serverId',
    methods: ['POST', 'GET', 'DELETE'],
    shape: RPC_WITHOUT_ID,

    handle(exchange, parameter) {
      const { headers, method } = exchange.request;
      const principal = gate.authenticate(exchange.request);
      const accepted = readAccept(headers);
      const version = headers.get('mcp-protocol-version');
      const isModern = version !== undefined && isModernVersion(version);
      const callOf = (known: Principal): McpCall => ({
        verb: method as McpCall['verb'],
        server: admit(decodeParameter(parameter), known),
        principal: known,
        // Sessions ended with the legacy revisions; a modern client that still sends an id means nothing by it.
        sessionId: isModern ? undefined : headers.get('mcp-session-id'),
        version,
        mcpMethod: headers.get('mcp-method'),
        mcpName: headers.get('mcp-name'),
        streams: accepted.sse,
      });
      if (method === 'POST') {
        checkContentType(headers);
        if (!accepted.json || !accepted.sse)
          throw notAcceptable(headers, 'application/json and text/event-stream');
        return readAdmitted(exchange, principal, rules, (known, body) =>
          dispatch(callOf(known), body, exchange),
        );
      }
      if (method === 'GET' && !accepted.sse) throw notAcceptable(headers, 'text/event-stream');
      if (method === 'GET') deps.streamOpened(exchange);
      return whenKnown(principal, (known) => dispatch(callOf(known), '', exchange));
    },
  };
}

/** Cheap for what is certainly something else; a large body is never an `initialize`. */
function isInitialize(body: string | Uint8Array): boolean {
  if (typeof body !== 'string' || !body.includes('initialize')) return false;
  const read = readMessage(body);
  return read.kind === 'request' && read.method === 'initialize';
}
