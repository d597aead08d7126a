import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numberIn, wholeNumber } from './whole-number.ts';

test('up to 15 digits are their number', () => {
  for (const value of [0, 7, 10, 4_711, 2 ** 31, 2 ** 32 + 1, 999_999_999_999_999]) {
    assert.equal(wholeNumber(String(value)), value);
  }
  assert.equal(wholeNumber('007'), 7);
});

test('anything else is none', () => {
  for (const text of ['', ' 1', '1 ', '+1', '-1', '1.0', '1e3', '0x1', '"1"', '١', '1234567890123456']) {
    assert.ok(Number.isNaN(wholeNumber(text)), text);
  }
});

test('what is written in another way is a number still', () => {
  assert.equal(numberIn('7.0'), 7);
  assert.equal(numberIn('0000000000200000'), 200_000);
  assert.equal(numberIn('9999999999999999'), 1e16);
  assert.ok(Number.isNaN(numberIn('"7"')));
});
