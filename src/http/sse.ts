/** Server-sent events as text. Data is one line: a JSON message without line breaks. */
import type { Chunk } from './engine.ts';

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

/** How long the client should wait before it connects again. */
export function sseRetry(retryMs: number): string {
  return `retry: ${retryMs}\n\n`;
}
