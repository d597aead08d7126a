/**
 * Waiting for what only polling can see (another process, a port): until it holds, or 20 s have passed.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 20_000;
const STEP_MS = 20;

/** The first value of `look` that is neither undefined nor false. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
): Promise<Exclude<T, undefined | false>> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
    if (performance.now() > end) throw new Error(`waited ${PATIENCE_MS} ms in vain for: ${what}`);
    await sleep(STEP_MS);
  }
}
