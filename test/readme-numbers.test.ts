/** The README shows the numbers of the result files and no others. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { withNumbers } from '../bench/report/readme.ts';

for (const document of ['README.md', 'README.zh-CN.md']) {
  test(`the numbers of ${document} are those of bench/results`, () => {
    const text = readFileSync(document, 'utf8');
    assert.equal(withNumbers(text), text);
    assert.throws(() => withNumbers('# No marks'), /has no <!-- numbers -->/);
  });
}
