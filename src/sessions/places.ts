/**
 * The places that one worker has of something, and who holds them: no principal takes the last quarter, so that one
 * who takes all he can leaves room for others.
 */
import { BridgeError } from '../errors.ts';

export class Places {
  readonly #max: number;
  readonly #what: string;
  readonly #held = new Map<string, number>();
  #total = 0;

  /** `what`: many of them, for the sentence of a refusal. */
  constructor(max: number, what: string) {
    this.#max = max;
    this.#what = what;
  }

  /** Throws `at_limit`. */
  take(principal: string): void {
    const held = this.#held.get(principal) ?? 0;
    if (this.#total >= this.#max) {
      throw new BridgeError('at_limit', `This worker holds ${this.#max} ${this.#what}, which is its limit.`);
    }
    const most = Math.ceil(this.#max * 0.75);
    if (held >= most) {
      throw new BridgeError(
        'at_limit',
        `This worker holds ${most} ${this.#what} for you, which is the limit for one principal.`,
      );
    }
    this.hold(principal);
  }

  /** As `take`, of what cannot be refused any more. */
  hold(principal: string): void {
    this.#held.set(principal, (this.#held.get(principal) ?? 0) + 1);
    this.#total++;
  }

  free(principal: string): void {
    const held = this.#held.get(principal) ?? 0;
    if (held === 0) return;
    if (held === 1) this.#held.delete(principal);
    else this.#held.set(principal, held - 1);
    this.#total--;
  }
}
