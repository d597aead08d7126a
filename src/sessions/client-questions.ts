/**
 * Requests of the bridge's own to a legacy client, in the course of a call that a modern server cannot go on with
 * alone. Owns their ids, who waits for which answer, and what an error means in the other era.
 */
import { randomUUID } from 'node:crypto';
import { BridgeError } from '../errors.ts';
import { type Message, parsePayload } from '../protocol/message.ts';
import { capabilityFor } from '../protocol/methods.ts';
import type { Question } from './translated-call.ts';

/** A user may take his time. */
const ANSWER_MS = 600_000;
/** The first revision that tells a form from a URL, and whose URLs have ids. */
const FIRST_WITH_MODES = '2025-11-25';

interface Waiting {
  readonly method: string;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface QuestionsOptions {
  readonly version: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
}

export class ClientQuestions {
  readonly #options: QuestionsOptions;
  readonly #waiting = new Map<string, Waiting>();
  #count = 0;

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /** Resolves with the client's answer as `inputResponses` want it; `send` is false when nothing reaches the client. */
  ask({ method, params }: Question, send: (text: string) => boolean): Promise<unknown> {
    const needed = capabilityFor(method);
    if (needed === undefined || this.#options.capabilities[needed] === undefined) {
      return Promise.reject(
        new Error(`The client cannot answer ${method}: it has not declared the capability.`),
      );
    }
    // Not a number: the ids of a server's own requests would be.
    const id = `bridge-${++this.#count}`;
    const key = JSON.stringify(id);
    let timer: NodeJS.Timeout | undefined;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(key, { method, resolve, reject });
      const late = `The client did not answer ${method} within ${ANSWER_MS} ms.`;
      timer = setTimeout(() => reject(new Error(late)), ANSWER_MS).unref();
      if (!send(JSON.stringify({ jsonrpc: '2.0', id, method, ...this.#params(method, params) }))) {
        reject(new Error(`The client has no stream open on which ${method} could reach it.`));
      }
    });
    return answer.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(key);
    });
  }

  /** The client's answer to whatever was asked; what was not asked is dropped. */
  answered(answer: Message): void {
    const { id = '' } = answer;
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const payload = parsePayload(answer);
    if (answer.kind === 'result') waiting.resolve(payload);
    // The modern era has no errors here; a user who does not get to see a form has not filled it in.
    else if (waiting.method === 'elicitation/create') waiting.resolve({ action: 'cancel' });
    else
      waiting.reject(
        new Error(`The client could not answer ${waiting.method}: ${String(payload['message'])}`),
      );
  }

  close(): void {
    const error = new BridgeError('session_not_found', 'The session has ended.');
    for (const { reject } of this.#waiting.values()) reject(error);
  }

  #params(method: string, params: Question['params']): { params?: Record<string, unknown> } {
    if (params === undefined) return {};
    if (method !== 'elicitation/create') return { params };
    if (params['mode'] === 'url') return { params: { elicitationId: randomUUID(), ...params } };
    if (this.#options.version >= FIRST_WITH_MODES) return { params };
    const { mode: _mode, ...form } = params;
    return { params: form };
  }
}
