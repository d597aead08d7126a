import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Breaker } from './breaker.ts';

function opened(): Breaker {
  const breaker = new Breaker(() => 0.5);
  for (let i = 0; i < 3; i++) breaker.failed(0);
  return breaker;
}

test('three failed starts in a row open it, and two do not', () => {
  const breaker = new Breaker(() => 0.5);
  for (const waitMs of [0, 0, 500]) {
    breaker.failed(0);
    assert.equal(breaker.waitMs(0), waitMs);
  }
  assert.equal(breaker.state(499), 'open');
  assert.equal(breaker.state(500), 'half_open');
});

test('half-open lets one trial through; its failure doubles the wait, its success closes', () => {
  const breaker = opened();
  assert.equal(breaker.waitMs(500), 0);
  breaker.trying();
  assert.ok(breaker.waitMs(500) > 0, 'nobody else while it is tried');
  breaker.failed(500);
  assert.equal(breaker.waitMs(500), 1_000);
  breaker.trying();
  breaker.succeeded();
  assert.equal(breaker.state(500), 'closed');
});

test('a trial that did not come about leaves its turn to the next one', () => {
  const breaker = opened();
  breaker.trying();
  breaker.untried();
  assert.equal(breaker.waitMs(500), 0);
});

test('the wait ends at 30 s, however often it fails', () => {
  const breaker = opened();
  for (let i = 0; i < 100; i++) breaker.failed(0);
  assert.equal(breaker.waitMs(0), 30_000);
});
