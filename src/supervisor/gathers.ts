/**
 * Questions to all workers at once. A worker that stays silent or dies is left out: it costs the asker the
 * deadline, never the answer.
 */
import type { GatheredPart, Topic } from '../ipc/messages.ts';

export interface Asked {
  readonly slot: number;
  readonly id: string;
}

export interface Gathers {
  /** Resolves with the answers that came within the deadline, in the order of `workers`; never rejects. */
  gather(topic: Topic, workers: readonly Asked[]): Promise<readonly GatheredPart[]>;
  /** `undefined`: the worker has nothing to say. Answers the topic, or undefined when nobody waits any more. */
  answer(id: string, seq: number, value: unknown): Topic | undefined;
  /** The worker is gone: nobody waits for it. */
  forget(id: string): void;
}

interface Question {
  readonly topic: Topic;
  readonly waiting: Set<string>;
  readonly answers: Map<string, unknown>;
  readonly finish: () => void;
}

const DEADLINE_MS = 1_000;

export function createGathers(ask: (id: string, seq: number, topic: Topic) => void): Gathers {
  const questions = new Map<number, Question>();
  let lastSeq = 0;

  const heard = (question: Question, id: string): void => {
    if (question.waiting.delete(id) && question.waiting.size === 0) question.finish();
  };

  return {
    gather(topic, workers) {
      if (workers.length === 0) return Promise.resolve([]);
      return new Promise((resolve) => {
        const seq = ++lastSeq;
        const answers = new Map<string, unknown>();
        const finish = (): void => {
          clearTimeout(timer);
          questions.delete(seq);
          resolve(
            workers.flatMap(({ slot, id }) =>
              answers.has(id) ? [{ slot, id, value: answers.get(id) }] : [],
            ),
          );
        };
        const timer = setTimeout(finish, DEADLINE_MS);
        questions.set(seq, { topic, waiting: new Set(workers.map(({ id }) => id)), answers, finish });
        for (const { id } of workers) ask(id, seq, topic);
      });
    },
    answer(id, seq, value) {
      const question = questions.get(seq);
      if (question === undefined || !question.waiting.has(id)) return undefined;
      if (value !== undefined) question.answers.set(id, value);
      heard(question, id);
      return question.topic;
    },
    forget(id) {
      for (const question of questions.values()) heard(question, id);
    },
  };
}
