/**
 * What is known of the eras that a server speaks, for a while: a server is updated without the bridge being told.
 */
const REMEMBERED_MS = 600_000;

export class Eras {
  #modern: boolean | undefined;
  #refusesLegacy = false;
  #learntAt = 0;

  /** Whether it speaks 2026-07-28; undefined when nobody knows, or not any more. */
  speaksModern(nowMs: number): boolean | undefined {
    this.#fade(nowMs);
    return this.#modern;
  }

  /** It has refused the handshake of the legacy revisions. */
  refusesLegacy(nowMs: number): boolean {
    this.#fade(nowMs);
    return this.#refusesLegacy;
  }

  probed(modern: boolean, nowMs: number): void {
    this.#modern = modern;
    this.#learntAt = nowMs;
  }

  refusedLegacy(nowMs: number): void {
    this.probed(true, nowMs);
    this.#refusesLegacy = true;
  }

  /** A start has contradicted what was known. */
  forget(): void {
    this.#modern = undefined;
    this.#refusesLegacy = false;
  }

  #fade(nowMs: number): void {
    if (nowMs - this.#learntAt > REMEMBERED_MS) this.forget();
  }
}
