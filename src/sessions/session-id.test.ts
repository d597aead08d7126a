import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isResumable, SessionIds, workerOf } from './session-id.ts';

const ids = new SessionIds('w1', 'the secret');
const session = { version: '2025-06-18', server: 'one', principal: 'access-token' };

test('ids are unguessable, visible ASCII, and name their worker', () => {
  const minted = new Set([...Array(100)].flatMap(() => [ids.mint(), ids.mintResumable(session)]));
  assert.equal(minted.size, 200);
  for (const id of minted) {
    assert.match(id, /^[\x21-\x7e]{24,}$/);
    assert.equal(workerOf(id), 'w1');
  }
});

test('only the session of a shared server is resumable', () => {
  assert.equal(isResumable(ids.mint()), false);
  assert.equal(isResumable(ids.mintResumable(session)), true);
  assert.equal(ids.resume(ids.mint(), 'one', 'access-token'), undefined);
});

test('any worker with the secret resumes a session with its version', () => {
  const id = ids.mintResumable(session);
  assert.equal(new SessionIds('w2', 'the secret').resume(id, 'one', 'access-token'), '2025-06-18');
});

test('nobody resumes the session of another principal, of another server, of another bridge', () => {
  const id = ids.mintResumable(session);
  assert.equal(ids.resume(id, 'one', 'token:ci'), undefined);
  assert.equal(ids.resume(id, 'two', 'access-token'), undefined);
  assert.equal(new SessionIds('w1', 'another secret').resume(id, 'one', 'access-token'), undefined);
});

test('server and principal cannot lend each other characters', () => {
  const id = ids.mintResumable({ ...session, server: 'a', principal: 'b","c' });
  assert.equal(ids.resume(id, 'a","b', 'c'), undefined);
});

test('an id with any one character changed, added or removed is none', () => {
  const id = ids.mintResumable(session);
  for (let at = 0; at < id.length; at++) {
    for (const character of ['A', 'B', 'w', '_', '.', '=', ' ', '']) {
      const changed = id.slice(0, at) + character + id.slice(at + 1);
      if (changed !== id) assert.equal(ids.resume(changed, 'one', 'access-token'), undefined, changed);
      const longer = id.slice(0, at) + (character || '+') + id.slice(at);
      assert.equal(ids.resume(longer, 'one', 'access-token'), undefined, longer);
    }
  }
  for (const longer of ['=', '==', 'A', ' ', '.', '\n']) {
    assert.equal(ids.resume(id + longer, 'one', 'access-token'), undefined);
  }
});

test('what is no id at all is none', () => {
  for (const id of ['', '.', '...', 'w1', 'w1.x.2025-06-18.', 'w1.x.2025-06-18.AAAAAAAAAAAAAAAAAAAAAA']) {
    assert.equal(ids.resume(id, 'one', 'access-token'), undefined, id);
  }
});
