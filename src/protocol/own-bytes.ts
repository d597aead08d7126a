/**
 * The bytes of a large message, in memory that is theirs alone and goes back at once when they were sent. Left to the
 * garbage collector they cost far more: V8 counts the memory outside of its heap, and marks the whole heap, 10 ms of
 * the event loop, for every few dozen megabytes of it, however little of the heap has changed.
 */
import { MessageChannel } from 'node:worker_threads';

/** Slices of it are such bytes too. Whoever sends them last gives them up; nobody keeps them for later. */
export class OwnBytes extends Uint8Array<ArrayBuffer> {}

/** A closed port still takes what is transferred over it, and lets go of it: ArrayBuffer.transfer for Node before 22. */
const nowhere = new MessageChannel().port1;
nowhere.close();

/** Gives back the memory of those chunks that are OwnBytes, and of all other slices of it. */
export function giveUp(chunks: readonly unknown[]): void {
  for (const chunk of chunks) {
    // Empty when another slice went first.
    if (chunk instanceof OwnBytes && chunk.byteLength > 0) free(chunk.buffer);
  }
}

export function free(memory: ArrayBuffer): void {
  nowhere.postMessage(undefined, [memory]);
}
