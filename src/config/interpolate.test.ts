// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the texts under test
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interpolate } from './interpolate.ts';

const values = new Map([
  ['A', 'one'],
  ['EMPTY', ''],
  ['TRICKY', '$& ${A}'],
]);
const fill = (text: string) => interpolate(text, (name) => values.get(name));

test('names and defaults are filled in', () => {
  assert.deepEqual(fill('plain $A'), { text: 'plain $A' });
  assert.deepEqual(fill('Bearer ${A}${A}'), { text: 'Bearer oneone' });
  assert.deepEqual(fill('${B:-two words}'), { text: 'two words' });
  assert.deepEqual(fill('${EMPTY:-two}'), { text: 'two' });
  assert.deepEqual(fill('${B:-}'), { text: '' });
  assert.deepEqual(fill('${A:-two}'), { text: 'one' });
});

test('a value is taken as it is, not filled in again', () => {
  assert.deepEqual(fill('${TRICKY}'), { text: '$& ${A}' });
});

test('a doubled dollar keeps the reference as text', () => {
  assert.deepEqual(fill('$${A} ${A}'), { text: '${A} one' });
});

test('an unset or empty name without a default is refused by name', () => {
  for (const name of ['B', 'EMPTY']) {
    assert.deepEqual(fill(`x \${${name}}`), {
      found: `${name} is not set`,
      allowed: `set it in the environment or in .env, or write \${${name}:-default}`,
    });
  }
});

test('references of other programs and broken ones are refused', () => {
  for (const text of ['${input:token}', '${env:A}', '${A', '${}', '${1A}', '${A-x}', '${A:-${B}}']) {
    const result = fill(text);
    assert.ok('allowed' in result && result.allowed.startsWith('allowed: ${NAME}'), text);
  }
});
