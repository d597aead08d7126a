/**
 * A short question to another worker over the relay, for what is counted or kept by key: the owner answers with a
 * status and a text.
 */
import { messageOf } from '../errors.ts';
import { joinChunks } from '../http/chunks.ts';
import type { Chunk, HeaderPairs } from '../http/engine.ts';
import type { Reply } from '../http/reply.ts';
import { textOf } from '../protocol/utf8.ts';
import type { Relay } from './relay.ts';

/** Rejects when the other worker is gone. */
export function askWorker(relay: Relay, id: string, route: string, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    relay.forward(id, route, {
      head: question,
      body: '',
      reply: new AnswerReply(resolve),
      lost: () => reject(new Error(`worker ${id} is gone`)),
    });
  });
}

/** Answers the questions of `route` that other workers ask here; what `answer` throws is told as text. */
export function answerWorkers(
  relay: Relay,
  route: string,
  answer: (question: string) => Promise<string>,
): void {
  relay.register(route, (question, _body, reply) => {
    answer(question).then(
      (text) => reply.send(200, [], text),
      (error: unknown) => reply.send(500, [], messageOf(error)),
    );
  });
}

/** A reply whose reader is this worker itself. */
class AnswerReply implements Reply {
  readonly requestId = '';
  state: Reply['state'] = 'open';
  readonly #resolve: (text: string) => void;

  constructor(resolve: (text: string) => void) {
    this.#resolve = resolve;
  }

  send(_status: number, _headers: HeaderPairs, body: Chunk | readonly Chunk[]): void {
    this.state = 'done';
    const whole = joinChunks(body);
    this.#resolve(typeof whole === 'string' ? whole : textOf(whole));
  }

  open(): void {
    throw new TypeError('a question is answered in one piece');
  }

  write(): void {
    throw new TypeError('a question is answered in one piece');
  }

  end(): void {
    this.state = 'done';
  }

  onAbort(): void {
    // Nobody goes away before the answer: the asker is this worker.
  }
}
