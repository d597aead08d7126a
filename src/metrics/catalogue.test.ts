import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Description, PRIMARY_METRICS, WORKER_METRICS } from './catalogue.ts';

const METRICS: readonly Description[] = Object.values<Description>({ ...WORKER_METRICS, ...PRIMARY_METRICS });

/** The table of docs/metrics.md. When this test fails, paste it from the failure's text. */
const table = [
  '| metric | type | labels | meaning |',
  '| --- | --- | --- | --- |',
  ...METRICS.map(({ name, type, labels, help }) => {
    const names = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${names} | ${help} |`;
  }),
].join('\n');

test('docs/metrics.md shows the catalogue as it is', () => {
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const shown = page.match(/^\| metric \|.*?(?=\n\n)/ms)?.[0];
  assert.equal(shown, table);
});

test('every PromQL example of docs/metrics.md names metrics that exist', () => {
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const known = new Set(
    METRICS.flatMap(({ name }) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]),
  );
  const named = [...page.matchAll(/\bmcp_bridge_[a-z_]+/g)]
    .map(([name]) => name)
    .filter((n) => n !== 'mcp_bridge_');
  assert.deepEqual(
    named.filter((name) => !known.has(name)),
    [],
  );
});

test('names are unique, counters end in _total and nothing else does, buckets ascend', () => {
  assert.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
  for (const { name, type, buckets } of METRICS) {
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.equal(buckets.length > 0, type === 'histogram', name);
    assert.deepEqual(
      buckets,
      [...buckets].sort((a, b) => a - b),
    );
  }
});

test('docs/metrics.md names every value of the labels that the source has a type for', () => {
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const types: readonly [row: string, file: string, type: string][] = [
    ['`outcome` of `upstream_requests_total`', 'upstream/connection.ts', 'Outcome'],
    ['`state` of `upstream_children`', 'pool/child.ts', 'ChildState'],
    ['`state` of `upstream_breaker`', 'pool/breaker.ts', 'BreakerState'],
    ['`reason` of `sessions_closed_total`', 'sessions/store.ts', 'CloseReason'],
    ['`reason` of `auth_failures_total`', 'http/auth.ts', 'AuthFailure'],
    ['`reason` of `worker_restarts_total`', 'supervisor/fleet-state.ts', 'RestartReason'],
  ];
  for (const [row, file, type] of types) {
    const source = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
    const union = new RegExp(`type ${type} =([^;]+);`).exec(source)?.[1] ?? '';
    const values = Array.from(union.matchAll(/'([a-z_]+)'/g), ([, value = '']) => value);
    assert.ok(values.length > 2, `${type} of ${file} has no values`);
    const [, cell = ''] = page.split(`| ${row} |`);
    const [line = ''] = cell.split('\n');
    assert.deepEqual(
      values.filter((value) => !line.includes(`\`${value}\``)),
      [],
      row,
    );
  }
});
