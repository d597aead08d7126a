import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maskArguments, maskUrl } from './mask.ts';

for (const [words, shown] of [
  [['npx', '-y', 'server'], 'npx -y server'],
  [['x', '--api-key', 'abc'], 'x --api-key ****'],
  [['x', '--api-key=abc'], 'x --api-key=****'],
  [['TOKEN=abc'], 'TOKEN=****'],
  [['http://u:abc@host/x?key=abc&b=abc'], 'http://****@host/x?key=****&b=****'],
  [['--url=http://u:abc@host/'], '--url=http://****@host/'],
  [['--token=http://u:abc@host/'], '--token=****'],
  [['two words'], '"two words"'],
] as const) {
  test(`${words.join(' ')} is shown as ${shown}`, () => assert.equal(maskArguments(words), shown));
}

test('a long URL without an end is masked in no time', () => {
  assert.equal(maskUrl(`http://x/${'?'.repeat(1_000_000)}`).length, 1_000_009);
  assert.equal(maskUrl('//'.repeat(500_000)).length, 1_000_000);
});
