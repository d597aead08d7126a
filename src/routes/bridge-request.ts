/**
 * The one request of a call to /bridge on its way to a child and back: the answer is the result object itself,
 * without an envelope.
 */
import { asBridgeError, BridgeError, RPC } from '../errors.ts';
import { JSON_HEADERS, type Reply } from '../http/reply.ts';
import { sendError } from '../http/send-error.ts';
import type { Child } from '../pool/child.ts';
import { type Message, parsePayload, payloadOf } from '../protocol/message.ts';
import { enveloped, NO_CAPABILITIES } from '../protocol/modern-envelope.ts';
import type { ToolGate } from '../protocol/tool-gate.ts';
import type { Asker } from '../upstream/connection.ts';

export interface BridgeRequestOptions {
  readonly message: Message;
  readonly tools: ToolGate;
  readonly reply: Reply;
  /** Whose calls wait in turn with those of others: a principal's. */
  readonly lane: string;
}

export class BridgeRequest implements Asker {
  readonly lane: string;
  readonly #message: Message;
  readonly #tools: ToolGate;
  readonly #reply: Reply;

  constructor({ message, tools, reply, lane }: BridgeRequestOptions) {
    this.lane = lane;
    this.#message = message;
    this.#tools = tools;
    this.#reply = reply;
  }

  /** Answers through the reply, whatever happens. */
  sendTo(child: Child | Promise<Child>): void {
    if (child instanceof Promise) {
      child.then(
        (started) => this.#sendTo(started),
        (error: unknown) => this.failed(asBridgeError(error)),
      );
    } else this.#sendTo(child);
  }

  #sendTo(child: Child): void {
    const { method } = this.#message;
    if (method === 'ping') this.#reply.send(200, JSON_HEADERS, '{}');
    else if (method === 'initialize') this.#reply.send(200, JSON_HEADERS, JSON.stringify(child.facts));
    else this.#send(child);
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

  #send({ connection, era }: Child): void {
    try {
      const message = era === 'modern' ? enveloped(this.#message, NO_CAPABILITIES) : this.#message;
      const id = connection.request(message, this);
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
