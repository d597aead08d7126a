import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { groupRuns } from '../../test/harness/process.ts';
import { createLedger } from './ledger.ts';
import { isSignalable, startTimeOf } from './proc.ts';

const NO_FILE = { started: () => undefined, gone: () => undefined };

async function group(t: TestContext, script: string): Promise<number> {
  const child = spawn('sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  const pgid = child.pid ?? 0;
  t.after(() => {
    if (isSignalable(-pgid)) process.kill(-pgid, 'SIGKILL');
  });
  await once(child.stdout, 'data');
  return pgid;
}

test('groups of one worker are ended, those of another are not', async (t) => {
  const ledger = createLedger(NO_FILE);
  const mine = await group(t, 'echo up; sleep 600');
  const other = await group(t, 'echo up; sleep 600');
  ledger.started('a', mine, 'one');
  ledger.started('b', other, 'two');
  assert.deepEqual(await ledger.reap('a'), ['one']);
  assert.equal(groupRuns(mine), false);
  assert.equal(groupRuns(other), true);
  assert.deepEqual(await ledger.reap('a'), []);
});

test('a group that exited is forgotten, and so is nobody else', async (t) => {
  const ledger = createLedger(NO_FILE);
  const pgid = await group(t, 'echo up; sleep 600');
  ledger.started('a', pgid, 'one');
  ledger.exited('a', pgid);
  assert.deepEqual(await ledger.reap('a'), []);
  assert.equal(isSignalable(-pgid), true);
});

test('grandchildren whose leader is gone are still ended', async (t) => {
  const ledger = createLedger(NO_FILE);
  const pgid = await group(
    t,
    '(trap "" TERM; sleep 600) & read -r line < /dev/null; echo up; exec sleep 600',
  );
  ledger.started('a', pgid, 'one');
  process.kill(pgid, 'SIGKILL');
  while (startTimeOf(pgid) !== undefined) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(groupRuns(pgid), true);
  assert.deepEqual(await ledger.reap('a'), ['one']);
  assert.equal(groupRuns(pgid), false);
});

test('a number that a stranger has by now is left alone', async (t) => {
  const ledger = createLedger(NO_FILE);
  const gone = spawn('true', { detached: true });
  await once(gone, 'exit');
  // Reported too late: the leader was gone already. Whoever has the number afterwards is somebody else.
  ledger.started('a', gone.pid ?? 0, 'one');
  const stranger = await group(t, 'echo up; sleep 600');
  assert.deepEqual(await ledger.reap('a'), []);
  assert.equal(isSignalable(-stranger), true);
});

test('our own group and the groups 0 and 1 are never touched', async () => {
  const ledger = createLedger(NO_FILE);
  for (const pgid of [0, 1, -1, process.pid, Number.NaN]) ledger.started('a', pgid, 'one');
  assert.deepEqual(await ledger.reap('a'), []);
});
