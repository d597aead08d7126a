import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCounter, createGauge, createHistogram } from './tally.ts';

const common = { name: 'x', help: 'X.', aggregator: 'sum' } as const;
const counterOf = <const L extends readonly string[]>(labels: L) =>
  createCounter({ ...common, type: 'counter', labels, buckets: [] });

test('a counter has one child per label values, and the same one every time', () => {
  const counter = counterOf(['a', 'b']);
  counter.child('1', 'x').add();
  counter.child('1', 'x').add(2.5);
  counter.child(1, 'y').add();
  assert.equal(counter.child('1', 'x'), counter.child(1, 'x'));
  assert.deepEqual(counter.snapshot().values, [
    { value: 3.5, labels: { a: '1', b: 'x' } },
    { value: 1, labels: { a: 1, b: 'y' } },
  ]);
});

test('label values that run into each other stay apart', () => {
  const counter = counterOf(['a', 'b']);
  assert.notEqual(counter.child('ab', ''), counter.child('a', 'b'));
  assert.notEqual(counter.child('__proto__', 'x'), counter.child('constructor', 'x'));
});

test('a counter never goes back and never becomes NaN', () => {
  const counter = counterOf([]);
  for (const n of [1, -1, Number.NaN, Number.POSITIVE_INFINITY, 0]) counter.child().add(n);
  assert.deepEqual(counter.snapshot().values, [{ value: 1, labels: {} }]);
});

test('a counter without labels is shown before it counted anything, one with labels is not', () => {
  assert.deepEqual(counterOf([]).snapshot().values, [{ value: 0, labels: {} }]);
  assert.deepEqual(counterOf(['a']).snapshot().values, []);
});

test('a histogram is cumulative, counts a value on a bound below it, and ignores what is no duration', () => {
  const histogram = createHistogram({ ...common, type: 'histogram', labels: ['a'], buckets: [0.1, 1] });
  const child = histogram.child('v');
  for (const seconds of [0.1, 0.5, 7, -1, Number.NaN, Number.POSITIVE_INFINITY]) child.observe(seconds);
  assert.deepEqual(histogram.snapshot().values, [
    { value: 1, labels: { le: 0.1, a: 'v' }, metricName: 'x_bucket' },
    { value: 2, labels: { le: 1, a: 'v' }, metricName: 'x_bucket' },
    { value: 3, labels: { le: '+Inf', a: 'v' }, metricName: 'x_bucket' },
    { value: 7.6, labels: { a: 'v' }, metricName: 'x_sum' },
    { value: 3, labels: { a: 'v' }, metricName: 'x_count' },
  ]);
});

test('a gauge shows what its callbacks say now: equal labels add up, what is gone is not shown', () => {
  const gauge = createGauge({ ...common, type: 'gauge', labels: ['a'], buckets: [] });
  const open = new Map([
    ['v', 2],
    ['w', 1],
  ]);
  gauge.collect((set) => {
    for (const [name, count] of open) set(count, name);
  });
  gauge.collect((set) => set(3, 'v'));
  gauge.collect((set) => set(Number.NaN, 'broken'));
  assert.deepEqual(gauge.snapshot().values, [
    { value: 5, labels: { a: 'v' } },
    { value: 1, labels: { a: 'w' } },
  ]);
  open.clear();
  assert.deepEqual(gauge.snapshot().values, [{ value: 3, labels: { a: 'v' } }]);
});
