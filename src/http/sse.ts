/** Server-sent events as text. Data is one line: a JSON message without line breaks. */
import type { Chunk, HeaderPairs } from './engine.ts';

const LF = 0x0a;

/** Does nothing at the client; keeps proxies from closing a silent stream. */
export const SSE_COMMENT = ':\n\n';

/** One `message` event. `id` makes it resumable; it must not hold a line break. */
export function sseEvent(data: Chunk | readonly Chunk[], id?: string): Chunk | readonly Chunk[] {
  const head = id === undefined ? 'event: message\ndata: ' : `event: message\nid: ${id}\ndata: `;
  if (typeof data === 'string') return `${head}${data}\n\n`;
  return data instanceof Uint8Array ? [head, data, '\n\n'] : [head, ...data, '\n\n'];
}

/** An event of another name, as the transport of 2024-11-05 needs (`endpoint`). */
export function sseNamedEvent(name: string, data: string): string {
  return `event: ${name}\ndata: ${data}\n\n`;
}

/** An id and no data: a client of 2025-11-25 can resume from here before the first message. */
export function ssePriming(id: string): string {
  return `id: ${id}\ndata: \n\n`;
}

/** Whether an answer with these headers is such a stream. */
export const isEventStream = (headers: HeaderPairs): boolean =>
  headers.some(([name, value]) => name === 'Content-Type' && value === 'text/event-stream');

/** Whether the chunk is the end of an event; in data, which is JSON, there is no line break. */
export function endsEvent(chunk: Chunk | readonly Chunk[]): boolean {
  if (typeof chunk === 'string') return chunk.endsWith('\n\n');
  if (chunk instanceof Uint8Array) return chunk.at(-1) === LF && chunk.at(-2) === LF;
  const last = chunk.at(-1);
  return last !== undefined && endsEvent(last);
}

/** How long the client should wait before it connects again. */
export function sseRetry(retryMs: number): string {
  return `retry: ${retryMs}\n\n`;
}
