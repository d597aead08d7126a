/**
 * Time: the monotonic clock, waits that end, and deadlines that cost next to nothing per request.
 */

/** Monotonic milliseconds; never the wall clock, which jumps. */
export const now = (): number => performance.now();

/** Resolves after `ms`, or at once when `signal` aborts. Does not keep the process alive. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Settles as `promise` does, or rejects with `late()` after `ms`. */
export function within<T>(promise: Promise<T>, ms: number, late: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

export interface Expirable {
  /** Called once, when the time is over and `cancel` was not called. */
  expire(): void;
}

/**
 * Deadlines of equal length, of which nearly all are cancelled before they end (one per request in flight).
 * Entries of one length expire in the order in which they were set, so a Set in insertion order is the queue:
 * setting, refreshing and cancelling cost a Set operation each, and one interval serves them all. Late by at
 * most `resolutionMs`.
 */
export class Deadlines {
  readonly #queues = new Map<number, Map<Expirable, number>>();
  readonly #interval: NodeJS.Timeout;

  constructor(resolutionMs = 100) {
    this.#interval = setInterval(() => this.#sweep(), resolutionMs);
    this.#interval.unref();
  }

  /** Starts, or starts again, the deadline of `entry`. */
  set(entry: Expirable, lengthMs: number): void {
    let queue = this.#queues.get(lengthMs);
    if (queue === undefined) {
      queue = new Map();
      this.#queues.set(lengthMs, queue);
    } else {
      queue.delete(entry);
    }
    queue.set(entry, now() + lengthMs);
  }

  cancel(entry: Expirable, lengthMs: number): void {
    this.#queues.get(lengthMs)?.delete(entry);
  }

  close(): void {
    clearInterval(this.#interval);
    this.#queues.clear();
  }

  #sweep(): void {
    const time = now();
    for (const queue of this.#queues.values()) {
      for (const [entry, expiresAt] of queue) {
        if (expiresAt > time) break;
        queue.delete(entry);
        entry.expire();
      }
    }
  }
}
