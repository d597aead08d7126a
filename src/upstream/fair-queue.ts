/**
 * A queue with a lane for each of those who wait: they are served in turn, so that one who sends much waits behind
 * himself and not before the others. Within a lane, first come, first served.
 */
export class FairQueue<T> {
  /** In the order of their turns. */
  readonly #lanes = new Map<string, Set<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(lane: string, item: T): void {
    const items = this.#lanes.get(lane);
    if (items === undefined) this.#lanes.set(lane, new Set([item]));
    else items.add(item);
    this.#size++;
  }

  /** Takes the next one, and lets its lane wait for all others. */
  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    for (const [lane, items] of this.#lanes) {
      this.#lanes.delete(lane);
      for (const item of items) {
        items.delete(item);
        if (items.size > 0) this.#lanes.set(lane, items);
        this.#size--;
        return item;
      }
    }
    return undefined;
  }

  /** False when it does not wait here. */
  delete(lane: string, item: T): boolean {
    const items = this.#lanes.get(lane);
    if (items?.delete(item) !== true) return false;
    if (items.size === 0) this.#lanes.delete(lane);
    this.#size--;
    return true;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (const items of this.#lanes.values()) yield* items;
  }
}
