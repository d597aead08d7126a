/**
 * One test on both HTTP engines; where the binary of uWebSockets.js does not load, its half is skipped and says so.
 */
import { createRequire } from 'node:module';
import { type TestContext, test } from 'node:test';

export type EngineName = 'uws' | 'node';

export function forEachEngine(
  name: string,
  body: (t: TestContext, engine: EngineName) => Promise<void>,
): void {
  const skip = uwsFailure();
  test(`${name} (uws)`, { skip }, (t) => body(t, 'uws'));
  test(`${name} (node)`, (t) => body(t, 'node'));
}

/** Why uWebSockets.js does not load here; false when it does. */
export function uwsFailure(): string | false {
  try {
    createRequire(import.meta.url)('uWebSockets.js');
    return false;
  } catch (error) {
    return `uWebSockets.js does not load here: ${(error as Error).message}`;
  }
}
