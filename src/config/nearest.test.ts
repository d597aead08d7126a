import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distance, nearest } from './nearest.ts';

const known = ['command', 'args', 'env', 'isolation', 'timeoutMs', 'REQUEST_TIMEOUT_MS'];

test('a slip finds the name that was meant', () => {
  assert.equal(nearest('comand', known), 'command');
  assert.equal(nearest('arsg', known), 'args');
  assert.equal(nearest('Command', known), 'command');
  assert.equal(nearest('timeout_ms', known), 'timeoutMs');
  assert.equal(nearest('isol', known), 'isolation');
  assert.equal(nearest('REQUEST_TIMEOUT', known), 'REQUEST_TIMEOUT_MS');
});

test('a name that is like none finds none', () => {
  assert.equal(nearest('banana', known), undefined);
  assert.equal(nearest('x', known), undefined);
  assert.equal(nearest('', known), undefined);
  assert.equal(nearest('c'.repeat(1000), known), undefined);
});

test('a swap of neighbours is one edit', () => {
  assert.equal(distance('ab', 'ba'), 1);
  assert.equal(distance('', 'abc'), 3);
  assert.equal(distance('kitten', 'sitting'), 3);
});
