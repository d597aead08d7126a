import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IdTable } from './id-table.ts';

test('an id is found until it is deleted, and no later item gets it', () => {
  const table = new IdTable<string>(3);
  const seen = new Set<number>();
  for (let round = 0; round < 1_000; round++) {
    const [one, two] = [table.add(`one ${round}`), table.add(`two ${round}`)];
    assert.ok(!seen.has(one) && !seen.has(two) && one !== two);
    seen.add(one).add(two);
    assert.equal(table.get(one), `one ${round}`);
    assert.equal(table.delete(round % 2 ? one : two), true);
    assert.equal(table.delete(round % 2 ? two : one), true);
    assert.equal(table.get(one), undefined);
    assert.equal(table.delete(one), false);
  }
  assert.equal(table.size, 0);
});

test('it holds as many as it has places, and says so', () => {
  const table = new IdTable<number>(2);
  const first = table.add(1);
  table.add(2);
  assert.ok(table.isFull);
  assert.throws(() => table.add(3), /more than 2 in flight/);
  table.delete(first);
  table.add(3);
  assert.deepEqual([...table].sort(), [2, 3]);
});

test('what stays while thousands come and go, and while the table grows, keeps its id', () => {
  const table = new IdTable<string>(1_000);
  const kept = Array.from({ length: 300 }, (_, i) => ({ id: table.add(`kept ${i}`), text: `kept ${i}` }));
  const seen = new Set(kept.map(({ id }) => id));
  for (let round = 0; round < 5_000; round++) {
    const id = table.add('passing');
    assert.ok(!seen.has(id));
    seen.add(id);
    assert.ok(table.delete(id));
  }
  for (const { id, text } of kept) assert.equal(table.get(id), text);
  assert.deepEqual([...table].sort(), kept.map(({ text }) => text).sort());
});

test('numbers that a server made up find nothing', () => {
  const table = new IdTable<string>(4);
  const id = table.add('x');
  for (const stranger of [0, -1, -id, id + 4, id + 0.5, 1e300, Number.NaN, Infinity]) {
    assert.equal(table.get(stranger), undefined, String(stranger));
    assert.equal(table.delete(stranger), false, String(stranger));
  }
  assert.equal(table.get(id), 'x');
});

test('ids of another table find their items, however they fall together', () => {
  const theirs = new IdTable<string>(1_000);
  const ours = new IdTable<string>(1_000);
  const open: number[] = [];
  for (let i = 0; i < 3_000; i++) {
    const id = theirs.add(`${i}`);
    ours.put(id, `${i}`);
    open.push(id);
    // Some stay for long.
    if (i % 7 === 0 || open.length < 200) continue;
    const [done] = open.splice((i * 31) % open.length, 1);
    assert.ok(theirs.delete(done as number) && ours.delete(done as number));
  }
  assert.equal(ours.size, open.length);
  for (const id of open) assert.equal(ours.get(id), theirs.get(id));
});

test('behind the last id they begin again, and pass over those that are taken', () => {
  const table = new IdTable<string>(10, 5);
  const kept = table.add('kept');
  for (let i = 0; i < 20; i++) {
    const id = table.add('passing');
    assert.ok(id >= 1 && id <= 5 && id !== kept);
    table.delete(id);
  }
  assert.equal(table.get(kept), 'kept');
});
