/**
 * Answers of a legacy server, delivered to a client of MCP 2026-07-28.
 */

import { asBridgeError, type BridgeError } from '../errors.ts';
import type { Child } from '../pool/child.ts';
import { type Message, parsePayload, rewrite } from '../protocol/message.ts';
import { modernError } from '../protocol/modern-error.ts';
import { madeResult, modernResult } from '../protocol/modern-result.ts';
import type { ToolGate } from '../protocol/tool-gate.ts';
import type { Asker } from '../upstream/connection.ts';
import type { Delivery } from './delivery.ts';

export function deliverModernError(request: Message, answer: Message, delivery: Delivery): void {
  const { status, error } = modernError(parsePayload(answer), request);
  delivery.answerWith(status, `{"jsonrpc":"2.0","id":${request.id},"error":${JSON.stringify(error)}}`);
}

/** One request to a child that several clients use; it is cancelled when its client goes away. */
export class ModernClientRequest implements Asker {
  readonly message: Message;
  readonly delivery: Delivery;
  readonly #tools: ToolGate;
  #child: Child | undefined;
  #upstreamId = 0;
  #isGone = false;

  constructor(message: Message, delivery: Delivery, tools: ToolGate) {
    this.message = message;
    this.delivery = delivery;
    this.#tools = tools;
    delivery.reply.onAbort(() => {
      this.#isGone = true;
      this.#child?.connection.cancel(this.#upstreamId, 'the client disconnected');
    });
  }

  get lane(): string {
    return this.delivery.lane;
  }

  sendTo(child: Child): void {
    if (this.#isGone) return;
    try {
      this.#child = child;
      this.#upstreamId = child.connection.request(this.message, this);
    } catch (error) {
      this.failed(asBridgeError(error));
    }
  }

  answered(answer: Message): void {
    const { message, delivery } = this;
    if (answer.kind === 'error') {
      deliverModernError(message, answer, delivery);
      return;
    }
    const serverInfo = this.#child?.facts?.serverInfo;
    const result =
      message.method === 'tools/list' && !this.#tools.isOpen
        ? [madeResult(message.method, this.#tools.filterList(parsePayload(answer)), serverInfo)]
        : modernResult(message.method, answer, serverInfo);
    delivery.answer([`{"jsonrpc":"2.0","id":${message.id},"result":`, ...result, '}']);
  }

  progressed(progress: Message): void {
    this.delivery.event(rewrite(progress, '', this.message.token));
  }

  failed(error: BridgeError): void {
    this.delivery.fail(this.message.id, error);
  }
}
