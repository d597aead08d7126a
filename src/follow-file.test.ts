import assert from 'node:assert/strict';
import { fstatSync, openSync, renameSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../test/harness/temporary-folder.ts';
import { followFile } from './follow-file.ts';

function setUp(t: TestContext) {
  const dir = temporaryFolder(t);
  const path = join(dir, 'combined.log');
  const troubles: string[] = [];
  const follow = followFile(path, (what) => troubles.push(what));
  return { dir, path, fd: openSync(path, 'a'), follow, troubles };
}

test('a file that was renamed, again and again, is opened again under its name and the old one closed', (t) => {
  const { path, fd, follow } = setUp(t);
  let current = follow(fd);
  assert.equal(current, fd);
  for (const ending of ['.1', '.2', '.3']) {
    const before = current;
    renameSync(path, path + ending);
    current = follow(before);
    assert.notEqual(current, before);
    assert.throws(() => fstatSync(before), { code: 'EBADF' });
    writeSync(current, 'line\n');
    assert.deepEqual([statSync(path).size, follow(current)], [5, current]);
  }
  assert.equal(statSync(`${path}.1`).size, 0);
});

test('a file that somebody else has made under the name meanwhile is appended to', (t) => {
  const { path, fd, follow } = setUp(t);
  renameSync(path, `${path}.1`);
  writeSync(openSync(path, 'a'), 'theirs\n');
  writeSync(follow(fd), 'ours\n');
  assert.equal(statSync(path).size, 12);
});

test('a file that was removed is made again', (t) => {
  const { path, fd, follow } = setUp(t);
  rmSync(path);
  writeSync(follow(fd), 'line\n');
  assert.equal(statSync(path).size, 5);
});

test('a file that was truncated keeps its descriptor', (t) => {
  const { path, fd, follow } = setUp(t);
  writeSync(fd, 'line\n');
  truncateSync(path);
  assert.equal(follow(fd), fd);
});

test('where it cannot be opened again, lines go on into the renamed one, and it is tried again', (t) => {
  const { dir, path, fd, follow, troubles } = setUp(t);
  renameSync(dir, `${dir}-away`);
  assert.equal(follow(fd), fd);
  assert.match(troubles.join(), /^ENOENT/);
  renameSync(`${dir}-away`, dir);
  renameSync(path, `${path}.1`);
  assert.notEqual(follow(fd), fd);
});
