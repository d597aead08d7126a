/**
 * Latencies of one run and their percentiles.
 */
export class Latencies {
  #us: Float64Array = new Float64Array(65_536);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(us: number): void {
    if (this.#count === this.#us.length) {
      const wider = new Float64Array(this.#us.length * 2);
      wider.set(this.#us);
      this.#us = wider;
    }
    this.#us[this.#count++] = us;
  }

  /** Microseconds at `share` (0 to 1); NaN when nothing was added. */
  percentile(share: number): number {
    const sorted = this.#us.subarray(0, this.#count).toSorted();
    return sorted[Math.min(this.#count - 1, Math.floor(this.#count * share))] ?? Number.NaN;
  }
}
