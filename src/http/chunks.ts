/** Chunks of an answer, put together with as little copying as their sizes ask for. */
import { Buffer } from 'node:buffer';
import type { Chunk } from './engine.ts';

/** At least the bytes of `body` in UTF-8, without encoding it. */
export function lengthBound(body: Chunk | readonly Chunk[]): number {
  if (typeof body === 'string') return body.length * 3;
  if (body instanceof Uint8Array) return body.byteLength;
  let bytes = 0;
  for (const chunk of body) bytes += typeof chunk === 'string' ? chunk.length * 3 : chunk.byteLength;
  return bytes;
}

export const asBytes = (chunk: Chunk): Uint8Array => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk);

/** One chunk of all; a string when all are strings. */
export function joinChunks(body: Chunk | readonly Chunk[]): Chunk {
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  const [only] = body;
  if (only === undefined) return '';
  if (body.length === 1) return only;
  let text = '';
  for (const chunk of body) {
    if (typeof chunk !== 'string') return Buffer.concat(body.map(asBytes));
    text += chunk;
  }
  return text;
}
