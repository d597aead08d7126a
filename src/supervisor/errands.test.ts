import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createErrands } from './errands.ts';

test('an errand ends with the report of the worker that was sent, and of no other', async () => {
  const errands = createErrands<string>();
  const { seq, done } = errands.begin('a', 60_000);
  errands.finish('b', seq, 'wrong');
  errands.finish('a', seq + 1, 'wrong');
  errands.finish('a', seq, 'right');
  assert.equal(await done, 'right');
});

test('the errands of a worker that is gone end without a report; those of others go on', async () => {
  const errands = createErrands<string>();
  const lost = errands.begin('a', 60_000);
  const other = errands.begin('b', 60_000);
  errands.forget('a');
  assert.equal(await lost.done, undefined);
  errands.finish('b', other.seq, 'here');
  assert.equal(await other.done, 'here');
});
