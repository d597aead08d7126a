/** The metrics of several real processes, merged as a scrape merges them, and judged by Prometheus's own tool. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PRIMARY_METRICS, WORKER_METRICS } from '../src/metrics/catalogue.ts';
import { renderMetrics, retire } from '../src/metrics/merge.ts';

const METRICS = fileURLToPath(new URL('../src/metrics/metrics.ts', import.meta.url));

/** Fills every metric of a worker or of the primary, then sends its snapshot. */
const PROCESS = `
  const { createMetrics, createPrimaryMetrics } = await import(process.env.METRICS);
  const slot = process.env.SLOT;
  const metrics = slot === 'primary'
    ? createPrimaryMetrics({ version: '1.2.3' })
    : createMetrics({ slot: Number(slot), version: '1.2.3', engine: 'uws' });
  const { snapshot, close, eventLoopLag, buildInfo, ...instruments } = metrics;
  for (const [key, instrument] of Object.entries(instruments)) {
    const labels = JSON.parse(process.env.LABELS)[key].map((name) => name + ' "é"');
    if ('collect' in instrument) instrument.collect((set) => set(2, ...labels));
    else {
      const child = instrument.child(...labels);
      if ('add' in child) child.add();
      else child.observe(0.003);
    }
  }
  globalThis.gc();
  setTimeout(() => process.send(metrics.snapshot(), () => process.disconnect()), 50);
`;

async function snapshotOf(slot: string): Promise<unknown> {
  const table = slot === 'primary' ? PRIMARY_METRICS : WORKER_METRICS;
  const labels = Object.fromEntries(Object.entries(table).map(([key, of]) => [key, of.labels]));
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--import', 'tsx', '--input-type=module', '-e', PROCESS],
    {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, METRICS, SLOT: slot, LABELS: JSON.stringify(labels) },
    },
  );
  const exit = once(child, 'exit');
  const [snapshot] = await Promise.race([
    once(child, 'message'),
    exit.then(([code]) => Promise.reject(new Error(`slot ${slot} exited with ${code} and sent nothing`))),
  ]);
  await exit;
  return snapshot;
}

test('the metrics of three processes and a retired one are summed, and promtool has nothing to say', async (t) => {
  const [zero, one, primary] = await Promise.all(['0', '1', 'primary'].map(snapshotOf));
  const text = await renderMetrics([retire(undefined, one), zero, one, primary]);

  await t.test('every metric of the catalogue is there, counters and gauges summed as documented', () => {
    for (const { name } of Object.values({ ...WORKER_METRICS, ...PRIMARY_METRICS })) {
      assert.match(text, new RegExp(`^${name}(_count)?(\\{.*\\})? [0-9.e-]+$`, 'm'));
    }
    assert.match(text, /^mcp_bridge_rate_limited_total 3$/m);
    assert.match(text, /^mcp_bridge_upstream_start_seconds_count\{.*\} 3$/m);
    assert.match(text, /^mcp_bridge_upstream_memory_bytes\{.*\} 4$/m);
    assert.match(text, /^mcp_bridge_build_info\{version="1.2.3",node="v[^"]+",engine="uws"\} 1$/m);
  });

  await t.test('process metrics are shown by slot', () => {
    for (const slot of ['0', '1', 'primary']) {
      assert.match(text, new RegExp(`^process_resident_memory_bytes\\{slot="${slot}"\\} [1-9]`, 'm'));
      assert.match(text, new RegExp(`^process_start_time_seconds\\{slot="${slot}"\\} [1-9]`, 'm'));
    }
    assert.doesNotMatch(text, /NaN|null|undefined/);
  });

  const missing = spawnSync('promtool', ['--version']).error !== undefined;
  if (missing && process.env['CI']) assert.fail('promtool is not installed, and CI must not skip its check');
  const skip =
    missing && 'promtool is not installed (Debian: apt install prometheus): exposition not checked';
  await t.test('promtool check metrics is silent', { skip }, () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    });
    assert.equal(stdout + stderr, '');
    assert.equal(status, 0);
  });
});
