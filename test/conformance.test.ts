import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isBad, judge } from './conformance/baseline.ts';
import { MODES, type ModeName, readBaseline } from './conformance/modes.ts';
import { runSuite } from './conformance/suite.ts';
import { startBridge } from './conformance/target.ts';

/** How many scenarios decide each run. */
const SCORED: Readonly<Record<ModeName, number>> = {
  legacy: 30,
  modern: 40,
  'modern-on-legacy': 38,
  'legacy-on-modern': 30,
};

for (const mode of Object.keys(MODES) as ModeName[]) {
  const { client, server, also } = MODES[mode];

  test(`the official ${client} conformance suite passes through the bridge to a ${server} server`, {
    timeout: 90_000,
  }, async (t) => {
    const bridge = await startBridge(server);
    t.after(() => bridge.stop());
    const results = await runSuite(client, { url: bridge.url, also, signal: t.signal });
    const scored = results.filter(({ required }) => required);
    assert.equal(scored.length, SCORED[mode]);
    assert.deepEqual(judge(results, await readBaseline(mode)).filter(isBad), []);
  });
}
