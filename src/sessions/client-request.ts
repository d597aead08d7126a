/**
 * One request of a client on its way to a child and back: gives the answer the client's own id, and progress its
 * own token.
 */
import { asBridgeError, BridgeError } from '../errors.ts';
import { rpcErrorBody } from '../http/send-error.ts';
import { type Message, parsePayload, rewrite } from '../protocol/message.ts';
import type { ToolGate } from '../protocol/tool-gate.ts';
import type { Asker, Connection } from '../upstream/connection.ts';
import type { Delivery } from './delivery.ts';

export class ClientRequest implements Asker {
  readonly message: Message;
  readonly delivery: Delivery;
  /** Set by whoever sends it in another form than its own: the client wants no answer any more. */
  cancelled: ((reason: string) => void) | undefined;
  readonly #tools: ToolGate;
  readonly #done: ((request: ClientRequest) => void) | undefined;
  #connection: Connection | undefined;
  #upstreamId = 0;
  #isDone = false;

  /** `done` is called once, however it ends. */
  constructor(
    message: Message,
    delivery: Delivery,
    tools: ToolGate,
    done?: (request: ClientRequest) => void,
  ) {
    this.message = message;
    this.delivery = delivery;
    this.#tools = tools;
    this.#done = done;
  }

  get lane(): string {
    return this.delivery.lane;
  }

  /** Never throws: a refusal is delivered. Does nothing when it was cancelled meanwhile. */
  sendTo(connection: Connection): void {
    if (this.#isDone) return;
    try {
      this.#upstreamId = connection.request(this.message, this);
      this.#connection = connection;
    } catch (error) {
      this.failed(asBridgeError(error));
    }
  }

  answered(answer: Message): void {
    if (!this.#finish()) return;
    const id = this.message.id ?? 'null';
    if (this.message.method === 'tools/list' && answer.kind === 'result' && !this.#tools.isOpen) {
      const result = JSON.stringify(this.#tools.filterList(parsePayload(answer)));
      this.delivery.answer(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
      return;
    }
    this.delivery.answer(rewrite(answer, id, undefined));
  }

  /** A result that the bridge itself makes, as JSON text. */
  answerWith(result: string): void {
    if (this.#finish()) this.delivery.answer(`{"jsonrpc":"2.0","id":${this.message.id},"result":${result}}`);
  }

  /** What was asked for is there, with nothing to tell of it; or the server's, or the bridge's, error. */
  settled(refusal: Message | BridgeError | undefined): void {
    if (refusal === undefined) this.answerWith('{}');
    else if (refusal instanceof BridgeError) this.failed(refusal);
    else this.answered(refusal);
  }

  progressed(progress: Message): void {
    this.delivery.event(rewrite(progress, '', this.message.token));
  }

  failed(error: BridgeError): void {
    if (!this.#finish()) return;
    const { message, delivery } = this;
    // With 404 clients of the legacy revisions are told that their session is over.
    if (error.code !== 'unknown_method') delivery.fail(message.id, error);
    else delivery.answer(rpcErrorBody(error, message.id, delivery.reply.requestId));
  }

  invalid(reason: string): void {
    this.failed(new BridgeError('invalid_params', reason));
  }

  /** See Connection. */
  extend(lengthMs?: number): void {
    this.#connection?.extend(this.#upstreamId, lengthMs);
  }

  /** The client wants no answer any more. */
  cancel(reason: string): void {
    if (!this.#finish()) return;
    this.#connection?.cancel(this.#upstreamId, reason);
    this.cancelled?.(reason);
    this.delivery.skip();
  }

  #finish(): boolean {
    if (this.#isDone) return false;
    this.#isDone = true;
    this.#done?.(this);
    return true;
  }
}
