/**
 * Requests to children that several clients share: sent at once when a child is ready, else when it has started.
 */
import { asBridgeError, BridgeError } from '../errors.ts';
import type { Child } from '../pool/child.ts';
import type { Scope } from '../pool/scope.ts';
import type { Message } from '../protocol/message.ts';
import { isModernOnly, needsOwnChild, needsSession } from '../protocol/methods.ts';
import { NO_CAPABILITIES } from '../protocol/modern-envelope.ts';
import type { ToolGate } from '../protocol/tool-gate.ts';
import { ClientRequest } from './client-request.ts';
import type { Delivery } from './delivery.ts';
import { TranslatedCall } from './translated-call.ts';

/** Never throws: what goes wrong is delivered as the request's answer. */
export function askScope(scope: Scope, request: ClientRequest): void {
  const { method } = request.message;
  if (method === 'ping') {
    request.answerWith('{}');
    return;
  }
  if (needsOwnChild(method)) {
    request.failed(
      new BridgeError('unknown_method', `"${method}" is not offered where children are shared.`),
    );
    return;
  }
  if (isModernOnly(method)) {
    request.failed(new BridgeError('unknown_method', `"${method}" is no request of this revision.`));
    return;
  }
  acquireFor(scope, request);
}

function acquireFor(scope: Scope, request: ClientRequest): void {
  const child = scope.acquire();
  if (child instanceof Promise) {
    child.then(
      (started) => sendTo(started, request),
      (error: unknown) => request.failed(asBridgeError(error)),
    );
  } else {
    sendTo(child, request);
  }
}

/** A server that refuses the handshake of this client's era is spoken to in its own. */
function sendTo(child: Child, request: ClientRequest): void {
  if (child.era === 'legacy') request.sendTo(child.connection);
  else new TranslatedCall({ request, child, envelope: NO_CAPABILITIES }).start();
}

/** A message of a POST without a session. Only requests have an effect. */
export function takeStateless(message: Message, delivery: Delivery, scope: Scope, tools: ToolGate): void {
  if (message.kind !== 'request') return;
  const request = new ClientRequest(message, delivery, tools);
  const { method } = message;
  if (method === 'tools/call') {
    if (tools.allows(message.target)) acquireFor(scope, request);
    else request.failed(new BridgeError('tool_not_allowed', `Unknown tool: ${message.target}`));
  } else if (needsSession(method)) {
    request.failed(
      new BridgeError('invalid_request', `"${method}" needs a session: send "initialize" first.`),
    );
  } else {
    askScope(scope, request);
  }
}
