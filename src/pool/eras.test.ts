import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Eras } from './eras.ts';

const MINUTE_MS = 60_000;

test('nothing is known of a server at first', () => {
  const eras = new Eras();
  assert.equal(eras.speaksModern(0), undefined);
  assert.equal(eras.refusesLegacy(0), false);
});

test('a verdict is remembered for ten minutes', () => {
  const eras = new Eras();
  eras.probed(false, MINUTE_MS);
  assert.equal(eras.speaksModern(11 * MINUTE_MS), false);
  assert.equal(eras.speaksModern(11 * MINUTE_MS + 1), undefined);
});

test('a server that refuses the legacy handshake speaks the modern era', () => {
  const eras = new Eras();
  eras.probed(false, 0);
  eras.refusedLegacy(5);
  assert.equal(eras.speaksModern(6), true);
  assert.equal(eras.refusesLegacy(6), true);
  assert.equal(eras.refusesLegacy(6 + 10 * MINUTE_MS), false);
});

test('what a start contradicts is forgotten', () => {
  const eras = new Eras();
  eras.refusedLegacy(0);
  eras.forget();
  assert.equal(eras.speaksModern(1), undefined);
  assert.equal(eras.refusesLegacy(1), false);
});
