import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isBad, judge } from './conformance/baseline.ts';
import { readBaseline } from './conformance/modes.ts';
import { runSuite } from './conformance/suite.ts';
import { startBridge } from './conformance/target.ts';

test('every scored legacy scenario of the official conformance suite passes through the bridge', {
  timeout: 90_000,
}, async (t) => {
  const bridge = await startBridge('legacy');
  t.after(() => bridge.stop());
  const results = await runSuite('legacy', { url: bridge.url, signal: t.signal });
  assert.equal(results.length, 30);
  assert.deepEqual(judge(results, await readBaseline('legacy')).filter(isBad), []);
});
