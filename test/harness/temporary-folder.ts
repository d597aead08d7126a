/**
 * A folder of a test's own, removed when the test ends. Not for what processes of the test write into until they are
 * ended: ends run in the order of their registration, and this one is among the first.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export function temporaryFolder(t: Pick<TestContext, 'after'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'bridge-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
