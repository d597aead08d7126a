/**
 * A call of a modern client to a legacy server that asks back. The child that runs it is the client's alone until
 * the call ends. When the server asks, the client's request is answered with the questions (`input_required`) and
 * the call is parked; the client's retry brings the answers, and the call goes on where it stood.
 *
 *   running --the server asks--> collecting --quiet for a moment--> parked --retry--> running
 *      \--the server answers--> over              parked --nobody comes back in time--> over
 *
 * What a server asks as soon as it is initialised is asked of the client before the call is sent. A server that wants
 * its user to visit a URL first (-32042) has refused the call; it is sent again when the user has been there.
 *
 * MCP 2026-07-28, "Multi Round-Trip Requests"; 2025-11-25, "URL Elicitation Required Error".
 */
import { Expirable } from '../deadline.ts';
import { asBridgeError, type BridgeError } from '../errors.ts';
import type { Child, ChildOwner } from '../pool/child.ts';
import { type Message, parsePayload, rewrite } from '../protocol/message.ts';
import { capabilityFor, severityOf } from '../protocol/methods.ts';
import { urlElicitations } from '../protocol/modern-error.ts';
import { SERVER_INFO_KEY } from '../protocol/modern-keys.ts';
import { modernResult } from '../protocol/modern-result.ts';
import { traceInMeta } from '../protocol/trace.ts';
import type { Asker } from '../upstream/connection.ts';
import type { Delivery } from './delivery.ts';
import { deliverModernError } from './modern-answer.ts';
import { MAX_QUESTIONS, TOO_MANY_QUESTIONS } from './questions.ts';

export interface AskingCallOptions {
  readonly id: string;
  readonly child: Child;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly logLevel: string | undefined;
  /** How long the call waits for its client. */
  readonly parkMs: number;
  /** What the server has said before there was a call. */
  readonly early: readonly Message[];
  /** The `requestState` of a round. */
  readonly seal: (round: number) => string;
  /** The call waits for its client from now on, or again. */
  readonly parked: (call: AskingCall) => void;
  /** Nothing more will come of it; its child may be used again. */
  readonly over: (call: AskingCall) => void;
}

/** How long the server may be silent before its questions are passed on: several may come in a row. */
const COLLECT_MS = 5;
const MARGIN_MS = 10_000;

interface Question {
  /** The server's request id, as JSON text; undefined for what it asks in an error. */
  readonly id: string | undefined;
  readonly method: string;
  readonly params: Record<string, unknown> | undefined;
}

interface Attended {
  readonly message: Message;
  readonly delivery: Delivery;
}

export class AskingCall extends Expirable implements Asker, ChildOwner {
  readonly id: string;
  /** Its child is not fit for another call. */
  isSpoilt = false;
  readonly #options: AskingCallOptions;
  /** The request that is being answered; undefined while parked. */
  #current: Attended | undefined;
  /** What is to be sent when all questions are answered. */
  #unsent: Message | undefined;
  /** The first message: what is sent again is sent as it was. */
  #first: Message | undefined;
  /** The server's error that its questions came in. */
  #refusal: Message | undefined;
  #upstreamId = 0;
  #questions = new Map<string, Question>();
  #collecting: NodeJS.Timeout | undefined;
  /** How it has ended while its client was away. */
  #outcome: (() => void) | undefined;
  /** The user did not go where the server wanted him to. */
  #isDeclined = false;
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
    this.#first = message;
    for (const early of this.#options.early) this.received(early);
    if (this.#questions.size === 0) this.#send(message);
    else this.#unsent = message;
  }

  /** The client's answers, by the keys of the questions. What is missing is asked again; what was not asked is ignored. */
  resume(message: Message, delivery: Delivery, responses: Readonly<Record<string, unknown>>): void {
    this.#round++;
    this.#attend(message, delivery);
    if (this.#outcome !== undefined) {
      this.#outcome();
      return;
    }
    for (const [key, { id }] of this.#questions) {
      const response = Object.hasOwn(responses, key) ? responses[key] : undefined;
      if (typeof response !== 'object' || response === null || Array.isArray(response)) continue;
      this.#questions.delete(key);
      if (id === undefined) this.#isDeclined ||= (response as Record<string, unknown>)['action'] !== 'accept';
      else
        this.#options.child.connection.send(
          `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(response)}}`,
        );
    }
    if (this.#questions.size > 0) this.#park();
    else if (this.#isDeclined && this.#refusal !== undefined) this.#deliver(this.#refusal);
    else this.#goOn();
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
    if (this.isParked) this.#outcome = () => this.#deliver(answer);
    else if (!this.#asksForUrls(answer)) this.#deliver(answer);
  }

  #deliver(answer: Message): void {
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
    if (this.isParked && !this.#isOver) {
      this.#outcome = () => this.failed(error);
      return;
    }
    const current = this.#end();
    current?.delivery.fail(current.message.id, error);
  }

  /** Nobody came back in time. */
  override expire(): void {
    this.#cancel('the client did not come back with its answers');
  }

  #send(message: Message): void {
    this.#unsent = undefined;
    try {
      this.#upstreamId = this.#options.child.connection.request(message, this);
    } catch (error) {
      this.failed(asBridgeError(error));
    }
  }

  /** Nothing is left to ask: it is the server's turn. */
  #goOn(): void {
    const { connection } = this.#options.child;
    if (this.#unsent === undefined) connection.extend(this.#upstreamId);
    else void this.#sendLater(this.#unsent);
  }

  /** When the server has taken the answers in. */
  async #sendLater(message: Message): Promise<void> {
    this.#unsent = undefined;
    await this.#options.child.settled();
    if (!this.#isOver) this.#send(message);
  }

  /** Whether an answer is an error that asks the user to visit URLs, and the client can show them; then it is asked. */
  #asksForUrls(answer: Message): boolean {
    if (answer.kind !== 'error' || !canShowUrls(this.#options.capabilities)) return false;
    const urls = urlElicitations(parsePayload(answer));
    for (const params of urls) {
      this.#questions.set(`r${this.#asked++}`, { id: undefined, method: 'elicitation/create', params });
    }
    if (urls.length === 0) return false;
    this.#refusal = answer;
    this.#unsent = this.#first;
    this.#park();
    return true;
  }

  #attend(message: Message, delivery: Delivery): void {
    this.#current = { message, delivery };
    delivery.reply.onAbort(() => {
      // MCP 2026-07-28, "Cancellation": a client that disconnects has cancelled.
      if (this.#current?.delivery !== delivery) return;
      this.#cancel('the client disconnected');
    });
  }

  #question({ id = 'null', method, ...message }: Message): void {
    const { child, capabilities } = this.#options;
    if (method === 'ping') {
      child.answerPing({ id, method, ...message });
      return;
    }
    const needed = capabilityFor(method);
    if (needed === undefined || capabilities[needed] === undefined) {
      this.#refuse(id, -32601, `The client cannot answer ${method}: it has not declared the capability.`);
      return;
    }
    if (this.#questions.size >= MAX_QUESTIONS) {
      this.#refuse(id, -32603, TOO_MANY_QUESTIONS);
      return;
    }
    const { _meta, elicitationId, task, ...params } = parsePayload({ id, method, ...message });
    const trace = traceInMeta(_meta);
    const asked = trace === undefined ? params : { ...params, _meta: trace };
    const hasParams = message.payloadSpan !== undefined;
    this.#questions.set(`r${this.#asked++}`, { id, method, params: hasParams ? asked : undefined });
    clearTimeout(this.#collecting);
    this.#collecting = setTimeout(() => this.#collected(), COLLECT_MS);
  }

  #refuse(id: string, code: number, why: string): void {
    const error = JSON.stringify({ code, message: why });
    this.#options.child.connection.send(`{"jsonrpc":"2.0","id":${id},"error":${error}}`);
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

  #collected(): void {
    if (this.#questions.size > 0) this.#park();
    else if (!this.isParked && !this.#isOver) this.#goOn(); // they were all taken back
  }

  #park(): void {
    const current = this.#current;
    if (current === undefined || this.#isOver || this.#questions.size === 0) return;
    this.#current = undefined;
    const inputRequests = Object.fromEntries(
      [...this.#questions].map(([key, { method, params }]) => [key, { method, ...(params && { params }) }]),
    );
    const { child, parkMs } = this.#options;
    // The call ends with the park, if nobody comes: the server need not hurry until then.
    child.connection.extend(this.#upstreamId, parkMs + MARGIN_MS);
    const requestState = this.#options.seal(this.#round);
    const _meta = { [SERVER_INFO_KEY]: child.facts?.serverInfo };
    const result = JSON.stringify({ resultType: 'input_required', inputRequests, requestState, _meta });
    this.#options.parked(this);
    current.delivery.answer(`{"jsonrpc":"2.0","id":${current.message.id},"result":${result}}`);
  }

  #cancel(why: string): void {
    // It may go on with it all the same, and must not be taken for doing somebody else's call.
    this.isSpoilt = true;
    this.#options.child.connection.cancel(this.#upstreamId, why);
    this.#end();
  }

  #end(): Attended | undefined {
    const current = this.#current;
    this.#current = undefined;
    if (this.#isOver) return undefined;
    this.#isOver = true;
    clearTimeout(this.#collecting);
    for (const { id } of this.#questions.values()) {
      if (id !== undefined) this.#refuse(id, -32603, 'The call is over; nobody is left to answer this.');
    }
    this.#options.over(this);
    return current;
  }
}

const canShowUrls = ({ elicitation }: Readonly<Record<string, unknown>>): boolean =>
  typeof elicitation === 'object' && elicitation !== null && 'url' in elicitation;
