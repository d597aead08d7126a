/**
 * One request of a modern client to a server of the same era: it passes as it is, and so does the answer. The
 * server's `requestState` goes out in an envelope of the bridge's own, which binds it to the caller and the call.
 */
import { asBridgeError, type BridgeError, RPC } from '../errors.ts';
import type { Chunk } from '../http/engine.ts';
import type { Child } from '../pool/child.ts';
import { type Message, parsePayload, payloadOf, rewrite } from '../protocol/message.ts';
import { withCarriedState } from '../protocol/modern-envelope.ts';
import { TASKS_KEY } from '../protocol/modern-keys.ts';
import type { ToolGate } from '../protocol/tool-gate.ts';
import { textOf } from '../protocol/utf8.ts';
import { MODERN_VERSIONS } from '../protocol/versions.ts';
import type { Asker } from '../upstream/connection.ts';
import type { Delivery } from './delivery.ts';

export interface CarriedRequestOptions {
  readonly message: Message;
  readonly delivery: Delivery;
  readonly tools: ToolGate;
  /** The server may have tasks, but no client gets to its own again. */
  readonly hidesTasks: boolean;
  /** What the client gets for the server's `requestState`. */
  readonly carry: (state: string) => string;
  /** Called once, however it ends. */
  readonly over?: (() => void) | undefined;
}

/** Errors that are about the HTTP request as much as about the message. MCP 2026-07-28, transports, "Error Handling". */
const STATUS_OF: ReadonlyMap<unknown, number> = new Map([
  [RPC.methodNotFound, 404],
  [RPC.headerMismatch, 400],
  [RPC.missingCapability, 400],
  [RPC.unsupportedVersion, 400],
]);

export class CarriedRequest implements Asker {
  readonly #options: CarriedRequestOptions;
  #child: Child | undefined;
  #upstreamId = 0;
  #isOver = false;

  constructor(options: CarriedRequestOptions) {
    this.#options = options;
    // MCP 2026-07-28, "Cancellation": a client that disconnects has cancelled.
    options.delivery.reply.onAbort(() => {
      this.#child?.connection.cancel(this.#upstreamId, 'the client disconnected');
      this.#end();
    });
  }

  get lane(): string {
    return this.#options.delivery.lane;
  }

  sendTo(child: Child): void {
    if (this.#isOver) return;
    try {
      this.#child = child;
      this.#upstreamId = child.connection.request(this.#options.message, this);
    } catch (error) {
      this.failed(asBridgeError(error));
    }
  }

  answered(answer: Message): void {
    const { message, delivery } = this.#options;
    const { id = 'null' } = message;
    this.#end();
    if (answer.kind === 'error') {
      const status = STATUS_OF.get(parsePayload(answer)['code']) ?? 200;
      delivery.answerWith(status, rewrite(answer, id, undefined));
      return;
    }
    const changed = this.#changed(answer);
    delivery.answer(
      changed === undefined
        ? rewrite(answer, id, undefined)
        : `{"jsonrpc":"2.0","id":${id},"result":${changed}}`,
    );
  }

  progressed(progress: Message): void {
    const { message, delivery } = this.#options;
    delivery.event(rewrite(progress, '', message.token));
  }

  failed(error: BridgeError): void {
    const { message, delivery } = this.#options;
    this.#end();
    delivery.fail(message.id, error);
  }

  /** The result where it cannot pass as it is. */
  #changed(answer: Message): string | undefined {
    const { message, tools, carry, hidesTasks } = this.#options;
    if (message.method === 'server/discover')
      return JSON.stringify(offered(parsePayload(answer), hidesTasks));
    if (message.method === 'tools/list') {
      if (tools.isOpen) return undefined;
      // What is left out depends on who asks.
      return JSON.stringify({ ...tools.filterList(parsePayload(answer)), cacheScope: 'private' });
    }
    return withCarriedState(asText(payloadOf(answer) ?? '{}'), carry);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.over?.();
  }
}

/** What a server says of itself, as far as the bridge can keep it. */
function offered(found: Record<string, unknown>, hidesTasks: boolean): Record<string, unknown> {
  const supportedVersions = MODERN_VERSIONS;
  const { extensions, ...capabilities } = (found['capabilities'] ?? {}) as Record<string, unknown>;
  if (!hidesTasks || typeof extensions !== 'object' || extensions === null)
    return { ...found, supportedVersions };
  const { [TASKS_KEY]: _tasks, ...others } = extensions as Record<string, unknown>;
  return { ...found, supportedVersions, capabilities: { ...capabilities, extensions: others } };
}

const asText = (chunk: Chunk): string => (typeof chunk === 'string' ? chunk : textOf(chunk));
