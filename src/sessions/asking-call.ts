/**
 * A call of a modern client to a legacy server that asks back. The child that runs it is the client's alone until
 * the call ends. When the server asks, the client's request is answered with the questions (`input_required`) and
 * the call is parked; the client's retry brings the answers, and the call goes on where it stood.
 *
 *   running --the server asks--> collecting --quiet for a moment--> parked --retry--> running
 *      \--the server answers--> over              parked --nobody comes back in time--> over
 *
 * MCP 2026-07-28, "Multi Round-Trip Requests".
 */
import { Expirable } from '../deadline.ts';
import { asBridgeError, BridgeError } from '../errors.ts';
import type { Child, ChildOwner } from '../pool/child.ts';
import { type Message, parsePayload, rewrite } from '../protocol/message.ts';
import { capabilityFor, severityOf } from '../protocol/methods.ts';
import { modernResult } from '../protocol/modern-result.ts';
import { traceInMeta } from '../protocol/trace.ts';
import type { Asker } from '../upstream/connection.ts';
import type { Delivery } from './delivery.ts';
import { deliverModernError } from './modern-answer.ts';

export interface AskingCallOptions {
  readonly id: string;
  readonly child: Child;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly logLevel: string | undefined;
  /** The `requestState` of a round. */
  readonly seal: (round: number) => string;
  /** The call waits for its client from now on, or again. */
  readonly parked: (call: AskingCall) => void;
  /** Nothing more will come of it; its child may be used again. */
  readonly over: (call: AskingCall) => void;
}

/** How long the server may be silent before its questions are passed on: several may come in a row. */
const COLLECT_MS = 5;

interface Question {
  /** The server's request id, as JSON text. */
  readonly id: string;
  readonly method: string;
  readonly params: Record<string, unknown> | undefined;
}

interface Attended {
  readonly message: Message;
  readonly delivery: Delivery;
}

export class AskingCall extends Expirable implements Asker, ChildOwner {
  readonly id: string;
  readonly #options: AskingCallOptions;
  /** The request that is being answered; undefined while parked. */
  #current: Attended | undefined;
  #upstreamId = 0;
  #questions = new Map<string, Question>();
  #collecting: NodeJS.Timeout | undefined;
  #round = 0;
  #asked = 0;
  #isOver = false;

  constructor(options: AskingCallOptions) {
    super();
    this.id = options.id;
    this.#options = options;
    options.child.owner = this;
  }

  get round(): number {
    return this.#round;
  }

  get isParked(): boolean {
    return this.#current === undefined;
  }

  start(message: Message, delivery: Delivery): void {
    this.#attend(message, delivery);
    try {
      this.#upstreamId = this.#options.child.connection.request(message, this);
    } catch (error) {
      this.failed(asBridgeError(error));
    }
  }

  /** The client's answers, by the keys of the questions. What is missing is asked again; what was not asked is ignored. */
  resume(message: Message, delivery: Delivery, responses: Readonly<Record<string, unknown>>): void {
    this.#round++;
    this.#attend(message, delivery);
    for (const [key, { id }] of this.#questions) {
      const response = Object.hasOwn(responses, key) ? responses[key] : undefined;
      if (typeof response !== 'object' || response === null || Array.isArray(response)) continue;
      this.#questions.delete(key);
      this.#options.child.connection.send(
        `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(response)}}`,
      );
    }
    if (this.#questions.size > 0) this.#park();
  }

  received(message: Message): void {
    if (message.kind === 'request') this.#question(message);
    else if (message.method === 'notifications/message') this.#log(message);
    else if (message.method === 'notifications/cancelled') this.#withdraw(message);
  }

  closed(): void {
    // Its connection has told `failed` before.
  }

  answered(answer: Message): void {
    const current = this.#end();
    if (current === undefined) return;
    const { message, delivery } = current;
    if (answer.kind === 'error') deliverModernError(message, answer, delivery);
    else {
      const result = modernResult(message.method, answer, this.#options.child.facts?.serverInfo);
      delivery.answer([`{"jsonrpc":"2.0","id":${message.id},"result":`, ...result, '}']);
    }
  }

  progressed(progress: Message): void {
    const token = this.#current?.message.token;
    if (token !== undefined) this.#current?.delivery.event(rewrite(progress, '', token));
  }

  failed(error: BridgeError): void {
    const current = this.#end();
    current?.delivery.fail(current.message.id, error);
  }

  /** Nobody came back in time. */
  override expire(): void {
    this.#options.child.connection.cancel(this.#upstreamId, 'the client did not come back with its answers');
    this.#end();
  }

  #attend(message: Message, delivery: Delivery): void {
    this.#current = { message, delivery };
    delivery.reply.onAbort(() => {
      // MCP 2026-07-28, "Cancellation": a client that disconnects has cancelled.
      if (this.#current?.delivery !== delivery) return;
      this.#options.child.connection.cancel(this.#upstreamId, 'the client disconnected');
      this.#end();
    });
  }

  #question({ id = 'null', method, ...message }: Message): void {
    const { child, capabilities } = this.#options;
    if (method === 'ping') {
      child.connection.send(`{"jsonrpc":"2.0","id":${id},"result":{}}`);
      return;
    }
    const needed = capabilityFor(method);
    if (needed === undefined || capabilities[needed] === undefined) {
      const text = JSON.stringify(`The client cannot answer ${method}: it has not declared the capability.`);
      child.connection.send(`{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,"message":${text}}}`);
      return;
    }
    const { _meta, elicitationId, task, ...params } = parsePayload({ id, method, ...message });
    const trace = traceInMeta(_meta);
    const asked = trace === undefined ? params : { ...params, _meta: trace };
    const hasParams = message.payloadSpan !== undefined;
    this.#questions.set(`r${this.#asked++}`, { id, method, params: hasParams ? asked : undefined });
    clearTimeout(this.#collecting);
    this.#collecting = setTimeout(() => this.#park(), COLLECT_MS);
  }

  /** The server takes a question back. */
  #withdraw({ token }: Message): void {
    for (const [key, { id }] of this.#questions) if (id === token) this.#questions.delete(key);
  }

  #log(message: Message): void {
    const { logLevel } = this.#options;
    if (logLevel === undefined) return;
    if (severityOf(parsePayload(message)['level']) >= severityOf(logLevel)) {
      this.#current?.delivery.event(message.text);
    }
  }

  #park(): void {
    const current = this.#current;
    if (current === undefined || this.#isOver || this.#questions.size === 0) return;
    this.#current = undefined;
    const inputRequests = Object.fromEntries(
      [...this.#questions].map(([key, { method, params }]) => [key, { method, ...(params && { params }) }]),
    );
    const requestState = this.#options.seal(this.#round);
    const result = JSON.stringify({ resultType: 'input_required', inputRequests, requestState });
    this.#options.parked(this);
    current.delivery.answer(`{"jsonrpc":"2.0","id":${current.message.id},"result":${result}}`);
  }

  #end(): Attended | undefined {
    const current = this.#current;
    this.#current = undefined;
    if (this.#isOver) return undefined;
    this.#isOver = true;
    clearTimeout(this.#collecting);
    this.#options.over(this);
    return current;
  }
}

export const invalidState = (): BridgeError =>
  new BridgeError('rejected_params', 'Invalid or expired requestState', {
    data: { reason: 'invalid_request_state' },
  });
