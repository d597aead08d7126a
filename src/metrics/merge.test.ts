import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderMetrics, retire } from './merge.ts';
import { createMetrics } from './metrics.ts';
import type { Family, Sample } from './tally.ts';

const family = (name: string, type: string, values: readonly Sample[], aggregator = 'sum') => ({
  name,
  help: 'Text.',
  type,
  aggregator,
  values,
});
const one = (name: string, type: string, value: number, labels: Sample['labels'] = {}, aggregator?: string) =>
  family(name, type, [{ value, labels }], aggregator);

/** The sample lines, without HELP and TYPE. */
const lines = async (...parts: unknown[]): Promise<string[]> =>
  (await renderMetrics(parts)).split('\n').filter((line) => line !== '' && !line.startsWith('#'));

test('counters and gauges of equal labels are summed, others stand side by side', async () => {
  const first = [one('c_total', 'counter', 1, { a: 'x' }), one('g', 'gauge', 5)];
  const second = [one('c_total', 'counter', 2, { a: 'x' }), one('g', 'gauge', 6)];
  const third = [one('c_total', 'counter', 4, { a: 'y' })];
  assert.deepEqual(await lines(first, second, third), ['c_total{a="x"} 3', 'c_total{a="y"} 4', 'g 11']);
});

test('build_info stays 1, and the lag of two processes in one slot is the worse one', async () => {
  const info = one('mcp_bridge_build_info', 'gauge', 1, { version: '1' }, 'first');
  const lag = (value: number) => one('lag', 'gauge', value, { slot: 0 }, 'max');
  assert.deepEqual(await lines([info, lag(0.2)], [info, lag(0.1)]), [
    'mcp_bridge_build_info{version="1"} 1',
    'lag{slot="0"} 0.2',
  ]);
});

test('a malformed snapshot is left out and the others are shown', async () => {
  const good = [one('c_total', 'counter', 1)];
  const malformed: unknown[] = [
    undefined,
    null,
    'text',
    {},
    [null],
    [{ name: 'c_total' }],
    [one('c_total', 'counter', Number.NaN)],
    [one('c_total', 'counter', null as unknown as number)],
    [one('not a name', 'counter', 1)],
    [one('c_total', 'counter', 1, { 'not a label': 1 })],
    [one('c_total', 'counter', 1, { a: {} } as unknown as Sample['labels'])],
    [one('c_total', 'counter', 1, {}, 'multiply')],
    [one('c_total', 'table', 1)],
    [{ ...one('c_total', 'counter', 1), values: {} }],
    [{ ...one('c_total', 'counter', 1), help: 1 }],
  ];
  assert.deepEqual(await lines(...malformed, good, ...malformed), ['c_total 1']);
  assert.equal((await lines(...malformed)).length, 0);
});

test('of two types under one name the first is kept', async () => {
  assert.deepEqual(await lines([one('m', 'counter', 1)], [one('m', 'gauge', 7)]), ['m 1']);
});

test('label values are escaped', async () => {
  assert.deepEqual(await lines([one('c_total', 'counter', 1, { a: 'q"\\\n' })]), [
    'c_total{a="q\\"\\\\\\n"} 1',
  ]);
});

test('a retired total keeps counters and histograms, and drops gauges', () => {
  const last = [
    one('c_total', 'counter', 2, { slot: 0 }),
    one('g', 'gauge', 5),
    family('h', 'histogram', [{ value: 1, labels: { le: '+Inf' }, metricName: 'h_bucket' }]),
  ];
  const total = retire(retire(undefined, last), last) as Family[];
  assert.deepEqual(
    total.map(({ name, values }) => [name, values]),
    [
      ['c_total', [{ value: 4, labels: { slot: 0 } }]],
      ['h', [{ value: 2, labels: { le: '+Inf' }, metricName: 'h_bucket' }]],
    ],
  );
  assert.deepEqual(JSON.parse(JSON.stringify(total)), total, 'it is plain JSON');
});

test('a malformed last snapshot leaves the total as it was, a malformed total starts again', () => {
  const total = retire(undefined, [one('c_total', 'counter', 2)]);
  assert.deepEqual(retire(total, 'half a fi'), total);
  assert.deepEqual(retire({ broken: true }, total), total);
  assert.deepEqual(retire(undefined, undefined), []);
});

test('no counter goes back when a worker is replaced, the process counters of its slot included', async (t) => {
  const dead = createMetrics({ slot: 0, version: '1', engine: 'node' });
  t.after(() => dead.close());
  const successor = createMetrics({ slot: 0, version: '1', engine: 'node' });
  t.after(() => successor.close());
  // Process metrics are there a turn of the loop after the start.
  await new Promise((resolve) => setImmediate(resolve));
  dead.httpRequests.child('mcp', 'POST', 200).add(5);
  dead.httpRequestDuration.child('mcp').observe(0.01);
  dead.sessions.collect((set) => set(3, 'everything', 'legacy'));
  successor.httpRequests.child('mcp', 'POST', 200).add();

  const values = async (...parts: unknown[]) =>
    new Map((await lines(...parts)).map((line) => line.split(/ (?=\S+$)/) as [string, string]));
  const before = await values(dead.snapshot());
  const after = await values(retire(undefined, dead.snapshot()), successor.snapshot());

  const counting = [...before.keys()].filter((series) => /_(total|bucket|count|sum)(\{|$)/.test(series));
  assert.ok(counting.includes('process_cpu_seconds_total{slot="0"}'));
  for (const series of counting) {
    assert.ok(Number(after.get(series)) >= Number(before.get(series)), `${series} went back`);
  }
  assert.equal(after.get('mcp_bridge_http_requests_total{route="mcp",method="POST",status="200"}'), '6');
  assert.equal(before.get('mcp_bridge_sessions{server="everything",era="legacy"}'), '3');
  assert.equal(after.get('mcp_bridge_sessions{server="everything",era="legacy"}'), undefined);
});
