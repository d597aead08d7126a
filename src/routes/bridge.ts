/**
 * POST /bridge: one request in, the result object itself out. The client behind it is a pooled child, kept for
 * CLIENT_CACHE_TTL_MS; everything else is stateless.
 */
import { maskArguments } from '../config/mask.ts';
import type { Settings } from '../config/settings.ts';
import { asBridgeError, BridgeError } from '../errors.ts';
import type { Gate } from '../http/gate.ts';
import { type Principal, principalFromWire } from '../http/principal.ts';
import type { Reply } from '../http/reply.ts';
import { sendError } from '../http/send-error.ts';
import type { Logger } from '../log.ts';
import type { Pool } from '../pool/pool.ts';
import { type BridgeCall, readBridgeCall } from '../protocol/bridge-call.ts';
import { needsOwnChild, needsSession } from '../protocol/methods.ts';
import { type Trace, traced } from '../protocol/trace.ts';
import type { Relay } from '../shard/relay.ts';
import type { Tasks } from '../tasks.ts';
import { readAdmitted, relayedBody } from './admission.ts';
import { checkTool } from './bridge-policy.ts';
import { BridgeRequest } from './bridge-request.ts';
import { BridgeResolutions } from './bridge-resolutions.ts';
import { checkContentType, traceOfHeaders } from './negotiation.ts';
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
  readonly tasks: Tasks;
  readonly log: Logger;
}

/** One call: what was sent, by whom, from where, in the course of what, and who gets the answer. */
interface Asked {
  /** Bytes when it is large. */
  readonly body: string | Uint8Array;
  readonly principal: Principal;
  /**
   * Of the client. Asked for when somebody wants to know, because few calls start anything; and before there is
   * something to wait for, because nobody has the address of a client who has gone.
   */
  readonly address: () => string;
  readonly trace: Trace | undefined;
  readonly reply: Reply;
  /** Whether another worker may serve it. */
  readonly mayForward: boolean;
}

/** The head of a relayed call. */
interface WireHead {
  readonly principal: string;
  readonly address: string;
  readonly trace: Trace | undefined;
}

export function createBridgeRoute(deps: BridgeRouteDeps): Route {
  const { settings, cwd, gate, pool, relay, placement, tasks, log } = deps;
  const principals = new Map<string, Principal>();
  const resolutions = new BridgeResolutions(cwd);

  // Whatever LOG_LEVEL is: who made the bridge start something is to be found afterwards.
  const auditLog = log.child({ audit: 'adhoc' }, { level: 'info' });

  /** Names, and no values: neither of variables nor of what may be secret in arguments and URLs. */
  const audit = (
    { serverPath, args, env }: BridgeCall,
    principal: string,
    address: string,
    requestId: string,
  ): void => {
    const command = maskArguments([serverPath, ...args]);
    const variables = Object.keys(env);
    auditLog.info({ principal, address, command, variables, requestId }, 'an ad-hoc server is started');
  };

  /** Throws BridgeError for what is refused before a child is asked; a large call is read in a thread before. */
  const serve = (asked: Asked): void => {
    const { body, reply } = asked;
    if (typeof body === 'string') {
      serveCall(readBridgeCall(body), asked);
      return;
    }
    asked.address();
    tasks.readBridgeCall(body).then(
      (read) => attempt(reply, () => serveCall(read.call, { ...asked, body: read.body })),
      (error: unknown) => sendError(reply, asBridgeError(error), 'http'),
    );
  };

  const serveCall = (call: BridgeCall, asked: Asked): void => {
    const { body, principal, address, trace, reply } = asked;
    const { server, adhoc, tools } = resolutions.resolve(call, principal, settings());
    checkTool(call, tools);
    checkMethod(call);
    const owner = asked.mayForward ? placement.ofScope(server, principal.key) : undefined;
    if (owner !== undefined) {
      const wire: WireHead = { principal: principal.wire, address: address(), trace };
      const lost = (served: boolean): void => {
        if (served)
          sendError(
            reply,
            new BridgeError('worker_died', 'The worker that had this call in hand died.'),
            'http',
          );
        else attempt(reply, () => serveCall(call, { ...asked, mayForward: false }));
      };
      relay.forward(owner, 'bridge', { head: JSON.stringify(wire), body, reply, lost });
      return;
    }
    const serverPool = adhoc ? pool.adhoc(server) : pool.configured(server.name);
    const scope = serverPool.scope(serverPool.server.isolation === 'shared' ? '' : principal.key);
    if (adhoc && scope.wouldStart) audit(call, principal.key, address(), reply.requestId);
    const message = trace === undefined ? call.message : traced(call.message, trace);
    new BridgeRequest({ message, tools, reply, lane: principal.key }).sendTo(scope.acquire());
  };

  // The owner applies the policy again: it trusts the asking worker for who asks, not for what may run.
  relay.register('bridge', (head, body, reply) => {
    const { address, trace, ...wire } = JSON.parse(head) as WireHead;
    const principal = principalFromWire(wire.principal, principals);
    attempt(reply, () =>
      serve({
        body: relayedBody(body),
        principal,
        address: () => address,
        trace,
        reply,
        mayForward: false,
      }),
    );
  });

  const { maxBodyBytes: maxBytes } = settings();

  return {
    label: '/bridge',
    methods: ['POST'],
    shape: 'http',

    handle(exchange) {
      const { request } = exchange;
      const principal = gate.authenticate(request);
      const address = (): string => gate.clientAddress(request);
      if (principal instanceof Promise) address();
      const trace = traceOfHeaders(request.headers);
      checkContentType(request.headers);
      return readAdmitted(exchange, principal, { maxBytes, shape: 'http' }, (known, body) => {
        if (!known.bridge) {
          const headers = gate.scopeChallenge(request, known);
          throw new BridgeError('bridge_not_allowed', 'This token may not use /bridge.', { headers });
        }
        serve({ body, principal: known, address, trace, reply: exchange, mayForward: true });
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

/** Throws `invalid_request` for what leaves something behind for later calls: there is no session here to keep it. */
function checkMethod({ message: { method } }: BridgeCall): void {
  if (method === 'subscriptions/listen') {
    throw new BridgeError(
      'invalid_request',
      `"${method}" is answered with a stream; use /mcp/<server> for it.`,
    );
  }
  if (!needsSession(method) && !needsOwnChild(method)) return;
  throw new BridgeError('invalid_request', `"${method}" needs a session; use /mcp/<server> for it.`);
}
