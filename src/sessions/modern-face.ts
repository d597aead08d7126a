/**
 * What a client of MCP 2026-07-28 meets at /mcp, in the worker that owns the child it needs: every request stands
 * for itself. A server of the same era gets it as it is; what a legacy server cannot say is said for it.
 */
import { asBridgeError, BridgeError } from '../errors.ts';
import { NO_HEADERS, type Reply } from '../http/reply.ts';
import { type Child, NOBODY } from '../pool/child.ts';
import type { Pool } from '../pool/pool.ts';
import type { Scope } from '../pool/scope.ts';
import type { ServerPool } from '../pool/server-pool.ts';
import type { Message } from '../protocol/message.ts';
import { needsOwnChild } from '../protocol/methods.ts';
import { withRequestState } from '../protocol/modern-envelope.ts';
import { TASKS_KEY } from '../protocol/modern-keys.ts';
import { checkModernRequest, type ModernRequest } from '../protocol/modern-request.ts';
import { discoverResult } from '../protocol/modern-result.ts';
import { checkParamHeaders } from '../protocol/param-headers.ts';
import type { ToolGate } from '../protocol/tool-gate.ts';
import { CarriedRequest } from './carried-request.ts';
import { Delivery } from './delivery.ts';
import { Listen } from './listen.ts';
import type { McpCall } from './mcp-call.ts';
import { ModernClientRequest } from './modern-answer.ts';
import { ParkedCalls, type ParkedCallsDeps } from './parked-calls.ts';
import { Places } from './places.ts';
import { MAX_QUESTIONS } from './questions.ts';
import {
  type CallState,
  type CarriedState,
  callDigest,
  invalidState,
  isCarried,
  statesIn,
} from './request-state.ts';
import type { ToolGates } from './tool-gates.ts';
import type { ToolFacts, ToolTables } from './tool-table.ts';

export interface ModernFaceDeps extends ParkedCallsDeps {
  readonly pool: Pool;
  readonly gates: ToolGates;
  readonly tables: ToolTables;
}

const MAX_LISTENS = 1_024;

/** Methods in whose course a server may ask its client something. */
const ASKING = new Set(['tools/call', 'prompts/get', 'resources/read']);

export class ModernFace {
  readonly #deps: ModernFaceDeps;
  readonly #parked: ParkedCalls;
  readonly #listens = new Set<Listen>();
  readonly #places = new Places(MAX_LISTENS, 'listens');

  constructor(deps: ModernFaceDeps) {
    this.#deps = deps;
    this.#parked = new ParkedCalls(deps);
  }

  /** Answers through `reply`, whatever happens. */
  take(call: McpCall, message: Message, reply: Reply): void {
    if (message.kind !== 'request') {
      reply.send(202, NO_HEADERS, '');
      return;
    }
    const delivery = new Delivery(reply, {
      expected: 1,
      batch: false,
      streams: call.streams,
      lane: call.principal.key,
    });
    try {
      const request = checkModernRequest(message, {
        version: call.version,
        method: call.mcpMethod,
        name: call.mcpName,
      });
      this.#serve(call, message, request, delivery)?.catch((error: unknown) =>
        delivery.fail(message.id, asBridgeError(error)),
      );
    } catch (error) {
      delivery.fail(message.id, asBridgeError(error));
    }
  }

  /** The worker that holds the call which a request continues; undefined when it continues none. */
  ownerOf(body: string | Uint8Array): string | undefined {
    for (const text of statesIn(body)) {
      const state = this.#deps.states.open(text);
      if (state !== undefined && !isCarried(state)) return state.worker;
    }
    return undefined;
  }

  closeStreams(): void {
    for (const listen of this.#listens) listen.end();
    this.#listens.clear();
  }

  #serve(
    call: McpCall,
    message: Message,
    request: ModernRequest,
    delivery: Delivery,
  ): Promise<void> | undefined {
    const pool = this.#deps.pool.configured(call.server);
    const tools = this.#deps.gates.of(pool.server.tools, call.principal.tools);
    if (message.method === 'tools/call' && !tools.allows(message.target)) {
      throw new BridgeError('tool_not_allowed', `Unknown tool: ${message.target}`);
    }
    const asked: Asked = { call, pool, message, request, delivery, tools };
    const { requestState } = request;
    if (requestState !== undefined && ASKING.has(message.method)) {
      const state = this.#deps.states.open(requestState);
      if (state === undefined || !isOf(state, asked)) throw invalidState();
      if (!isCarried(state)) {
        this.#parked.resume(state, message, request, delivery);
        return undefined;
      }
      return this.#carry({ ...asked, message: withRequestState(message, state.inner) });
    }
    const modern = pool.speaksModern();
    if (modern instanceof Promise) return modern.then((yes) => this.#begin(asked, yes));
    return this.#begin(asked, modern);
  }

  #begin(asked: Asked, isModern: boolean): Promise<void> | undefined {
    const { message, request, delivery } = asked;
    const scope = scopeOf(asked, isModern);
    if (message.method === 'server/discover')
      return isModern ? this.#carry(asked) : discover(message, scope, delivery);
    if (needsOwnChild(message.method)) return this.#carryOfTask(asked, isModern);
    if (message.method === 'subscriptions/listen') {
      return this.#listen(message, scope, { delivery, principal: asked.call.principal.key });
    }
    if (isModern && (request.logLevel === undefined || hasTasks(request.capabilities)))
      return this.#carry(asked);
    if (isModern) return this.#carryAlone(asked);
    if (ASKING.has(message.method)) {
      if (hasAny(request.capabilities) && hasAny(toldOf(request.capabilities)))
        return this.#startAsking(asked);
      if (request.logLevel !== undefined) return this.#callWithLogs(asked, scope);
    }
    return this.#call(asked, scope);
  }

  /** Log messages do not say which request they are of: where there may be some, the call gets a child of its own. */
  async #callWithLogs(asked: Asked, scope: Scope): Promise<void> {
    const { capabilities } = await scope.facts();
    return capabilities['logging'] === undefined ? this.#call(asked, scope) : this.#startAsking(asked);
  }

  /** To a child of a legacy server that several clients use. */
  #call(asked: Asked, scope: Scope): Promise<void> | undefined {
    const { message, delivery, tools } = asked;
    const forwarded = new ModernClientRequest(message, delivery, tools);
    const child = scope.acquire();
    if (!(child instanceof Promise)) return this.#send(asked, child, forwarded);
    // Nobody knew of a modern one before it refused `initialize`.
    return child.then((started) =>
      this.#send(asked, started, started.era === 'modern' ? this.#carried(asked) : forwarded),
    );
  }

  /** To a child of the modern era that several clients use. */
  #carry(asked: Asked): Promise<void> | undefined {
    const request = this.#carried(asked);
    const child = scopeOf(asked, true).acquire();
    if (child instanceof Promise) return child.then((started) => this.#send(asked, started, request));
    return this.#send(asked, child, request);
  }

  /** Tasks live in one child: where several may be meant there are none. */
  #carryOfTask(asked: Asked, isModern: boolean): Promise<void> | undefined {
    if (isModern && hasOneHome(asked.pool)) return this.#carry(asked);
    const sentence = `Server "${asked.pool.server.name}" has no tasks for clients of this revision.`;
    throw new BridgeError('unknown_method', sentence);
  }

  /** Sends a request whose headers repeat its arguments where the tool wants it. */
  #send(
    asked: Asked,
    child: Child,
    request: CarriedRequest | ModernClientRequest,
  ): Promise<void> | undefined {
    try {
      const checked = this.#checkParams(asked, child);
      if (checked === undefined) request.sendTo(child);
      return checked?.then(
        () => request.sendTo(child),
        (error: unknown) => request.failed(asBridgeError(error)),
      );
    } catch (error) {
      request.failed(asBridgeError(error));
      return undefined;
    }
  }

  /** Throws, or rejects with, `header_mismatch`. */
  #checkParams(asked: Asked, child: Child): Promise<void> | undefined {
    const { call, message, request } = asked;
    if (message.method !== 'tools/call' || message.target === undefined) return undefined;
    const table = this.#deps.tables.of(scopeOf(asked, child.era === 'modern'));
    const check = (tool: ToolFacts | undefined): void => {
      if (tool !== undefined && tool.headers.length > 0)
        checkParamHeaders(tool.headers, request.params['arguments'], call.mcpParams ?? {});
    };
    const tool = table.find(child, message.target);
    if (tool instanceof Promise) return tool.then(check);
    check(tool);
    return undefined;
  }

  /** A server on stdio does not say which request a log message is of: this child has one at a time. */
  async #carryAlone(asked: Asked): Promise<void> {
    const { call, pool, delivery } = asked;
    const key = JSON.stringify([call.principal.key, 'logs']);
    const child = await pool.borrowModern(key, NOBODY);
    child.owner = {
      received: (message) => {
        if (message.method === 'notifications/message') delivery.event(message.text);
      },
      closed: () => undefined,
    };
    await this.#send(
      asked,
      child,
      this.#carried(asked, () => pool.giveBack(key, child)),
    );
  }

  #carried({ call, pool, message, request, delivery, tools }: Asked, over?: () => void): CarriedRequest {
    const { states } = this.#deps;
    const carry = (inner: string): string => {
      const digest = callDigest(message.method, request.params);
      return states.seal({ inner, principal: call.principal.key, server: call.server, digest });
    };
    return new CarriedRequest({ message, delivery, tools, hidesTasks: !hasOneHome(pool), carry, over });
  }

  async #listen(
    message: Message,
    scope: Scope,
    { delivery, principal }: { readonly delivery: Delivery; readonly principal: string },
  ): Promise<void> {
    if (!delivery.canStream) {
      throw new BridgeError(
        'not_acceptable',
        '"subscriptions/listen" is answered with text/event-stream only.',
      );
    }
    this.#places.take(principal);
    let listen: Listen;
    try {
      const facts = await scope.facts();
      const left = (over: Listen): void => {
        this.#listens.delete(over);
        this.#places.free(principal);
      };
      listen = new Listen({ scope, message, delivery, facts, left });
    } catch (error) {
      this.#places.free(principal);
      throw error;
    }
    if (listen.isOver) return; // its client is gone already
    this.#listens.add(listen);
    await listen.acknowledge();
  }

  /** To a child of a legacy server that is the client's alone for the call, because it may be asked something. */
  async #startAsking(asked: Asked): Promise<void> {
    const { call, pool, message, request, delivery } = asked;
    this.#parked.checkRoom(call.principal.key);
    const capabilities = toldOf(request.capabilities);
    const key = JSON.stringify([call.principal.key, capabilities]);
    const early: Message[] = [];
    const child = await pool.borrow(key, capabilities, {
      received(said, from) {
        if (said.kind === 'request' && said.method === 'ping') from.answerPing(said);
        else if (early.length < MAX_QUESTIONS) early.push(said);
      },
      closed: () => undefined,
    });
    const giveBack = (): void => pool.giveBack(key, child);
    if (child.era === 'modern') {
      await this.#send(asked, child, this.#carried(asked, giveBack));
      return;
    }
    try {
      await this.#checkParams(asked, child);
      if (request.logLevel !== undefined && child.facts?.capabilities['logging'] !== undefined) {
        await child.ask('logging/setLevel', { level: request.logLevel });
      }
    } catch (error) {
      giveBack();
      throw error;
    }
    this.#parked.start({ call, message, request, capabilities, delivery, child, early, over: giveBack });
  }
}

/** One request, and all that its way depends on. */
interface Asked {
  readonly call: McpCall;
  readonly pool: ServerPool;
  readonly message: Message;
  readonly request: ModernRequest;
  readonly delivery: Delivery;
  readonly tools: ToolGate;
}

/** Whether a state was given for this very call of this very caller. */
const isOf = (state: CallState | CarriedState, { call, message, request }: Asked): boolean =>
  state.principal === call.principal.key &&
  state.server === call.server &&
  state.digest === callDigest(message.method, request.params);

function scopeOf({ call, pool }: Asked, isModern: boolean): Scope {
  const key = pool.server.isolation === 'shared' ? '' : call.principal.key;
  return isModern ? pool.modernScope(key) : pool.scope(key);
}

/** Whether all requests of a principal meet the same child. */
const hasOneHome = ({ server: { isolation, instances } }: ServerPool): boolean =>
  isolation !== 'shared' || instances === 1;

const hasTasks = ({ extensions }: Readonly<Record<string, unknown>>): boolean =>
  typeof extensions === 'object' && extensions !== null && TASKS_KEY in extensions;

async function discover(message: Message, scope: Scope, delivery: Delivery): Promise<void> {
  const result = discoverResult(await scope.facts());
  delivery.answer(`{"jsonrpc":"2.0","id":${message.id},"result":${result}}`);
}

/** What a legacy server is told that the client can do: all but tasks, which are others in its era. */
function toldOf({ tasks: _tasks, ...capabilities }: ModernRequest['capabilities']): Record<string, unknown> {
  const { extensions, ...others } = capabilities;
  if (extensions === undefined) return others;
  const { [TASKS_KEY]: _extension, ...kept } = extensions as Record<string, unknown>;
  return hasAny(kept) ? { ...others, extensions: kept } : others;
}

function hasAny(members: object): boolean {
  for (const _ in members) return true;
  return false;
}
