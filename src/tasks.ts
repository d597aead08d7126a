/**
 * The worker's task threads (Piscina), for what would block the event loop. They start with the first task and
 * end when there is nothing to do for a while.
 */
import { Piscina } from 'piscina';
import { ANY_KEYS, MAX_CLIENT_KEYS } from './protocol/json-scanner.ts';
import { LARGE_MESSAGE_BYTES } from './protocol/large.ts';
import type { Message } from './protocol/message.ts';
import { type Malformed, readMessage } from './protocol/read-message.ts';
import { textOf } from './protocol/utf8.ts';

export type ReadResult = Message | Malformed;

/** What the thread gets. */
export interface LargeMessage {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly maxKeys: number;
}

export interface Tasks {
  /**
   * Reads one message of a server: at once when it is small, in a thread when it is larger than LARGE_MESSAGE_BYTES.
   * Large bytes are given away: they must fill an ArrayBuffer of their own.
   */
  readMessage(source: string | Uint8Array): ReadResult | Promise<ReadResult>;
  /** The same of a client, whose messages are held to a number of keys. */
  readClientMessage(source: string | Uint8Array): ReadResult | Promise<ReadResult>;
  close(): Promise<void>;
}

/** The bundle keeps the task beside the entry; the sources keep it in the project's `workers/`. */
const MESSAGES_TASK = import.meta.url.endsWith('.ts')
  ? new URL('../workers/messages.ts', import.meta.url)
  : new URL('./workers/messages.js', import.meta.url);

const IDLE_MS = 10_000;

export function createTasks(maxThreads: number): Tasks {
  let threads: Piscina<LargeMessage, ReadResult> | undefined;
  const read = (source: string | Uint8Array, maxKeys: number): ReadResult | Promise<ReadResult> => {
    if (typeof source === 'string') return readMessage(source, maxKeys);
    if (source.byteLength <= LARGE_MESSAGE_BYTES) {
      return readMessage(textOf(source), maxKeys);
    }
    threads ??= new Piscina({
      filename: MESSAGES_TASK.href,
      minThreads: 0,
      maxThreads,
      idleTimeout: IDLE_MS,
    });
    const bytes = source as Uint8Array<ArrayBuffer>;
    return threads.run({ bytes, maxKeys }, { transferList: [bytes.buffer] });
  };
  return {
    readMessage: (source) => read(source, ANY_KEYS),
    readClientMessage: (source) => read(source, MAX_CLIENT_KEYS),
    async close() {
      await threads?.destroy();
    },
  };
}
