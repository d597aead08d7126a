import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { watchContent } from './watch.ts';

function startWatch(t: TestContext, prepare: (folder: string) => void) {
  const folder = mkdtempSync(join(tmpdir(), 'watch-'));
  prepare(folder);
  const heard: string[] = [];
  let wake = (): void => undefined;
  const note = (what: string) => (): void => {
    heard.push(what);
    wake();
  };
  const stop = watchContent(join(folder, 'servers.yaml'), {
    changed: note('changed'),
    gone: note('gone'),
    degraded: (error) => heard.push(String(error)),
  });
  // The watch itself keeps no process alive.
  const alive = setInterval(() => undefined, 1_000);
  t.after(() => {
    stop();
    clearInterval(alive);
    rmSync(folder, { recursive: true, force: true });
  });
  const hears = async (count: number): Promise<readonly string[]> => {
    while (heard.length < count)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return heard;
  };
  return { folder, file: join(folder, 'servers.yaml'), hears };
}

const LIMIT = { timeout: 20_000 };

test('a write, and a rename over the file, are changes; the same content is none', LIMIT, async (t) => {
  const { folder, file, hears } = startWatch(t, (at) => writeFileSync(join(at, 'servers.yaml'), 'one'));
  writeFileSync(file, 'one');
  utimesSync(file, 1, 1);
  writeFileSync(file, 'two');
  assert.deepEqual(await hears(1), ['changed']);
  writeFileSync(join(folder, 'next'), 'three');
  renameSync(join(folder, 'next'), file);
  assert.deepEqual(await hears(2), ['changed', 'changed']);
});

test('a file that goes is told once, and its return is a change', LIMIT, async (t) => {
  const { file, hears } = startWatch(t, (at) => writeFileSync(join(at, 'servers.yaml'), 'one'));
  rmSync(file);
  assert.deepEqual(await hears(1), ['gone']);
  writeFileSync(file, 'one');
  assert.deepEqual(await hears(2), ['gone', 'changed']);
});

test('a ConfigMap is a swapped symlink', LIMIT, async (t) => {
  const { folder, hears } = startWatch(t, (at) => {
    mkdirSync(join(at, '..1'));
    writeFileSync(join(at, '..1', 'servers.yaml'), 'one');
    symlinkSync('..1', join(at, '..data'));
    symlinkSync(join('..data', 'servers.yaml'), join(at, 'servers.yaml'));
  });
  mkdirSync(join(folder, '..2'));
  writeFileSync(join(folder, '..2', 'servers.yaml'), 'two');
  symlinkSync('..2', join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  rmSync(join(folder, '..1'), { recursive: true });
  assert.deepEqual(await hears(1), ['changed']);
});
