/**
 * POST, GET and DELETE /mcp/:serverId, the HTTP side: checks what can be checked before anybody owns the call.
 */
import type { Settings } from '../config/settings.ts';
import { BridgeError } from '../errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Gate } from '../http/gate.ts';
import type { Principal } from '../http/principal.ts';
import { RPC_WITHOUT_ID } from '../http/send-error.ts';
import { PARAM_PREFIX } from '../protocol/param-headers.ts';
import { isModernVersion } from '../protocol/versions.ts';
import type { McpCall } from '../sessions/mcp-call.ts';
import { admit, readAdmitted, whenKnown } from './admission.ts';
import type { Dispatch } from './mcp-dispatch.ts';
import { checkContentType, notAcceptable, readAccept, traceOfHeaders } from './negotiation.ts';
import { decodeParameter, type Route } from './router.ts';

export interface McpRouteDeps {
  readonly settings: Settings;
  readonly gate: Gate;
  readonly dispatch: Dispatch;
  /** Told of GET streams, which a draining worker does not wait for. */
  readonly streamOpened: (exchange: Exchange) => void;
}

export function createMcpRoute({ settings, gate, dispatch, streamOpened }: McpRouteDeps): Route {
  const rules = { maxBytes: settings.maxBodyBytes, shape: RPC_WITHOUT_ID };

  return {
    label: '/mcp/:serverId',
    methods: ['POST', 'GET', 'DELETE'],
    shape: RPC_WITHOUT_ID,

    handle(exchange, parameter) {
      const { headers, method } = exchange.request;
      const principal = gate.authenticate(exchange.request);
      const accepted = readAccept(headers);
      const version = headers.protocolVersion;
      const isModern = version !== undefined && isModernVersion(version);
      const callOf = (known: Principal): McpCall => ({
        verb: method as McpCall['verb'],
        server: admit(decodeParameter(parameter), known),
        principal: known,
        // Sessions ended with the legacy revisions; a modern client that still sends an id means nothing by it.
        sessionId: isModern ? undefined : headers.sessionId,
        version,
        mcpMethod: headers.mcpMethod,
        mcpName: headers.mcpName,
        mcpParams: isModern ? headers.startingWith(PARAM_PREFIX) : undefined,
        trace: traceOfHeaders(headers),
        lastEventId: method === 'GET' ? headers.other('last-event-id') : undefined,
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
      if (isModern) {
        throw new BridgeError(
          'method_not_allowed',
          `Revision ${version} has nothing but POST; found ${method}.`,
          {
            headers: [['Allow', 'POST']],
          },
        );
      }
      if (method === 'GET' && !accepted.sse) throw notAcceptable(headers, 'text/event-stream');
      if (method === 'GET') streamOpened(exchange);
      return whenKnown(principal, (known) => dispatch(callOf(known), '', exchange));
    },
  };
}
