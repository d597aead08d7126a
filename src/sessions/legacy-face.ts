/**
 * What a client of the legacy revisions meets at /mcp, in the worker that owns the session or the pooled child.
 * The HTTP side has been checked before, perhaps by another worker; nothing here is forwarded again.
 *
 * MCP transports 2024-11-05 to 2025-11-25, "Streamable HTTP".
 */
import { asBridgeError, BridgeError } from '../errors.ts';
import { NO_HEADERS, type Reply } from '../http/reply.ts';
import type { Pool } from '../pool/pool.ts';
import type { Scope } from '../pool/scope.ts';
import type { Message } from '../protocol/message.ts';
import type { Malformed } from '../protocol/read-message.ts';
import type { ToolGate } from '../protocol/tool-gate.ts';
import { ASSUMED_VERSION, LEGACY_VERSIONS } from '../protocol/versions.ts';
import { Delivery } from './delivery.ts';
import type { EndedSessions } from './ended-sessions.ts';
import type { EventStreams } from './event-streams.ts';
import { isModernCall, type McpCall } from './mcp-call.ts';
import { openSession, type Target } from './opening.ts';
import { PooledSession } from './pooled-session.ts';
import { takeStateless } from './scope-requests.ts';
import type { Session } from './session.ts';
import { isResumable, type SessionIds } from './session-id.ts';
import { goesOn, type SessionStore } from './store.ts';
import type { ToolGates } from './tool-gates.ts';
import type { ToolTables } from './tool-table.ts';

export interface LegacyFaceDeps {
  readonly pool: Pool;
  readonly store: SessionStore;
  readonly ids: SessionIds;
  readonly gates: ToolGates;
  readonly tables: ToolTables;
  readonly ended: EndedSessions;
}

/** The last revision whose clients may send several messages in one body. */
const LAST_BATCH_VERSION = '2025-03-26';

export class LegacyFace {
  readonly #deps: LegacyFaceDeps;
  readonly #resuming = new Map<string, Promise<Session>>();

  constructor(deps: LegacyFaceDeps) {
    this.#deps = deps;
  }

  /** One message of a POST. Rejects, or throws, with a BridgeError that is to be answered without an id. */
  take(call: McpCall, message: Message, reply: Reply): Promise<void> | undefined {
    const session = this.#sessionOf(call);
    if (session instanceof Promise)
      return session.then((found) => this.#deliver(call, message, found, reply));
    return this.#deliver(call, message, session, reply);
  }

  /** A batch of 2025-03-26; likewise. */
  async takeBatch(call: McpCall, messages: readonly (Message | Malformed)[], reply: Reply): Promise<void> {
    this.#batch(call, messages, await this.#sessionOf(call), reply);
  }

  /** GET and DELETE; likewise. */
  async withSession(call: McpCall, reply: Reply): Promise<void> {
    if (call.sessionId === undefined) {
      throw new BridgeError(
        'invalid_request',
        `${call.verb} needs the header Mcp-Session-Id of an open session.`,
      );
    }
    const session = await this.#session(call, call.sessionId);
    checkVersion(call, session);
    if (call.verb === 'GET') {
      session.openStream(reply, { lastEventId: call.lastEventId, plain: call.isOneStream === true });
      return;
    }
    const { store, ended } = this.#deps;
    const { id } = session.facts;
    await Promise.all([store.end(session, 'deleted'), isResumable(id) && ended.add(id)]);
    reply.send(200, NO_HEADERS, '');
  }

  #sessionOf(call: McpCall): Session | Promise<Session> | undefined {
    return call.sessionId === undefined ? undefined : this.#session(call, call.sessionId);
  }

  #deliver(
    call: McpCall,
    message: Message,
    session: Session | undefined,
    reply: Reply,
  ): Promise<void> | undefined {
    const expected = message.kind === 'request' ? 1 : 0;
    const delivery = new Delivery(reply, {
      expected,
      batch: false,
      streams: call.streams,
      lane: laneOf(call),
      events: eventsOf(call, session),
      request: message.id,
    });
    try {
      // Of what has a modern header only responses come here, and belong to no session.
      if (message.method !== 'initialize' && !isModernCall(call)) checkVersion(call, session);
      const tools = this.#tools(call, session);
      if (message.method === 'initialize' && expected === 1 && session === undefined) {
        return this.#initialize(call, message, delivery, tools);
      }
      if (session === undefined) takeStateless(message, delivery, this.#scope(call), tools);
      else session.take(message, delivery, tools);
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
  ): void {
    const version = session?.facts.version ?? call.version ?? ASSUMED_VERSION;
    checkVersion(call, session);
    if (version > LAST_BATCH_VERSION) {
      throw new BridgeError(
        'invalid_request',
        `Revision ${version} has no batches: send one message per request.`,
      );
    }
    const tools = this.#tools(call, session);
    const expected = messages.filter(({ kind }) => kind === 'request' || kind === 'malformed').length;
    const delivery = new Delivery(reply, {
      expected,
      batch: true,
      streams: call.streams,
      lane: laneOf(call),
      events: eventsOf(call, session),
    });
    for (const message of messages) {
      if (message.kind === 'malformed')
        delivery.fail(message.id, new BridgeError(message.code, message.reason));
      else if (message.method === 'initialize') {
        delivery.fail(
          message.id,
          new BridgeError('invalid_request', '"initialize" cannot be part of a batch.'),
        );
      } else if (session !== undefined) session.take(message, delivery, tools);
      else takeStateless(message, delivery, this.#scope(call), tools);
    }
    if (expected === 0) reply.send(202, NO_HEADERS, '');
  }

  #initialize(call: McpCall, message: Message, delivery: Delivery, tools: ToolGate): Promise<void> {
    const target = (): Target => {
      const pool = this.#deps.pool.configured(call.server);
      return pool.server.isolation === 'session' ? { pool } : { pool, scope: this.#scope(call) };
    };
    return openSession({ message, delivery, principal: call.principal.key, tools, target }, this.#deps);
  }

  #scope({ server, principal }: McpCall): Scope {
    const pool = this.#deps.pool.configured(server);
    return pool.scope(pool.server.isolation === 'shared' ? '' : principal.key);
  }

  /** A session outlives the removal of its server, but no tool outlives its own. Throws `unknown_server`. */
  #tools({ server, principal }: McpCall, session: Session | undefined): ToolGate {
    const { pool, gates } = this.#deps;
    const known = session === undefined ? undefined : pool.definition(server);
    return gates.of((known ?? pool.configured(server).server).tools, principal.tools);
  }

  /** Throws `session_not_found`. */
  #session(call: McpCall, id: string): Session | Promise<Session> {
    const session = this.#deps.store.find(id, call.server, call.principal.key) ?? this.#resuming.get(id);
    return session ?? this.#resume(call, id);
  }

  /** A session of a shared server is in its id: when the worker that opened it goes or is gone, it goes on here. */
  #resume(call: McpCall, id: string): Promise<Session> {
    const { pool, store, ids, ended } = this.#deps;
    const { server } = pool.configured(call.server);
    const principal = call.principal.key;
    const version = ids.resume(id, call.server, principal);
    const isNone = version === undefined || server.isolation !== 'shared' || ended.has(id);
    if (!isNone && store.isClosed) throw goesOn();
    if (isNone || ids.isOwn(id)) throw new BridgeError('session_not_found', 'Session not found');
    const resumed = store.reserve(principal).then(() => {
      const facts = { id, server: call.server, principal, version };
      const session = new PooledSession(facts, pool.configured(call.server).scope(''), store.shelf);
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
    `MCP-Protocol-Version "${version.slice(0, 40)}" is not supported here; supported are ${LEGACY_VERSIONS.join(', ')}.`,
  );
}

/** Over HTTP+SSE nobody comes back: the session ends with its stream. */
const eventsOf = ({ isOneStream }: McpCall, session: Session | undefined): EventStreams | undefined =>
  isOneStream === true ? undefined : session?.streams;

const laneOf = ({ sessionId, principal }: McpCall): string => sessionId ?? principal.key;
