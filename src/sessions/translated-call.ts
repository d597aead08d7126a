/**
 * One request of a legacy client to a modern server. What the server wants to know in the course of it (`input_required`)
 * is asked of the client in requests of its own; the answers go back with the same request under a new id.
 *
 *   sent --complete--> answered            sent --input_required--> asking --all answers--> sent (8 rounds at most)
 *
 * MCP 2026-07-28, "Multi Round-Trip Requests".
 */
import { pause } from '../deadline.ts';
import { asBridgeError, BridgeError, messageOf, RPC } from '../errors.ts';
import type { Child } from '../pool/child.ts';
import {
  type InputRequired,
  inputRequired,
  legacyToolList,
  legacyToolResult,
} from '../protocol/legacy-result.ts';
import { type Message, parsePayload, payloadOf } from '../protocol/message.ts';
import { type Envelope, enveloped } from '../protocol/modern-envelope.ts';
import { readMessage } from '../protocol/read-message.ts';
import { textOf } from '../protocol/utf8.ts';
import type { Asker } from '../upstream/connection.ts';
import type { ClientRequest } from './client-request.ts';
import type { ToolTable } from './tool-table.ts';

/** Asks the client in the course of `request`; resolves with what stands for its answer in `inputResponses`. */
export type AskClient = (request: ClientRequest, question: Question) => Promise<unknown>;

export interface Question {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>> | undefined;
}

export interface TranslatedCallOptions {
  readonly request: ClientRequest;
  readonly child: Child;
  readonly envelope: Envelope;
  /** Left out: there is nobody to ask. */
  readonly ask?: AskClient;
  /** What is known of the server's tools. */
  readonly tools?: ToolTable;
}

/** As in the SDK's own servers toward legacy clients. */
const MAX_ROUNDS = 8;
/** Between a state without questions and its return. */
const PACE_MS = 250;

export class TranslatedCall implements Asker {
  readonly #options: TranslatedCallOptions;
  #upstreamId = 0;
  #rounds = 0;
  #isOver = false;

  constructor(options: TranslatedCallOptions) {
    this.#options = options;
    options.request.cancelled = (reason) => {
      this.#isOver = true;
      options.child.connection.cancel(this.#upstreamId, reason);
    };
  }

  get lane(): string {
    return this.#options.request.lane;
  }

  start(): void {
    this.#send({});
  }

  answered(answer: Message): void {
    if (this.#isOver) return;
    if (answer.kind === 'error') {
      this.#answeredWithError(answer);
      return;
    }
    const payload = payloadOf(answer) ?? '{}';
    const result = typeof payload === 'string' ? payload : textOf(payload);
    const required = inputRequired(result);
    const next = required === undefined ? this.#complete(result) : this.#gather(required);
    next.catch((error: unknown) => this.#fails(messageOf(error)));
  }

  progressed(progress: Message): void {
    this.#options.request.progressed(progress);
  }

  failed(error: BridgeError): void {
    this.#options.request.failed(error);
  }

  #send(members: Readonly<Record<string, unknown>>): void {
    const { request, child, envelope } = this.#options;
    try {
      this.#upstreamId = child.connection.request(enveloped(request.message, envelope, members), this);
    } catch (error) {
      this.failed(asBridgeError(error));
    }
  }

  async #complete(result: string): Promise<void> {
    const { request, child, tools } = this.#options;
    const { method, target } = request.message;
    if (method === 'tools/list') this.#answer(legacyToolList(result));
    else if (method === 'tools/call' && result.includes('"structuredContent"')) {
      const tool = target === undefined ? undefined : await tools?.find(child, target);
      this.#answer(legacyToolResult(result, tool?.isWrapped === true));
    } else this.#answer(result);
  }

  async #gather({ inputRequests, requestState }: InputRequired): Promise<void> {
    const { request, ask } = this.#options;
    if (++this.#rounds > MAX_ROUNDS) {
      this.#fails(`The server asked for more input after ${MAX_ROUNDS} rounds.`);
      return;
    }
    let inputResponses: Record<string, unknown> | undefined;
    if (inputRequests === undefined) await pause(PACE_MS);
    else {
      if (ask === undefined)
        throw new Error('The server asks its client something; without a session there is none.');
      const answers = Object.entries(inputRequests).map(
        async ([key, question]) => [key, await ask(request, asQuestion(question))] as const,
      );
      inputResponses = Object.fromEntries(await Promise.all(answers));
    }
    if (this.#isOver) return;
    this.#send({
      ...(inputResponses !== undefined && { inputResponses }),
      ...(requestState !== undefined && { requestState }),
    });
  }

  #answeredWithError(answer: Message): void {
    const { request, child } = this.#options;
    const { code, message } = parsePayload(answer);
    if (code === RPC.unsupportedVersion || code === RPC.headerMismatch) {
      // About how the bridge speaks, which is none of the client's business: the next call finds out anew.
      void child.close();
      const name = `Server "${child.server.name}"`;
      this.failed(new BridgeError('server_error', `${name} does not speak as before: ${String(message)}`));
    } else if (code !== RPC.missingCapability) request.answered(answer);
    else if (request.message.method === 'tools/call') this.#fails(String(message));
    else this.failed(new BridgeError('rejected_params', String(message)));
  }

  /** The call cannot be brought to its end: a tool says so in its result, everything else in an error. */
  #fails(why: string): void {
    if (this.#isOver) return;
    if (this.#options.request.message.method === 'tools/call') {
      this.#answer(JSON.stringify({ content: [{ type: 'text', text: why }], isError: true }));
    } else this.failed(new BridgeError('server_error', why));
  }

  #answer(result: string): void {
    const answer = readMessage(`{"jsonrpc":"2.0","id":0,"result":${result}}`);
    if (answer.kind !== 'malformed') this.#options.request.answered(answer);
  }
}

/** Throws for what is no question. */
function asQuestion(value: unknown): Question {
  const { method, params } = (value ?? {}) as Record<string, unknown>;
  if (typeof method !== 'string') throw new Error('The server asks for input without saying what for.');
  return { method, params: params as Question['params'] };
}
