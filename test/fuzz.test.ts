/** A short run of `npm run fuzz`, the same every time. */
import assert from 'node:assert/strict';
import { fuzz } from './fuzz/fuzz.ts';
import { fuzzReport } from './fuzz/report.ts';
import { forEachEngine } from './harness/engines.ts';

forEachEngine('nonsense from clients and from a server harms nobody', async (t, engine) => {
  const result = await fuzz(t, { engine, seed: 7, inputs: 2_000, lines: 2_000 });
  assert.deepEqual(result.faults, [], fuzzReport(result));
  const total = [...result.sent.values()].flatMap((outcomes) => [...outcomes.values()]);
  assert.ok(total.reduce((sum, count) => sum + count, 0) >= 2_000);
  assert.equal(result.lines, 2_000);
});
