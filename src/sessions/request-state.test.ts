import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CallState, callDigest, RequestStates, statesIn } from './request-state.ts';

const STATE: CallState = {
  worker: 'w1',
  park: 'p1',
  round: 0,
  expiresAt: 1_800_000_000_000,
  principal: 'somebody',
  server: 'one',
  digest: callDigest('tools/call', { name: 'x' }),
};

const states = new RequestStates('secret-of-the-test');
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

test('a state opens as it was sealed, at every worker that has the secret and at no other', () => {
  const sealed = states.seal(STATE);
  assert.deepEqual(new RequestStates('secret-of-the-test').open(sealed), STATE);
  assert.equal(new RequestStates('another-secret').open(sealed), undefined);
  assert.notEqual(states.seal(STATE), sealed, 'no two are alike');
  assert.doesNotMatch(Buffer.from(sealed, 'base64url').toString('latin1'), /somebody|w1|tools/);
});

test('a state of which any character is another one does not open, nor one that is cut, longer or of another kind', () => {
  const sealed = states.seal(STATE);
  for (let at = 0; at < sealed.length; at++) {
    for (const other of BASE64URL) {
      if (other === sealed[at]) continue;
      assert.equal(
        states.open(sealed.slice(0, at) + other + sealed.slice(at + 1)),
        undefined,
        `${at} ${other}`,
      );
    }
    assert.equal(states.open(sealed.slice(0, at)), undefined, `cut at ${at}`);
    assert.equal(states.open(sealed.slice(at + 1)), undefined, `without the first ${at + 1}`);
    for (const more of ['=', ' ', '\n', 'A', '.', 'é']) {
      assert.equal(states.open(sealed.slice(0, at) + more + sealed.slice(at)), undefined, `${at} + ${more}`);
    }
  }
  for (const odd of [
    '',
    ' ',
    '=',
    `${sealed}=`,
    `${sealed}\0`,
    'A'.repeat(1_000_000),
    7,
    null,
    undefined,
    {},
    [sealed],
  ]) {
    assert.equal(states.open(odd), undefined);
  }
});

test('every byte that is turned, bit by bit, is noticed', () => {
  const bytes = Buffer.from(states.seal(STATE), 'base64url');
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 1; bit < 256; bit <<= 1) {
      const turned = Buffer.from(bytes);
      turned[at] = (turned[at] ?? 0) ^ bit;
      assert.equal(states.open(turned.toString('base64url')), undefined, `byte ${at}, bit ${bit}`);
    }
  }
});

test('what makes a call the same is all of it but its envelope, its answers and its state', () => {
  const params = { name: 'x', arguments: { a: 1 } };
  const same = callDigest('tools/call', params);
  assert.equal(
    callDigest('tools/call', { ...params, _meta: { a: 1 }, inputResponses: {}, requestState: 's' }),
    same,
  );
  assert.notEqual(callDigest('prompts/get', params), same);
  assert.notEqual(callDigest('tools/call', { ...params, name: 'y' }), same);
  assert.notEqual(callDigest('tools/call', { ...params, arguments: { a: 2 } }), same);
  assert.notEqual(callDigest('tools/call', { ...params, task: {} }), same);
});

test('states are found in the text and in the bytes of a body, wherever they stand', () => {
  const sealed = states.seal(STATE);
  const body = (fill: string) => `{"a":"${fill}","params":{"requestState" : \n "${sealed}"}}`;
  for (const text of [body(''), body('x'.repeat(300_000)), body('é"requestState"'.replaceAll('"', '\\"'))]) {
    assert.deepEqual(statesIn(text), [sealed]);
    assert.deepEqual(statesIn(Buffer.from(text)), [sealed]);
    assert.deepEqual(statesIn(new Uint8Array(Buffer.from(text))), [sealed]);
  }
  for (const none of ['', '{}', '"requestState"', '{"requestState":7}', '{"requestState":"a b"}']) {
    assert.deepEqual(statesIn(none), []);
  }
  assert.equal(
    statesIn(`[${'{"requestState":"a"},'.repeat(1_000)}]`).length,
    4,
    'a body costs a bounded search',
  );
});
