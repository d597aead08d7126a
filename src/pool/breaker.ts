/**
 * Stops hammering a server that cannot start. Counts failed starts in a row; pure but for its own counters.
 *
 *   closed --3 failed starts--> open --back-off over--> half-open --one trial--> closed, or open for longer
 */
const FAILURES_TO_OPEN = 3;
const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 30_000;

export type BreakerState = 'closed' | 'open' | 'half_open';

export class Breaker {
  readonly #random: () => number;
  #failures = 0;
  #openUntil = 0;
  #trial = false;

  /** `random` gives [0, 1); it spreads the trials of many workers. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  state(nowMs: number): BreakerState {
    if (this.#failures < FAILURES_TO_OPEN) return 'closed';
    return nowMs < this.#openUntil ? 'open' : 'half_open';
  }

  /** Milliseconds until a start may be tried; 0 when it may now. Half-open, only the first caller gets 0. */
  waitMs(nowMs: number): number {
    const state = this.state(nowMs);
    if (state === 'closed') return 0;
    if (state === 'open') return this.#openUntil - nowMs;
    return this.#trial ? FIRST_BACKOFF_MS : 0;
  }

  /** A start is under way. */
  trying(): void {
    this.#trial = true;
  }

  /** The start did not come about, for a reason that is not the server's. */
  untried(): void {
    this.#trial = false;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#trial = false;
  }

  failed(nowMs: number): void {
    this.#trial = false;
    this.#failures++;
    const doublings = Math.max(0, this.#failures - FAILURES_TO_OPEN);
    const backoffMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** doublings);
    this.#openUntil = nowMs + backoffMs * (0.75 + this.#random() / 2);
  }
}
