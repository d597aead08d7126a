import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../../test/harness/temporary-folder.ts';
import { startTimeOf } from './proc.ts';
import { claimRuntimeDir, holderOf, runtimeDirOf } from './runtime-dir.ts';

test('the default folder is short and derived from user and port', () => {
  const path = runtimeDirOf({}, 3000);
  assert.equal(path, join(tmpdir(), `mcp-bridge-${process.getuid?.()}-3000`));
});

test('it is made for this user alone, cleared of dead sockets, and left empty', (t) => {
  const path = join(temporaryFolder(t), 'run');
  mkdirSync(path, { mode: 0o700 });
  writeFileSync(join(path, 'dead.sock'), '');
  writeFileSync(join(path, 'kept'), '');
  const claimed = claimRuntimeDir({ runtimeDir: path }, 1);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(path), ['bridge.pid', 'bridge.started', 'kept']);
  writeFileSync(join(path, 'worker.sock'), '');
  claimed.forget('worker');
  assert.equal(existsSync(join(path, 'worker.sock')), false);
  claimed.leave();
  assert.deepEqual(readdirSync(path), ['kept']);
});

test('its files do not grow old while the bridge runs', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const path = temporaryFolder(t);
  const claimed = claimRuntimeDir({ runtimeDir: path }, 1);
  const pidFile = join(path, 'bridge.pid');
  utimesSync(pidFile, 1, 1);
  t.mock.timers.tick(24 * 3_600_000);
  const { atimeMs, mtimeMs } = statSync(pidFile);
  assert.ok(Math.min(atimeMs, mtimeMs) > Date.now() - 60_000);
  claimed.leave();
});

test('a folder that somebody has removed is no fault at the end', (t) => {
  const path = temporaryFolder(t);
  const claimed = claimRuntimeDir({ runtimeDir: path }, 1);
  rmSync(path, { recursive: true });
  claimed.leave();
});

test('a folder that somebody has removed is made again, with what it held', (t) => {
  const path = temporaryFolder(t);
  const claimed = claimRuntimeDir({ runtimeDir: path }, 1);
  const tokenFile = claimed.keepToken('secret');
  assert.equal(claimed.restore(), false);
  rmSync(path, { recursive: true });
  assert.equal(claimed.restore(), true);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.equal(holderOf(path)?.pid, process.pid);
  assert.equal(readFileSync(tokenFile, 'utf8'), 'secret');
  claimed.leave();
});

test('the pid file tells a living bridge from a later process of the same number', (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, 'bridge.started'), '');
  const write = (startTime: string | undefined): void => {
    writeFileSync(join(path, 'bridge.pid'), `${process.ppid}\n`);
    writeFileSync(join(path, 'bridge.started'), `${startTime}\n`);
  };
  assert.equal(holderOf(path), undefined);
  write(startTimeOf(process.ppid));
  assert.deepEqual(holderOf(path), { pid: process.ppid, alive: true });
  assert.throws(
    () => claimRuntimeDir({ runtimeDir: path }, 1),
    /^StartError: Another bridge \(pid \d+\) uses /,
  );
  write('1');
  assert.deepEqual(holderOf(path), { pid: process.ppid, alive: false });
  const claimed = claimRuntimeDir({ runtimeDir: path }, 1);
  assert.equal(readFileSync(join(path, 'bridge.pid'), 'utf8'), `${process.pid}\n`, 'the pid alone');
  claimed.leave();
  assert.deepEqual(readdirSync(path), []);
});

test('a bridge that has only just written its pid is not taken for a dead one', (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, 'bridge.pid'), `${process.ppid}\n`);
  assert.deepEqual(holderOf(path), { pid: process.ppid, alive: true });
});

test('a folder that others can enter is refused, not repaired', (t) => {
  const path = temporaryFolder(t);
  chmodSync(path, 0o755);
  assert.throws(() => claimRuntimeDir({ runtimeDir: path }, 1), {
    exitCode: 78,
    message: /whose mode 0755 lets others in/,
  });
  assert.equal(statSync(path).mode & 0o777, 0o755);
});

test('a symbolic link, a file and a path too long for sockets are refused', (t) => {
  const path = temporaryFolder(t);
  symlinkSync(path, join(path, 'link'));
  writeFileSync(join(path, 'file'), '');
  const refused = (runtimeDir: string, message: RegExp): void =>
    assert.throws(() => claimRuntimeDir({ runtimeDir }, 1), { exitCode: 78, message });
  refused(join(path, 'link'), /a symbolic link; allowed: a real folder$/);
  refused(join(path, 'file'), /which is no folder/);
  refused(join(path, 'x'.repeat(100)), /too long for Unix sockets/);
});
