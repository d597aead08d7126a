import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileGlob } from './glob.ts';

test('a glob says what the same pattern as a regular expression says', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.', '\n'), maxLength: 12 });
  fc.assert(
    fc.property(text, text, (glob, name) => {
      const escaped = glob.split('*').map((part) => part.replaceAll('.', '\\.'));
      assert.equal(compileGlob(glob)(name), new RegExp(`^${escaped.join('[^]*')}$`).test(name));
    }),
    {
      seed: 7,
      numRuns: 5_000,
      examples: [
        ['a*a', 'a'],
        ['*', ''],
        ['**b*', 'ab'],
      ],
    },
  );
});

test('a long name costs no more for many stars (CVE-2026-0621)', () => {
  // As a regular expression this takes longer than anybody waits.
  const matches = compileGlob('*a*a*a*a*b');
  assert.equal(matches(`${'a'.repeat(1_000_000)}c`), false);
  assert.equal(matches(`${'a'.repeat(1_000_000)}b`), true);
});
