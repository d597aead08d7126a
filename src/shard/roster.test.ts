import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Member } from '../ipc/messages.ts';
import { Roster, rank } from './roster.ts';

const member = (slot: number, id = `w${slot}`, state: Member['state'] = 'ready'): Member => ({
  slot,
  id,
  state,
});
const fleet = (slots: number): Member[] => Array.from({ length: slots }, (_, slot) => member(slot));
const KEYS = Array.from({ length: 4_000 }, (_, i) => `token:user-${i} server`);

const ownerIn = (members: readonly Member[]) => {
  const roster = new Roster();
  roster.set(members);
  return (key: string): string | undefined => roster.owners(key, 1)[0]?.id;
};

test('keys spread evenly over the slots', () => {
  const owner = ownerIn(fleet(8));
  const counts = new Map<string | undefined, number>();
  for (const key of KEYS) counts.set(owner(key), (counts.get(owner(key)) ?? 0) + 1);
  assert.equal(counts.size, 8);
  for (const count of counts.values()) assert.ok(count > 380 && count < 620, `${count} of about 500`);
});

test('when a slot goes, only its own keys move; when it is back, they all return', () => {
  const [before, after] = [ownerIn(fleet(5)), ownerIn(fleet(5).filter(({ slot }) => slot !== 2))];
  for (const key of KEYS) {
    if (before(key) === 'w2') assert.notEqual(after(key), 'w2');
    else assert.equal(after(key), before(key));
  }
});

test('the order in which members are told does not matter', () => {
  const [one, other] = [ownerIn(fleet(5)), ownerIn(fleet(5).reverse())];
  for (const key of KEYS.slice(0, 200)) assert.equal(one(key), other(key));
});

test('a replaced process keeps the keys of its slot', () => {
  const before = ownerIn(fleet(3));
  const after = ownerIn([member(0), member(1, 'w1', 'draining'), member(1, 'new'), member(2)]);
  for (const key of KEYS.slice(0, 500)) {
    assert.equal(after(key), before(key) === 'w1' ? 'new' : before(key));
  }
});

test('only ready workers own keys; the others are known all the same', () => {
  const roster = new Roster();
  assert.deepEqual(roster.owners('k', 1), []);
  roster.set([member(0, 'a', 'booting'), member(1, 'b', 'draining')]);
  assert.deepEqual(roster.owners('k', 2), []);
  assert.deepEqual([roster.get('b')?.slot, roster.isReady('b'), roster.get('c')], [1, false, undefined]);
  assert.deepEqual([roster.size, roster.countByState()], [2, { booting: 1, ready: 0, draining: 1 }]);
  roster.set([member(0, 'a')]);
  assert.deepEqual(
    roster.owners('k', 2).map(({ id }) => id),
    ['a'],
    'what was remembered is forgotten with the change',
  );
});

test('the best of many owners are the same ones in the same order, however many are asked for', () => {
  const roster = new Roster();
  roster.set(fleet(6));
  const all = rank('k', fleet(6));
  for (let count = 0; count <= 6; count++) assert.deepEqual(roster.owners('k', count), all.slice(0, count));
});
