/**
 * A worker's requests against the limits of the whole bridge, joined: all that the event loop has at hand goes to
 * the primary as one message per kind. Exact: what was granted and found no taker is given back.
 */
import type { QuotaKind } from './messages.ts';

export interface GrantWire {
  acquire(seq: number, kind: QuotaKind, count: number): void;
  release(kind: QuotaKind, count: number): void;
}

interface Waiter {
  readonly count: number;
  readonly settle: (granted: boolean) => void;
}

interface Batch {
  readonly kind: QuotaKind;
  /** Emptied when nobody waits any more. */
  readonly waiters: Waiter[];
  readonly timer: NodeJS.Timeout;
}

const KINDS = ['sessions', 'children'] as const satisfies readonly QuotaKind[];
/** A primary that is silent for so long grants nothing. */
const GRANT_MS = 5_000;

export class Grants {
  readonly #wire: GrantWire;
  readonly #wanted: Record<QuotaKind, Waiter[]> = { sessions: [], children: [] };
  readonly #released: Record<QuotaKind, number> = { sessions: 0, children: 0 };
  readonly #asked = new Map<number, Batch>();
  #lastSeq = 0;
  #isFlushing = false;
  #isClosed = false;

  constructor(wire: GrantWire) {
    this.#wire = wire;
  }

  /** False at the limit, and when the primary is gone or silent; never rejects. */
  acquire(kind: QuotaKind, count: number): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    return new Promise((settle) => {
      this.#wanted[kind].push({ count, settle });
      this.#flushSoon();
    });
  }

  release(kind: QuotaKind, count: number): void {
    this.#released[kind] += count;
    this.#flushSoon();
  }

  /** The primary's answer. First come, first served; late, or too few for the next in line: given back. */
  granted(seq: number, granted: number): void {
    const batch = this.#asked.get(seq);
    if (batch === undefined) return;
    this.#asked.delete(seq);
    const rest = share(batch, granted);
    if (rest > 0) this.release(batch.kind, rest);
  }

  /** The primary is gone: everybody who waits is refused. */
  close(): void {
    this.#isClosed = true;
    for (const batch of this.#asked.values()) share(batch, 0);
    this.#asked.clear();
    for (const kind of KINDS) for (const { settle } of this.#wanted[kind].splice(0)) settle(false);
  }

  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      for (const kind of KINDS) this.#flush(kind);
    });
  }

  /** What is given back goes first: the same message round may want it again. */
  #flush(kind: QuotaKind): void {
    const released = this.#released[kind];
    this.#released[kind] = 0;
    if (released > 0) this.#wire.release(kind, released);
    const waiters = this.#wanted[kind].splice(0);
    if (waiters.length === 0) return;
    const seq = ++this.#lastSeq;
    const batch: Batch = { kind, waiters, timer: setTimeout(() => share(batch, 0), GRANT_MS) };
    this.#asked.set(seq, batch);
    this.#wire.acquire(
      seq,
      kind,
      waiters.reduce((sum, { count }) => sum + count, 0),
    );
  }
}

/** Serves the waiters in order; answers what is left. */
function share({ waiters, timer }: Batch, granted: number): number {
  clearTimeout(timer);
  let rest = granted;
  for (const { count, settle } of waiters.splice(0)) {
    const isServed = count <= rest;
    if (isServed) rest -= count;
    settle(isServed);
  }
  return rest;
}
