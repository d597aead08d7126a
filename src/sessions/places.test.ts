import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Places } from './places.ts';

test('a principal takes three quarters at most, and all together no more than there are', () => {
  const places = new Places(8, 'streams');
  for (let i = 0; i < 6; i++) places.take('ada');
  assert.throws(() => places.take('ada'), { code: 'at_limit', message: /6 streams for you/ });
  places.take('grace');
  places.take('grace');
  assert.throws(() => places.take('alan'), { code: 'at_limit', message: /8 streams, which is its limit/ });
  places.free('ada');
  places.take('alan');
  assert.throws(() => places.take('ada'), { code: 'at_limit' });
});

test('what was not taken cannot be given back', () => {
  const places = new Places(1, 'streams');
  places.free('ada');
  places.take('ada');
  assert.throws(() => places.take('grace'), { code: 'at_limit' });
});
