/** What the instances leave for each other in RUNTIME_DIR, read as a peer reads it. */
import assert from 'node:assert/strict';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../../test/harness/temporary-folder.ts';
import { startTimeOf } from '../supervisor/proc.ts';
import { keptText } from '../supervisor/whole-file.ts';
import { createLock } from './lock.ts';
import { type MemberRecord, readMembers, removeMember, writeMember } from './members.ts';
import { createQuotaFiles } from './quota-files.ts';
import { fold, readRetired, takeCrash, writeSnapshot } from './retired.ts';

const member = (id: string, more: Partial<MemberRecord> = {}): MemberRecord => ({
  id,
  slot: 0,
  state: 'ready',
  pid: process.pid,
  startTime: startTimeOf(process.pid) ?? '',
  bornMs: 1,
  port: 3000,
  ...more,
});

test('members are those whose process lives, in the order of their birth', (t) => {
  const folder = temporaryFolder(t);
  writeMember(folder, member('younger', { bornMs: 2 }));
  writeMember(folder, member('older'));
  writeMember(folder, member('namesake', { startTime: '1' }));
  writeFileSync(join(folder, 'torn.member'), '{"id":"to');
  const { live, dead } = readMembers(folder);
  assert.deepEqual(
    live.map(({ id }) => id),
    ['older', 'younger'],
  );
  assert.deepEqual(
    dead.map(({ id }) => id),
    ['namesake'],
  );
});

test('removing a member removes its files and no other', (t) => {
  const folder = temporaryFolder(t);
  for (const name of ['a.member', 'a.sock', 'a.metrics', 'ab.member', 'retired.json']) {
    writeFileSync(join(folder, name), '');
  }
  removeMember(folder, 'a');
  assert.deepEqual(readdirSync(folder).sort(), ['ab.member', 'retired.json']);
});

test('a process is folded into the total once, and its slot’s crash is told once', (t) => {
  const folder = temporaryFolder(t);
  const counted = (value: number) => [
    { name: 'n_total', help: 'n', type: 'counter', aggregator: 'sum', values: [{ value, labels: {} }] },
  ];
  writeSnapshot(folder, 'a', counted(2));
  writeSnapshot(folder, 'b', counted(3));
  fold(folder, { id: 'a', slot: 1, hasCrashed: true });
  fold(folder, { id: 'a', slot: 1, hasCrashed: true });
  fold(folder, { id: 'b', slot: 0, hasCrashed: false });
  fold(folder, { id: 'never-counted', slot: 0, hasCrashed: false });
  const { total, ids } = readRetired(folder);
  assert.equal((total as ReturnType<typeof counted>)[0]?.values[0]?.value, 5);
  assert.deepEqual(ids, ['a', 'b', 'never-counted']);
  assert.deepEqual([takeCrash(folder, 0), takeCrash(folder, 1), takeCrash(folder, 1)], [false, true, false]);
});

test('a limit is shared, never exceeded, and free again when its holder is dead', async (t) => {
  const folder = temporaryFolder(t);
  const lock = createLock(folder);
  let live = ['a', 'b'];
  const of = (id: string) =>
    createQuotaFiles({
      folder,
      id,
      lock,
      limits: { sessions: 6, children: 1_000 },
      instances: 2,
      liveIds: () => live,
    });
  const [a, b] = [of('a'), of('b')];
  assert.deepEqual(await Promise.all([a.acquire('sessions', 4), b.acquire('sessions', 4)]), [4, 2]);
  a.release('sessions', 1);
  assert.equal(await b.acquire('sessions', 2), 1);
  assert.equal(await b.acquire('children', 1_000), 1_000);
  assert.equal(await a.acquire('children', 1), 0);
  live = ['b'];
  assert.equal(await b.acquire('sessions', 9), 3);
});

test('a process that reserves places of a large limit gives back what it does not use', async (t) => {
  const folder = temporaryFolder(t);
  const lock = createLock(folder);
  const options = { folder, lock, limits: { sessions: 12_800, children: 1 }, instances: 2 };
  const [a, b] = ['a', 'b'].map((id) => createQuotaFiles({ ...options, id, liveIds: () => ['a', 'b'] }));
  assert.ok(a && b);
  assert.equal(await a.acquire('sessions', 12_000), 12_000);
  assert.equal(await b.acquire('sessions', 800), 800 - 99);
  a.release('sessions', 12_000);
  assert.equal(await b.acquire('sessions', 12_000), 12_000);
});

test('what one process made is what all others get', (t) => {
  const path = join(temporaryFolder(t), 'secret');
  assert.equal(keptText(path, 'first'), 'first');
  assert.equal(keptText(path, 'second'), 'first');
  assert.equal(statSync(path).mode & 0o777, 0o600);
});
