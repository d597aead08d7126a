/**
 * POST /bridge: one request in, the result object itself out. The client behind it is a pooled child, kept for
 * CLIENT_CACHE_TTL_MS; everything else is stateless.
 */

import type { Settings } from '../config/settings.ts';
import { asBridgeError, BridgeError, RPC } from '../errors.ts';
import type { Gate } from '../http/gate.ts';
import { type Principal, principalFromWire } from '../http/principal.ts';
import { JSON_HEADERS, type Reply } from '../http/reply.ts';
import { sendError } from '../http/send-error.ts';
import type { Logger } from '../log.ts';
import type { Child } from '../pool/child.ts';
import type { Pool } from '../pool/pool.ts';
import { type Message, parsePayload, payloadOf } from '../protocol/message.ts';
import { needsOwnChild, needsSession } from '../protocol/methods.ts';
import type { ToolGate } from '../protocol/tool-gate.ts';
import { textOf } from '../protocol/utf8.ts';
import type { Relay } from '../shard/relay.ts';
import type { Asker, Connection } from '../upstream/connection.ts';
import { readAdmitted, relayedBody } from './admission.ts';
import { type BridgeCall, readBridgeCall } from './bridge-call.ts';
import { checkTool, resolveBridgeCall } from './bridge-policy.ts';
import { checkContentType } from './negotiation.ts';
import type { Placement } from './placement.ts';
import type { Route } from './router.ts';

export interface BridgeRouteDeps {
  /** Those of this moment: a reload changes what may run. */
  readonly settings: () => Settings;
  /** Where ad-hoc commands run. */
  readonly cwd: string;
  readonly gate: Gate;
  readonly pool: Pool;
  readonly relay: Relay;
  readonly placement: Placement;
  readonly log: Logger;
}

interface WireHead {
  readonly principal: string;
  readonly address: string;
}

export function createBridgeRoute(deps: BridgeRouteDeps): Route {
  const { settings, cwd, gate, pool, relay, placement, log } = deps;
  const principals = new Map<string, Principal>();

  /** Throws BridgeError for what is refused before a child is asked. */
  const serve = (
    text: string,
    principal: Principal,
    address: string,
    reply: Reply,
    mayForward: boolean,
  ): void => {
    const call = readBridgeCall(text);
    const { server, adhoc, tools } = resolveBridgeCall(call, principal, { settings: settings(), cwd });
    checkTool(call, tools);
    const owner = mayForward ? placement.ofScope(server, principal.key) : undefined;
    if (owner !== undefined) {
      const head = JSON.stringify({ principal: principal.wire, address } satisfies WireHead);
      const lost = (served: boolean): void => {
        if (served)
          sendError(
            reply,
            new BridgeError('worker_died', 'The worker that had this call in hand died.'),
            'http',
          );
        else attempt(reply, () => serve(text, principal, address, reply, false));
      };
      relay.forward(owner, 'bridge', { head, body: text, reply, lost });
      return;
    }
    if (adhoc && !pool.hasAdhoc(server.name)) {
      const { serverPath, args, env } = call;
      const variables = Object.keys(env);
      log.info(
        {
          audit: 'adhoc',
          principal: principal.key,
          address,
          serverPath,
          args,
          variables,
          requestId: reply.requestId,
        },
        'an ad-hoc server is used',
      );
    }
    const serverPool = adhoc ? pool.adhoc(server) : pool.configured(server.name);
    const scope = serverPool.scope(serverPool.server.isolation === 'shared' ? '' : principal.key);
    run(call, scope.acquire(), tools, reply);
  };

  // The owner applies the policy again: it trusts the asking worker for who asks, not for what may run.
  relay.register('bridge', (head, body, reply) => {
    const { principal, address } = JSON.parse(head) as WireHead;
    const text = asText(relayedBody(body));
    attempt(reply, () => serve(text, principalFromWire(principal, principals), address, reply, false));
  });

  const { maxBodyBytes: maxBytes } = settings();

  return {
    label: '/bridge',
    methods: ['POST'],
    shape: 'http',

    handle(exchange) {
      const { request } = exchange;
      const principal = gate.authenticate(request);
      const address = gate.clientAddress(request);
      checkContentType(request.headers);
      return readAdmitted(exchange, principal, { maxBytes, shape: 'http' }, (known, body) => {
        if (!known.bridge) throw new BridgeError('bridge_not_allowed', 'This token may not use /bridge.');
        serve(asText(body), known, address, exchange, true);
      });
    },
  };
}

function attempt(reply: Reply, action: () => void): void {
  try {
    action();
  } catch (error) {
    sendError(reply, asBridgeError(error), 'http');
  }
}

function asText(body: string | Uint8Array): string {
  return typeof body === 'string' ? body : textOf(body);
}

function run(call: BridgeCall, child: Child | Promise<Child>, tools: ToolGate, reply: Reply): void {
  const { method } = call.message;
  if (needsSession(method) || needsOwnChild(method)) {
    throw new BridgeError('invalid_request', `"${method}" needs a session; use /mcp/<server> for it.`);
  }
  const request = new BridgeRequest(call.message, tools, reply);
  if (child instanceof Promise) {
    child.then(
      (ready) => request.sendTo(ready),
      (error: unknown) => request.failed(asBridgeError(error)),
    );
  } else request.sendTo(child);
}

/** The one request of a call; its answer is the result object, without an envelope. */
class BridgeRequest implements Asker {
  readonly #message: Message;
  readonly #tools: ToolGate;
  readonly #reply: Reply;

  constructor(message: Message, tools: ToolGate, reply: Reply) {
    this.#message = message;
    this.#tools = tools;
    this.#reply = reply;
  }

  sendTo(child: Child): void {
    const { method } = this.#message;
    if (method === 'ping') this.#reply.send(200, JSON_HEADERS, '{}');
    else if (method === 'initialize') this.#reply.send(200, JSON_HEADERS, JSON.stringify(child.facts));
    else this.#send(child.connection);
  }

  answered(answer: Message): void {
    if (answer.kind === 'error') {
      this.failed(asHttpError(parsePayload(answer)));
    } else if (this.#message.method === 'tools/list' && !this.#tools.isOpen) {
      this.#reply.send(200, JSON_HEADERS, JSON.stringify(this.#tools.filterList(parsePayload(answer))));
    } else {
      this.#reply.send(200, JSON_HEADERS, payloadOf(answer) ?? '{}');
    }
  }

  progressed(): void {
    // There is no stream to show it on; it has kept the deadline from passing.
  }

  failed(error: BridgeError): void {
    sendError(this.#reply, error, 'http');
  }

  #send(connection: Connection): void {
    try {
      const id = connection.request(this.#message, this);
      // Nobody can fetch the answer later.
      this.#reply.onAbort(() => connection.cancel(id, 'the client disconnected'));
    } catch (error) {
      this.failed(asBridgeError(error));
    }
  }
}

/** The server's own JSON-RPC error, as HTTP has it. */
function asHttpError(rpc: Record<string, unknown>): BridgeError {
  const code =
    rpc['code'] === RPC.methodNotFound
      ? 'unknown_method'
      : rpc['code'] === RPC.invalidParams
        ? 'invalid_params'
        : 'server_error';
  return new BridgeError(code, `The server answered with an error: ${String(rpc['message'])}`, { rpc });
}
