/**
 * What a client of the legacy revisions meets at /mcp, in the worker that owns the session or the pooled child.
 * The HTTP side has been checked before, perhaps by another worker; nothing here is forwarded again.
 *
 * MCP transports 2024-11-05 to 2025-11-25, "Streamable HTTP".
 */
import { asBridgeError, BridgeError } from '../errors.ts';
import type { Principal } from '../http/principal.ts';
import { NO_HEADERS, type Reply } from '../http/reply.ts';
import { sendError } from '../http/send-error.ts';
import type { Pool } from '../pool/pool.ts';
import type { Scope } from '../pool/scope.ts';
import type { ServerPool } from '../pool/server-pool.ts';
import type { Message } from '../protocol/message.ts';
import { isBatch, type Malformed, readBatch } from '../protocol/read-message.ts';
import type { ToolGate } from '../protocol/tool-gate.ts';
import { ASSUMED_VERSION, LEGACY_VERSIONS } from '../protocol/versions.ts';
import type { Roster } from '../shard/roster.ts';
import type { Tasks } from '../tasks.ts';
import { Delivery } from './delivery.ts';
import { openSession } from './opening.ts';
import { PooledSession } from './pooled-session.ts';
import { takeStateless } from './scope-requests.ts';
import type { Session } from './session.ts';
import { type SessionIds, workerOf } from './session-id.ts';
import type { SessionStore } from './store.ts';
import { ToolGates } from './tool-gates.ts';

/** A request to /mcp, without its body. */
export interface McpCall {
  readonly verb: 'POST' | 'GET' | 'DELETE';
  readonly server: string;
  readonly principal: Principal;
  readonly sessionId: string | undefined;
  /** The header `MCP-Protocol-Version`. */
  readonly version: string | undefined;
  /** Whether the client takes SSE in answer to this request. */
  readonly streams: boolean;
}

export interface LegacyFaceDeps {
  readonly pool: Pool;
  readonly store: SessionStore;
  readonly ids: SessionIds;
  readonly roster: Roster;
  readonly tasks: Tasks;
}

/** The last revision whose clients may send several messages in one body. */
const LAST_BATCH_VERSION = '2025-03-26';

export class LegacyFace {
  readonly #deps: LegacyFaceDeps;
  readonly #gates = new ToolGates();
  readonly #resuming = new Map<string, Promise<Session>>();

  constructor(deps: LegacyFaceDeps) {
    this.#deps = deps;
  }

  /** Answers through `reply`, whatever happens. A large body is given away (see Tasks). */
  serve(call: McpCall, body: string | Uint8Array, reply: Reply): void {
    const served = call.verb === 'POST' ? this.#post(call, body, reply) : this.#withSession(call, reply);
    served?.catch((error: unknown) => sendError(reply, asBridgeError(error), { rpcId: null }));
  }

  #post(call: McpCall, body: string | Uint8Array, reply: Reply): Promise<void> | undefined {
    try {
      const read =
        typeof body === 'string' && isBatch(body) ? readBatch(body) : this.#deps.tasks.readMessage(body);
      if (read instanceof Promise) return read.then((message) => this.#take(call, message, reply));
      return this.#take(call, read, reply);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #take(
    call: McpCall,
    read: Message | Malformed | readonly (Message | Malformed)[],
    reply: Reply,
  ): Promise<void> | undefined {
    const session = call.sessionId === undefined ? undefined : this.#session(call, call.sessionId);
    if (session instanceof Promise) return session.then((found) => this.#deliver(call, read, found, reply));
    return this.#deliver(call, read, session, reply);
  }

  #deliver(
    call: McpCall,
    read: Message | Malformed | readonly (Message | Malformed)[],
    session: Session | undefined,
    reply: Reply,
  ): Promise<void> | undefined {
    if (Array.isArray(read)) return this.#batch(call, read, session, reply);
    const message = read as Message | Malformed;
    if (message.kind === 'malformed') {
      sendError(reply, new BridgeError(message.code, message.reason), { rpcId: message.id });
      return undefined;
    }
    const expected = message.kind === 'request' ? 1 : 0;
    const delivery = new Delivery(reply, { expected, batch: false, streams: call.streams });
    try {
      if (message.method !== 'initialize') checkVersion(call, session);
      const pool = this.#deps.pool.configured(call.server);
      const tools = this.#gates.of(pool.server.tools, call.principal.tools);
      if (message.method === 'initialize' && expected === 1 && session === undefined) {
        return this.#initialize(call, message, delivery, pool, tools);
      }
      if (session === undefined) takeStateless(message, delivery, this.#scope(call, pool), tools);
      else session.take(message, delivery);
    } catch (error) {
      delivery.fail(message.id, asBridgeError(error));
      return undefined;
    }
    if (expected === 0) reply.send(202, NO_HEADERS, '');
    return undefined;
  }

  #batch(
    call: McpCall,
    messages: readonly (Message | Malformed)[],
    session: Session | undefined,
    reply: Reply,
  ): undefined {
    const version = session?.facts.version ?? call.version ?? ASSUMED_VERSION;
    checkVersion(call, session);
    if (version > LAST_BATCH_VERSION) {
      throw new BridgeError(
        'invalid_request',
        `Revision ${version} has no batches: send one message per request.`,
      );
    }
    const pool = this.#deps.pool.configured(call.server);
    const tools = this.#gates.of(pool.server.tools, call.principal.tools);
    const expected = messages.filter(({ kind }) => kind === 'request' || kind === 'malformed').length;
    const delivery = new Delivery(reply, { expected, batch: true, streams: call.streams });
    for (const message of messages) {
      if (message.kind === 'malformed')
        delivery.fail(message.id, new BridgeError(message.code, message.reason));
      else if (message.method === 'initialize') {
        delivery.fail(
          message.id,
          new BridgeError('invalid_request', '"initialize" cannot be part of a batch.'),
        );
      } else if (session !== undefined) session.take(message, delivery);
      else takeStateless(message, delivery, this.#scope(call, pool), tools);
    }
    if (expected === 0) reply.send(202, NO_HEADERS, '');
    return undefined;
  }

  async #withSession(call: McpCall, reply: Reply): Promise<void> {
    if (call.sessionId === undefined) {
      throw new BridgeError(
        'invalid_request',
        `${call.verb} needs the header Mcp-Session-Id of an open session.`,
      );
    }
    const session = await this.#session(call, call.sessionId);
    checkVersion(call, session);
    if (call.verb === 'GET') {
      session.openStream(reply);
      return;
    }
    await this.#deps.store.end(session, 'deleted');
    reply.send(200, NO_HEADERS, '');
  }

  #initialize(
    call: McpCall,
    message: Message,
    delivery: Delivery,
    pool: ServerPool,
    tools: ToolGate,
  ): Promise<void> {
    const scope = pool.server.isolation === 'session' ? undefined : this.#scope(call, pool);
    return openSession({ message, delivery, pool, principal: call.principal.key, tools }, scope, this.#deps);
  }

  #scope({ principal }: McpCall, pool: ServerPool): Scope {
    return pool.scope(pool.server.isolation === 'shared' ? '' : principal.key);
  }

  /** Throws `session_not_found`. */
  #session(call: McpCall, id: string): Session | Promise<Session> {
    const session = this.#deps.store.find(id, call.server, call.principal.key) ?? this.#resuming.get(id);
    return session ?? this.#resume(call, id);
  }

  /** A session of a shared server is in its id: when the worker that opened it is gone, it goes on here. */
  #resume(call: McpCall, id: string): Promise<Session> {
    const { pool, store, ids, roster } = this.#deps;
    const { server } = pool.configured(call.server);
    const principal = call.principal.key;
    const version = ids.resume(id, call.server, principal);
    const opener = roster.get(workerOf(id));
    if (
      version === undefined ||
      opener !== undefined ||
      server.isolation !== 'shared' ||
      store.hasEnded(id)
    ) {
      throw new BridgeError('session_not_found', 'Session not found');
    }
    const resumed = store.reserve().then(() => {
      const tools = this.#gates.of(server.tools, call.principal.tools);
      const facts = { id, server: call.server, principal, version, tools };
      const session = new PooledSession(facts, pool.configured(call.server).scope(''));
      store.add(session);
      return session;
    });
    this.#resuming.set(id, resumed);
    return resumed.finally(() => this.#resuming.delete(id));
  }
}

/** MCP transports, "Protocol Version Header". Left out, the negotiated version counts. */
function checkVersion({ version }: McpCall, session: Session | undefined): void {
  if (version === undefined || LEGACY_VERSIONS.includes(version) || version === session?.facts.version)
    return;
  throw new BridgeError(
    'invalid_request',
    `MCP-Protocol-Version "${version}" is not supported here; supported are ${LEGACY_VERSIONS.join(', ')}.`,
  );
}
