/**
 * Things in flight, each under a number that no other one ever gets. Not a Map: one whose entries come and go leaves
 * its outgrown tables behind, linked to each other and full of what was in flight then, and the young generation's
 * collector, which takes old memory for alive, keeps all of that. A third of all requests grew old that way.
 *
 *   id = serial * stride + place
 */
export class IdTable<T> {
  readonly #stride: number;
  readonly #items: (T | undefined)[] = [];
  readonly #ids: number[] = [];
  /** Places that are empty. */
  readonly #free: number[] = [];
  #serial = 0;

  /** Holds at most `capacity` at once. Ids stay exact for 2^53 / `capacity` additions: years. */
  constructor(capacity: number) {
    this.#stride = capacity;
  }

  get size(): number {
    return this.#items.length - this.#free.length;
  }

  get isFull(): boolean {
    return this.size >= this.#stride;
  }

  /** The id of `item`. Throws RangeError when it is full. */
  add(item: T): number {
    if (this.isFull) throw new RangeError(`more than ${this.#stride} in flight`);
    const place = this.#free.pop() ?? this.#items.length;
    const id = ++this.#serial * this.#stride + place;
    this.#items[place] = item;
    this.#ids[place] = id;
    return id;
  }

  get(id: number): T | undefined {
    const place = this.#place(id);
    return this.#ids[place] === id ? this.#items[place] : undefined;
  }

  /** False when nothing had this id, or nothing has it any more. */
  delete(id: number): boolean {
    const place = this.#place(id);
    if (this.#ids[place] !== id || this.#items[place] === undefined) return false;
    this.#items[place] = undefined;
    this.#free.push(place);
    return true;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (const item of this.#items) if (item !== undefined) yield item;
  }

  /** Any number in, also one that a server made up; a place outside of the table holds nothing. */
  #place(id: number): number {
    return id - Math.floor(id / this.#stride) * this.#stride;
  }
}
