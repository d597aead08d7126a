import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remoteServer } from '../../test/harness/definitions.ts';
import type { ServerDefinition } from '../config/settings.ts';
import type { Member } from '../ipc/messages.ts';
import { SessionIds } from '../sessions/session-id.ts';
import { Roster } from '../shard/roster.ts';
import { createPlacement, type Placement } from './placement.ts';

const server = (isolation: ServerDefinition['isolation'], instances = 0): ServerDefinition =>
  remoteServer('http://127.0.0.1', { isolation, instances });

const IDS = ['a', 'b', 'c'];

/** The same fleet as each of its workers sees it. */
function placements(states: Partial<Record<string, Member['state']>> = {}): Map<string, Placement> {
  const members = IDS.map((id, slot): Member => ({ slot, id, state: states[id] ?? 'ready' }));
  return new Map(
    IDS.map((id) => {
      const roster = new Roster();
      roster.set(members);
      return [id, createPlacement(roster, id)];
    }),
  );
}

const resumable = (worker: string): string =>
  new SessionIds(worker, 's').mintResumable({ version: '2025-06-18', server: 'one', principal: 'p' });

test('a session lives with the worker that its id names, for everybody', () => {
  for (const [self, placement] of placements()) {
    for (const isolation of ['session', 'principal'] as const) {
      const id = new SessionIds('b', 's').mint();
      assert.equal(placement.ofSession(id, server(isolation)), self === 'b' ? undefined : 'b');
    }
    assert.equal(placement.ofSession(resumable('b'), server('shared')), self === 'b' ? undefined : 'b');
  }
});

test('a session with a child of its own stays with a worker that drains; a shared one moves on', () => {
  for (const [self, placement] of placements({ b: 'draining' })) {
    const own = new SessionIds('b', 's').mint();
    assert.equal(placement.ofSession(own, server('session')), self === 'b' ? undefined : 'b');
    assert.notEqual(placement.ofSession(resumable('b'), server('shared')) ?? self, 'b');
  }
});

test('all workers agree on who goes on with the session of one that is gone', () => {
  for (let i = 0; i < 50; i++) {
    const id = resumable('gone');
    const owners = [...placements()].map(
      ([self, placement]) => placement.ofSession(id, server('shared', 2)) ?? self,
    );
    assert.equal(new Set(owners).size, 1);
  }
});

test('an id that no worker has minted is answered where it lands', () => {
  for (const placement of placements().values()) {
    for (const id of ['', 'x', 'gone.abc', '....'])
      assert.equal(placement.ofSession(id, server('session')), undefined);
  }
});

test('what a principal shares has one owner, agreed on by all', () => {
  const seen = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const owners = [...placements()].map(
      ([self, placement]) => placement.ofScope(server('principal'), `token:${i}`) ?? self,
    );
    assert.equal(new Set(owners).size, 1);
    seen.add(owners[0] ?? '');
  }
  assert.deepEqual([...seen].sort(), IDS);
});

test('a server shared by all with a child in every worker is never carried on', () => {
  for (const instances of [0, 3, 9]) {
    for (const placement of placements().values()) {
      assert.equal(placement.ofScope(server('shared', instances), 'p'), undefined);
    }
  }
});

test('a server with fewer children than workers is served by their holders, in turn', () => {
  const seen = new Map(
    [...placements()].map(([self, placement]) => {
      const owners = [1, 2, 3, 4].map(() => placement.ofScope(server('shared', 2), 'p') ?? self);
      return [self, new Set(owners)];
    }),
  );
  const holders = [...seen].filter(([self, owners]) => owners.has(self)).map(([self]) => self);
  assert.equal(holders.length, 2);
  for (const [self, owners] of seen) {
    assert.deepEqual([...owners].sort(), holders.includes(self) ? [self] : holders.sort());
  }
});

test('a worker that drains opens no new sessions', () => {
  for (const [self, placement] of placements({ b: 'draining' })) {
    const place = placement.forNewChild();
    if (self === 'b') assert.ok(place === 'a' || place === 'c');
    else assert.equal(place, undefined);
  }
});
