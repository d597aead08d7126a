/**
 * The worker's task threads (Piscina), for what would block the event loop. They start with the first task and
 * end when there is nothing to do for a while. Where none can be started (no memory, no file descriptor is left) the
 * loop does the work after all: a message read late is better than a worker that ends.
 */
import { Piscina, valueSymbol } from 'piscina';
import { readLargeBridgeCall, readLargeMessage } from '../workers/messages.ts';
import { BridgeError } from './errors.ts';
import type { BridgeCall } from './protocol/bridge-call.ts';
import { ANY_KEYS, MAX_CLIENT_KEYS } from './protocol/json-scanner.ts';
import { LARGE_MESSAGE_BYTES } from './protocol/large.ts';
import type { Message } from './protocol/message.ts';
import { OwnBytes } from './protocol/own-bytes.ts';
import { type Malformed, readMessage } from './protocol/read-message.ts';
import { textOf } from './protocol/utf8.ts';

export type ReadResult = Message | Malformed;

/** What the thread gets. */
export interface LargeMessage {
  /** In a row they are the message. */
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
  readonly maxKeys: number;
}

interface LargeBridgeCall {
  readonly call: BridgeCall;
  /** The bytes that were given. */
  readonly body: Uint8Array;
}

/** What the thread gives: an error does not come over with its class. */
export type BridgeCallResult = LargeBridgeCall | { readonly refused: string };

export interface Tasks {
  /**
   * Reads one message of a server: at once when it is small, in a thread when it is larger than LARGE_MESSAGE_BYTES or
   * comes in parts. What goes to a thread is given away: the ArrayBuffers that bytes and parts fill alone become empty.
   */
  readMessage(source: string | Uint8Array | readonly Uint8Array[]): ReadResult | Promise<ReadResult>;
  /** The same of a client, whose messages are held to a number of keys. */
  readClientMessage(source: string | Uint8Array): ReadResult | Promise<ReadResult>;
  /** `readBridgeCall` in a thread; rejects with what that throws. The bytes are given away and come back. */
  readBridgeCall(body: Uint8Array): Promise<LargeBridgeCall>;
  close(): Promise<void>;
}

/** The bundle keeps the task beside the entry; the sources keep it in the project's `workers/`. */
const MESSAGES_TASK = import.meta.url.endsWith('.ts')
  ? new URL('../workers/messages.ts', import.meta.url)
  : new URL('./workers/messages.js', import.meta.url);

const TASKS = { readLargeMessage, readLargeBridgeCall };
type TaskName = keyof typeof TASKS;

const IDLE_MS = 10_000;

export function createTasks(maxThreads: number): Tasks {
  let threads: Piscina<LargeMessage, unknown> | undefined;
  const unfinished = new Map<LargeMessage, AbortController>();
  const startThreads = (): Piscina<LargeMessage, unknown> => {
    const started = new Piscina<LargeMessage, unknown>({
      filename: MESSAGES_TASK.href,
      // Looked up when a thread starts, before it is told a task.
      name: 'readLargeMessage' satisfies TaskName,
      minThreads: 0,
      maxThreads,
      idleTimeout: IDLE_MS,
    });
    // A thread did not start. Nobody else would tell those who wait for it.
    started.on('error', () => {
      for (const [message, waiting] of unfinished) if (isHere(message)) waiting.abort();
    });
    return started;
  };
  const run = async (name: TaskName, source: readonly Uint8Array[], maxKeys: number): Promise<unknown> => {
    threads ??= startThreads();
    const parts = source.map(alone);
    const message = { parts, maxKeys };
    const waiting = new AbortController();
    unfinished.set(message, waiting);
    try {
      const transferList = parts.map(({ buffer }) => buffer);
      return await threads.run(message, { name, transferList, signal: waiting.signal });
    } catch (error) {
      if (!isHere(message)) throw error;
      return onTheLoop(name, message);
    } finally {
      unfinished.delete(message);
    }
  };
  const read = (
    source: string | Uint8Array | readonly Uint8Array[],
    maxKeys: number,
  ): ReadResult | Promise<ReadResult> => {
    if (typeof source === 'string') return readMessage(source, maxKeys);
    if (!(source instanceof Uint8Array))
      return run('readLargeMessage', source, maxKeys).then((found) => owned(found as ReadResult));
    if (source.byteLength <= LARGE_MESSAGE_BYTES) return readMessage(textOf(source), maxKeys);
    return read([source], maxKeys);
  };
  return {
    readMessage: (source) => read(source, ANY_KEYS),
    readClientMessage: (source) => read(source, MAX_CLIENT_KEYS),
    async readBridgeCall(body) {
      const found = (await run('readLargeBridgeCall', [body], MAX_CLIENT_KEYS)) as BridgeCallResult;
      if ('refused' in found) throw new BridgeError('invalid_request', found.refused);
      return found;
    },
    async close() {
      await threads?.destroy();
    },
  };
}

/** No thread has taken it. */
const isHere = ({ parts }: LargeMessage): boolean => parts.some(({ byteLength }) => byteLength > 0);

function onTheLoop(name: TaskName, message: LargeMessage): unknown {
  const result = TASKS[name](message);
  const isMoved = typeof result === 'object' && result !== null && valueSymbol in result;
  return isMoved ? result[valueSymbol] : result;
}

/** In an ArrayBuffer that nobody else has a part of. */
const alone = (part: Uint8Array): Uint8Array<ArrayBuffer> =>
  part.byteLength === part.buffer.byteLength ? (part as Uint8Array<ArrayBuffer>) : new Uint8Array(part);

/** What came back from a thread is nobody else's. */
function owned(found: ReadResult): ReadResult {
  if (found.kind === 'malformed' || typeof found.text === 'string') return found;
  const { buffer, byteOffset, byteLength } = found.text as Uint8Array<ArrayBuffer>;
  return { ...found, text: new OwnBytes(buffer, byteOffset, byteLength) };
}
