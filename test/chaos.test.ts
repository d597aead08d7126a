import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runChaos } from './chaos/chaos.ts';
import { chaosReport } from './chaos/report.ts';

test('a bridge under load survives a seeded run of every fault', { timeout: 180_000 }, async (t) => {
  const options = { minutes: 0.3, rate: 100, seed: 20 };
  const result = await runChaos(options);
  t.diagnostic(chaosReport(options, result));
  const broken = result.musts.filter(({ count }) => count > 0);
  assert.deepEqual(broken, [], result.notes.join('\n'));
  const absent = [...result.injected].filter(([, count]) => count === 0).map(([kind]) => kind);
  assert.deepEqual(absent, []);
  assert.ok(result.tally.answered > result.tally.failed, 'more calls must be answered than fail');
});
