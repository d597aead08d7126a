import assert from 'node:assert/strict';
import { statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Piscina } from 'piscina';
import type { FolderMaking } from '../test/fixtures/folder-maker.ts';
import { temporaryFolder } from '../test/harness/temporary-folder.ts';
import { folderTrouble, makeFolder } from './make-folder.ts';

test('a folder is made with those above it, and one that is there is left as it is', (t) => {
  const path = join(temporaryFolder(t), 'a', 'b', 'c');
  makeFolder(path, 0o700);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  makeFolder(path, 0o755);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  symlinkSync(path, `${path}-link`);
  makeFolder(`${path}-link`);
});

test('several who make one folder at once all succeed', async (t) => {
  const makers = 4;
  const arrived = new Int32Array(new SharedArrayBuffer(4));
  const making: FolderMaking = { root: temporaryFolder(t), arrived, makers, rounds: 100 };
  const filename = new URL('../test/fixtures/folder-maker.ts', import.meta.url).href;
  const threads = new Piscina<FolderMaking, void>({ filename, minThreads: makers, maxThreads: makers });
  t.after(() => threads.destroy());
  await Promise.all(Array.from({ length: makers }, () => threads.run(making)));
});

test('what cannot be a folder is refused', (t) => {
  const file = join(temporaryFolder(t), 'file');
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
