/**
 * Time: the monotonic clock, waits that end, and deadlines that cost next to nothing per request.
 */

// Not the global ones, which are getters.
import { performance } from 'node:perf_hooks';
import { nextTick } from 'node:process';

/** Monotonic milliseconds; never the wall clock, which jumps. */
export const now = (): number => performance.now();

let lastRead: number | undefined;
const forget = (): void => {
  lastRead = undefined;
};

/**
 * The same, read once for all that happens in one go: for requests that are served together, and do not measure what
 * takes no time.
 */
export function roughlyNow(): number {
  if (lastRead === undefined) {
    lastRead = now();
    nextTick(forget);
  }
  return lastRead;
}

/** Resolves after `ms`. Does not keep the process alive. */
export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });

/** Settles as `promise` does, or rejects with `late()` after `ms`. */
export function within<T>(promise: Promise<T>, ms: number, late: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** What has a deadline; it is itself the link of the list that it waits in. */
export abstract class Expirable {
  /** Monotonic; set by Deadlines. */
  expiresAt = 0;
  before: Expirable = this;
  after: Expirable = this;

  /** Called once, when the time is over and `cancel` was not called. */
  abstract expire(): void;
}

/** The ring that holds a queue together. */
class Ring extends Expirable {
  override expire(): void {
    throw new TypeError('the ring of a queue never expires');
  }
}

/**
 * Deadlines of equal length, of which nearly all are cancelled before they end (one per request in flight).
 * Entries of one length expire in the order in which they were set, so each length has a queue: setting,
 * refreshing and cancelling move a link, and one interval serves them all. Late by at most `resolutionMs`.
 */
export class Deadlines {
  readonly #queues = new Map<number, Ring>();
  readonly #interval: NodeJS.Timeout;

  constructor(resolutionMs = 100) {
    this.#interval = setInterval(() => this.#sweep(), resolutionMs);
    this.#interval.unref();
  }

  /** Starts, or starts again, the deadline of `entry`. `nowMs` is the monotonic time, for callers that have it. */
  set(entry: Expirable, lengthMs: number, nowMs = now()): void {
    let ring = this.#queues.get(lengthMs);
    if (ring === undefined) {
      ring = new Ring();
      this.#queues.set(lengthMs, ring);
    }
    unlink(entry);
    entry.expiresAt = nowMs + lengthMs;
    entry.before = ring.before;
    entry.after = ring;
    ring.before.after = entry;
    ring.before = entry;
  }

  /** No-op for an entry that has no deadline. */
  cancel(entry: Expirable): void {
    unlink(entry);
  }

  close(): void {
    clearInterval(this.#interval);
    this.#queues.clear();
  }

  #sweep(): void {
    const time = now();
    for (const ring of this.#queues.values()) {
      for (let first = ring.after; first !== ring && first.expiresAt <= time; first = ring.after) {
        unlink(first);
        first.expire();
      }
    }
  }
}

function unlink(entry: Expirable): void {
  entry.before.after = entry.after;
  entry.after.before = entry.before;
  entry.before = entry;
  entry.after = entry;
}
