import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../chaos/random.ts';
import { trendOf } from './trend.ts';

const series = (value: (i: number) => number) =>
  Array.from({ length: 100 }, (_, i) => ({ atMs: i * 3_000, value: value(i) }));

test('a steady climb rises', () => {
  const { rises, perMinute } = trendOf(
    series((i) => 100 + i),
    5,
  );
  assert.equal(rises, true);
  assert.equal(Math.round(perMinute), 20);
});

test('a climb that ends with the warm-up does not rise', () => {
  assert.equal(
    trendOf(
      series((i) => 100 + Math.min(i, 45)),
      5,
    ).rises,
    false,
  );
});

test('noise around a level does not rise, and a climb within noise does not hide', () => {
  const random = seeded(3);
  assert.equal(
    trendOf(
      series(() => 100 + random.between(-20, 20)),
      5,
    ).rises,
    false,
  );
  assert.equal(
    trendOf(
      series((i) => 100 + i + random.between(-20, 20)),
      5,
    ).rises,
    true,
  );
});

test('a fall does not rise, and neither does what is too short to tell', () => {
  assert.equal(
    trendOf(
      series((i) => 100 - i),
      5,
    ).rises,
    false,
  );
  assert.equal(trendOf(series((i) => i).slice(0, 3), 1).rises, false);
});

test('peaks do not rise, however they lie; what stays between them does', () => {
  const teeth = (i: number): number => (i % 5) * 8;
  const rarePeaks = (i: number): number => (i % 4 === 0 ? i : 0);
  for (const peaks of [teeth, rarePeaks]) {
    const { rises } = trendOf(
      series((i) => 100 + peaks(i)),
      5,
    );
    assert.equal(rises, false, peaks.name);
    const leaking = trendOf(
      series((i) => 100 + peaks(i) + i / 2),
      5,
    );
    assert.equal(leaking.rises, true, peaks.name);
  }
});
