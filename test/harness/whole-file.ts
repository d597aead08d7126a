/**
 * What all tests of a file share, such as one bridge, ends after the last of them: in the order of its registration,
 * as what one test starts does.
 */
import { after, type TestContext } from 'node:test';

/** To be called at the top of a test file; takes the place of a test's own context where something is started. */
export function wholeFile(): TestContext {
  const ends: (() => unknown)[] = [];
  after(async () => {
    for (const end of ends) await end();
  });
  return { after: (end: () => unknown) => ends.push(end) } as unknown as TestContext;
}
