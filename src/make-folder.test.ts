import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { folderTrouble, makeFolder } from './make-folder.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'folder-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('a folder is made with those above it, and one that is there is left as it is', (t) => {
  const path = join(folder(t), 'a', 'b', 'c');
  makeFolder(path, 0o700);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  makeFolder(path, 0o755);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  symlinkSync(path, `${path}-link`);
  makeFolder(`${path}-link`);
});

test('what cannot be a folder is refused', (t) => {
  const file = join(folder(t), 'file');
  writeFileSync(file, '');
  assert.throws(() => makeFolder(file), { code: 'EEXIST' });
  assert.throws(() => makeFolder(join(file, 'below')), { code: 'ENOTDIR' });
  assert.equal(folderTrouble(file), 'which is no folder');
  assert.equal(folderTrouble(join(file, 'below')), 'where nothing can be written (ENOTDIR)');
  assert.equal(folderTrouble(join(file, '..', 'to-be-made', 'too')), undefined);
});

test('a file system without room for folders ends the attempt', {
  skip: process.platform !== 'linux' && 'needs /proc',
}, () => {
  assert.throws(() => makeFolder('/proc/nothing/here'), { code: 'ENOENT' });
});
