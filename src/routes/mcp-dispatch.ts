/**
 * From a checked call to /mcp to whoever serves it: finds the owner, and serves the call here or carries it there.
 */
import { BridgeError } from '../errors.ts';
import { type Principal, principalFromWire } from '../http/principal.ts';
import type { Reply } from '../http/reply.ts';
import { rpcErrorBody, sendError } from '../http/send-error.ts';
import { sseEvent } from '../http/sse.ts';
import type { Pool } from '../pool/pool.ts';
import { isBatch, readMessage } from '../protocol/read-message.ts';
import type { Face } from '../sessions/face.ts';
import { isModernCall, type McpCall } from '../sessions/mcp-call.ts';
import type { ModernFace } from '../sessions/modern-face.ts';
import type { Relay } from '../shard/relay.ts';
import { relayedBody } from './admission.ts';
import type { Placement } from './placement.ts';

export interface DispatchDeps {
  readonly pool: Pool;
  readonly face: Face;
  readonly modern: ModernFace;
  readonly relay: Relay;
  readonly placement: Placement;
}

/** Answers through `reply`; may throw `unknown_server`. A large body is given away (see Tasks). */
export type Dispatch = (call: McpCall, body: string | Uint8Array, reply: Reply) => void;

/** A McpCall as it goes over the relay, but for its session: the same for all sessions of a client. */
type WireCall = Omit<McpCall, 'principal' | 'sessionId'> & { readonly principal: string };

interface Headed {
  /** The WireCall as JSON, which has no line break. */
  readonly head: string;
  readonly call: McpCall;
}

export function createDispatch(deps: DispatchDeps): Dispatch {
  const { pool, face, modern, relay, placement } = deps;
  const principals = new Map<string, Principal>();

  const dispatch = (call: McpCall, body: string | Uint8Array, reply: Reply): void => {
    const owner = ownerOf(call, body);
    if (owner === undefined) {
      face.serve(call, body, reply);
      return;
    }
    relay.forward(owner, 'mcp', {
      head: headOf(call),
      body,
      reply,
      lost: (served) => lost(call, body, reply, served),
      broken: () => broken(body, reply),
    });
  };

  const ownerOf = (call: McpCall, body: string | Uint8Array): string | undefined => {
    // Its owner knows whether a session lives on: that of a server that was removed does.
    if (call.sessionId !== undefined)
      return placement.ofSession(call.sessionId, pool.definition(call.server));
    const { server } = pool.configured(call.server);
    if (call.verb !== 'POST') return undefined;
    // A retry goes to the worker that has its call in hand, wherever it lands. Without the header it is refused anywhere.
    const holder = isModernCall(call) ? modern.ownerOf(body) : undefined;
    if (holder !== undefined) return placement.ofWorker(holder);
    if (server.isolation === 'session' && isInitialize(body)) return placement.forNewChild();
    return placement.ofScope(server, call.principal.key);
  };

  const lost = (call: McpCall, body: string | Uint8Array, reply: Reply, served: boolean): void => {
    // As long as nothing was done yet, any worker will do: only a session that was in the dead process is not found.
    if (!served) face.serve(call, body, reply);
    else sendError(reply, workerDied(), { rpcId: requestId(body) ?? null });
  };

  /** Nobody is left who could answer: whoever waits on this stream must not wait for ever. */
  const broken = (body: string | Uint8Array, reply: Reply): void => {
    const id = requestId(body);
    if (id !== undefined) {
      // The last event may have come in half.
      reply.write('\n\n');
      reply.write(sseEvent(rpcErrorBody(workerDied(), id, reply.requestId)));
    }
    reply.end();
  };

  // The same client asks again and again: the last head is neither written nor parsed anew. The session follows it.
  let sent: Headed | undefined;
  const headOf = (call: McpCall): string => {
    if (sent === undefined || !haveOneHead(sent.call, call)) {
      const { principal, sessionId: _, ...rest } = call;
      const wire: WireCall = { ...rest, principal: principal.wire };
      sent = { head: JSON.stringify(wire), call };
    }
    return call.sessionId === undefined ? sent.head : `${sent.head}\n${call.sessionId}`;
  };

  let received: Headed | undefined;
  const callIn = (text: string): McpCall => {
    const end = text.indexOf('\n');
    const head = end === -1 ? text : text.slice(0, end);
    if (received?.head !== head) {
      const { principal, ...rest } = JSON.parse(head) as WireCall;
      const call = { ...rest, sessionId: undefined, principal: principalFromWire(principal, principals) };
      received = { head, call };
    }
    return end === -1 ? received.call : { ...received.call, sessionId: text.slice(end + 1) };
  };

  relay.register('mcp', (head, body, reply) => face.serve(callIn(head), relayedBody(body), reply));

  return dispatch;
}

type Compared =
  | 'verb'
  | 'server'
  | 'principal'
  | 'version'
  | 'mcpMethod'
  | 'mcpName'
  | 'mcpParams'
  | 'trace'
  | 'lastEventId'
  | 'isOneStream'
  | 'streams';
type Never<T extends never> = T;
/** None, or this does not compile. */
type NotCompared = Never<Exclude<keyof McpCall, Compared | 'sessionId'>>;

/** Whether they differ in nothing but their session. Each key by its name, because a loop would look it up each time. */
const haveOneHead = (a: Pick<McpCall, Compared>, b: McpCall): boolean | NotCompared =>
  a.verb === b.verb &&
  a.server === b.server &&
  a.principal === b.principal &&
  a.version === b.version &&
  a.mcpMethod === b.mcpMethod &&
  a.mcpName === b.mcpName &&
  a.mcpParams === b.mcpParams &&
  a.trace === b.trace &&
  a.lastEventId === b.lastEventId &&
  a.isOneStream === b.isOneStream &&
  a.streams === b.streams;

const workerDied = (): BridgeError =>
  new BridgeError('worker_died', 'The worker that had this call in hand died.');

/** As JSON text; undefined for what is no request, and for a large one, which was given away. */
function requestId(body: string | Uint8Array): string | undefined {
  if (typeof body !== 'string' || isBatch(body)) return undefined;
  const read = readMessage(body);
  return read.kind === 'request' ? read.id : undefined;
}

/** Cheap for what is certainly something else; a large body is never an `initialize`. */
function isInitialize(body: string | Uint8Array): boolean {
  if (typeof body !== 'string' || !body.includes('initialize')) return false;
  const read = readMessage(body);
  return read.kind === 'request' && read.method === 'initialize';
}
