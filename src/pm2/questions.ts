/**
 * Questions from process to process: a Unix socket for each, one connection per question, the topic as a line, the
 * answer as JSON until the end. Whoever is silent for a second has nothing to say.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Topic } from '../ipc/messages.ts';

export interface Questions {
  /** Rejects when the socket cannot be made. */
  listen(): Promise<void>;
  close(): void;
}

const DEADLINE_MS = 1_000;
const TOPICS = ['metrics', 'servers'] as const satisfies readonly Topic[];

/** Answers those of the other processes. `answer` may reject; then there is none. */
export function createQuestions(
  folder: string,
  id: string,
  answer: (topic: Topic) => Promise<unknown>,
): Questions {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    let heard = '';
    socket.setTimeout(DEADLINE_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
    });
    socket.once('end', () => {
      const topic = TOPICS.find((each) => each === heard.trim());
      if (topic === undefined) socket.destroy();
      else void reply(socket, answer(topic));
    });
  });
  return {
    listen: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        // Exclusive: in a cluster worker it would else be the daemon's socket, shared by all instances.
        server.listen({ path: pathOf(folder, id), exclusive: true }, () => resolve());
      }),
    close: () => void server.close(),
  };
}

async function reply(socket: Socket, answer: Promise<unknown>): Promise<void> {
  try {
    socket.end(JSON.stringify((await answer) ?? null));
  } catch {
    // The worker reports its own failures; whoever asked does without.
    socket.destroy();
  }
}

/** Undefined when it does not answer in time, or not in JSON. Never rejects. */
export function askMember(folder: string, id: string, topic: Topic): Promise<unknown> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect(pathOf(folder, id));
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(parsed(heard));
    };
    const timer = setTimeout(finish, DEADLINE_MS);
    socket.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
    });
    socket.once('end', finish);
    socket.once('error', finish);
    socket.end(`${topic}\n`);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}

const pathOf = (folder: string, id: string): string => join(folder, `${id}.ask`);
