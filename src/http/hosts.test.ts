import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostName } from './hosts.ts';

test('a name as long as DNS allows is one, with a port too', () => {
  const longest = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;
  assert.equal(longest.length, 253);
  assert.equal(hostName(`${longest}.:65535`), longest);
});

test('what is longer is none, before a pattern looks at it (CVE-2026-0621)', () => {
  // With the pattern for addresses each of these took most of a second, for anybody who sent a Host header.
  for (let i = 0; i < 1_000; i++) assert.equal(hostName(`${':'.repeat(16_000)}x`), undefined);
});
