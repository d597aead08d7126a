import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../../test/harness/temporary-folder.ts';
import { createLock } from './lock.ts';

const LIMIT = { timeout: 60_000 };
const LOCK = new URL('./lock.ts', import.meta.url);

/** Another process that has `lock` and `folder`. */
function peer(t: TestContext, folder: string, script: string): ChildProcess {
  const code = `
    import { readFileSync, writeFileSync } from 'node:fs';
    import { createLock } from '${LOCK}';
    const folder = ${JSON.stringify(folder)};
    const lock = createLock(folder);
    ${script}`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

test('processes that count one file up under the lock lose no step', LIMIT, async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'count');
  writeFileSync(file, '0');
  const script = `
    const step = () => writeFileSync(folder + '/count', String(Number(readFileSync(folder + '/count', 'utf8')) + 1));
    for (let n = 0; n < 200; n++) await lock.hold(step, 30_000);
    for (let n = 0; n < 50; n++) if (!lock.holdSync(step, 30_000)) throw new Error('not held');`;
  const ends = await Promise.all([1, 2, 3].map(() => once(peer(t, folder, script), 'close')));
  assert.deepEqual(
    ends.map(([code]) => code),
    [0, 0, 0],
  );
  assert.equal(readFileSync(file, 'utf8'), '750');
  assert.deepEqual(readdirSync(folder), ['count']);
});

test('the lock of a killed process is free', LIMIT, async (t) => {
  const folder = temporaryFolder(t);
  const script = `await lock.hold(() => { console.log('held'); return new Promise(() => setInterval(() => {}, 1000)); });`;
  const holder = peer(t, folder, script);
  await once(holder.stdout ?? holder, 'data');
  const lock = createLock(folder);
  await assert.rejects(
    lock.hold(() => undefined, 50),
    /stays locked by another instance/,
  );
  assert.equal(
    lock.holdSync(() => undefined, 50),
    false,
  );
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  assert.equal(await lock.hold(() => 'mine'), 'mine');
  assert.deepEqual(readdirSync(folder), []);
});

test('work that fails gives the lock back', async (t) => {
  const lock = createLock(temporaryFolder(t));
  await assert.rejects(
    lock.hold(() => Promise.reject(new Error('broken'))),
    /broken/,
  );
  let done = false;
  const isHeld = lock.holdSync(() => {
    done = true;
  }, 0);
  assert.deepEqual([isHeld, done], [true, true]);
});
