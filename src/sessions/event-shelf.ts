/**
 * What is kept of event streams for clients whose connection broke: the latest messages, bounded in number and in
 * bytes, for each stream, each session and the whole worker. Beyond a bound the oldest goes.
 */
import type { Chunk } from '../http/engine.ts';

export interface ShelfLimits {
  readonly events: number;
  readonly bytes: number;
}

const STREAM_LIMITS: ShelfLimits = { events: 256, bytes: 16_777_216 };
const SESSION_LIMITS: ShelfLimits = { events: 1_024, bytes: 16_777_216 };
const WORKER_LIMITS: ShelfLimits = { events: 65_536, bytes: 67_108_864 };

export type EventData = Chunk | readonly Chunk[];

/** One message of a stream. */
export class Kept {
  /** Its place in the stream, from 1 on. */
  readonly number: number;
  readonly data: EventData;
  readonly bytes: number;
  /** That of its stream. */
  readonly shelf: Shelf;

  constructor(number: number, data: EventData, shelf: Shelf) {
    this.number = number;
    this.data = data;
    this.bytes = bytesOf(data);
    this.shelf = shelf;
  }
}

/** A shelf within a larger one: what stands on it stands on that one too. */
export class Shelf {
  readonly #limits: ShelfLimits;
  readonly #within: Shelf | undefined;
  /** Oldest first. */
  readonly #kept = new Set<Kept>();
  #bytes = 0;

  constructor(limits: ShelfLimits, within?: Shelf) {
    this.#limits = limits;
    this.#within = within;
  }

  get size(): number {
    return this.#kept.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** In the order of their numbers. */
  [Symbol.iterator](): IterableIterator<Kept> {
    return this.#kept.values();
  }

  put(number: number, data: EventData): void {
    const kept = new Kept(number, data, this);
    for (let shelf: Shelf | undefined = this; shelf !== undefined; shelf = shelf.#within) {
      shelf.#kept.add(kept);
      shelf.#bytes += kept.bytes;
    }
    for (let shelf: Shelf | undefined = this; shelf !== undefined; shelf = shelf.#within) shelf.#trim();
  }

  /** Takes one off this shelf, on which it was put, and those around it. */
  drop(kept: Kept): void {
    for (let shelf: Shelf | undefined = this; shelf !== undefined; shelf = shelf.#within) {
      if (shelf.#kept.delete(kept)) shelf.#bytes -= kept.bytes;
    }
  }

  clear(): void {
    for (const kept of this.#kept) this.drop(kept);
  }

  #trim(): void {
    const { events, bytes } = this.#limits;
    for (const oldest of this.#kept) {
      if (this.#kept.size <= events && this.#bytes <= bytes) return;
      oldest.shelf.drop(oldest);
    }
  }
}

export const workerShelf = (): Shelf => new Shelf(WORKER_LIMITS);
export const sessionShelf = (worker: Shelf): Shelf => new Shelf(SESSION_LIMITS, worker);
export const streamShelf = (session: Shelf): Shelf => new Shelf(STREAM_LIMITS, session);

function bytesOf(data: EventData): number {
  if (typeof data === 'string') return Buffer.byteLength(data);
  if (data instanceof Uint8Array) return data.byteLength;
  let bytes = 0;
  for (const part of data) bytes += bytesOf(part);
  return bytes;
}
