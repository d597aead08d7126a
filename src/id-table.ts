/**
 * Things in flight, each under a number that no other one ever gets. Not a Map: one whose entries come and go leaves
 * its outgrown tables behind, linked to each other and full of what was in flight then, and the young generation's
 * collector, which takes old memory for alive, keeps all of that. A third of all requests grew old that way.
 *
 * Ids count up, and an id's place follows from its last bits: one whose place is taken is left out.
 */
const FIRST_PLACES = 64;

export class IdTable<T> {
  readonly #capacity: number;
  readonly #lastId: number;
  /** As many as a power of two, at least half of them empty. */
  #items: (T | undefined)[] = emptyPlaces(FIRST_PLACES);
  #ids: number[] = new Array<number>(FIRST_PLACES).fill(0);
  #size = 0;
  #last = 0;

  /**
   * Holds at most `capacity` at once. Ids stay exact for 2^53 additions, and cheap to write for 2^31; behind `lastId` they
   * begin again.
   */
  constructor(capacity: number, lastId = Number.MAX_SAFE_INTEGER) {
    this.#capacity = capacity;
    this.#lastId = lastId;
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size >= this.#capacity;
  }

  /** The id of `item`. Throws RangeError when it is full. */
  add(item: T): number {
    if (this.isFull) throw new RangeError(`more than ${this.#capacity} in flight`);
    if (this.#size * 2 >= this.#items.length) this.#grow();
    const mask = this.#items.length - 1;
    let id = this.#last + 1;
    while (this.#items[id & mask] !== undefined) id++;
    if (id > this.#lastId) id = this.#first(mask);
    this.#last = id;
    this.#set(id, item);
    return id;
  }

  /** Under an id of somebody else's table, in place of what was under it. Throws RangeError when it is full. */
  put(id: number, item: T): void {
    this.delete(id);
    if (this.isFull) throw new RangeError(`more than ${this.#capacity} in flight`);
    while (this.#items[id & (this.#items.length - 1)] !== undefined) this.#grow();
    this.#set(id, item);
  }

  /** Any number in, also one that a server made up. */
  get(id: number): T | undefined {
    const place = id & (this.#items.length - 1);
    return this.#ids[place] === id ? this.#items[place] : undefined;
  }

  /** False when nothing had this id, or nothing has it any more. */
  delete(id: number): boolean {
    const place = id & (this.#items.length - 1);
    if (this.#ids[place] !== id || this.#items[place] === undefined) return false;
    this.#items[place] = undefined;
    this.#size--;
    return true;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (const item of this.#items) if (item !== undefined) yield item;
  }

  #set(id: number, item: T): void {
    const place = id & (this.#items.length - 1);
    this.#items[place] = item;
    this.#ids[place] = id;
    this.#size++;
  }

  #first(mask: number): number {
    let id = 1;
    while (this.#items[id & mask] !== undefined) id++;
    return id;
  }

  /** Two ids that differ in their last bits differ in one bit more as well: nobody loses his place to another. */
  #grow(): void {
    const [items, ids] = [this.#items, this.#ids];
    const places = items.length * 2;
    this.#items = emptyPlaces(places);
    this.#ids = new Array<number>(places).fill(0);
    for (const [at, item] of items.entries()) {
      if (item === undefined) continue;
      const id = ids[at] as number;
      this.#items[id & (places - 1)] = item;
      this.#ids[id & (places - 1)] = id;
    }
  }
}

const emptyPlaces = <T>(count: number): (T | undefined)[] => new Array<T | undefined>(count).fill(undefined);
