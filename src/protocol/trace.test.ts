import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePayload } from './message.ts';
import { reread } from './message-edit.ts';
import { traced, traceInMeta, traceOf } from './trace.ts';

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const OTHER = '00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-00';
const FULL = { traceparent: PARENT, tracestate: 'vendor=1,other=2', baggage: 'user=alice;p=1,x=%20' };

const of = (headers: Record<string, unknown>) => traceOf(headers);
const request = (params?: object) =>
  reread(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', ...(params && { params }) }));

test('a trace is what is valid of its headers', () => {
  assert.deepEqual(of(FULL), FULL);
  assert.deepEqual(of({ traceparent: PARENT }), { traceparent: PARENT });
  assert.deepEqual(of({ baggage: 'a=b' }), { baggage: 'a=b' });
  assert.deepEqual(of({ traceparent: `01${PARENT.slice(2)}-more` }), {
    traceparent: `01${PARENT.slice(2)}-more`,
  });
  assert.equal(of({ tracestate: 'vendor=1' }), undefined, 'it means nothing without its parent');
  for (const traceparent of [
    '',
    'x',
    PARENT.toUpperCase(),
    `ff${PARENT.slice(2)}`,
    PARENT.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32)),
    PARENT.replace('b7ad6b7169203331', '0'.repeat(16)),
    `${PARENT}x`,
    `${PARENT}, ${PARENT}`,
    `${PARENT}\n`,
    7,
  ]) {
    assert.equal(of({ traceparent, tracestate: 'vendor=1' }), undefined, `${traceparent}`);
  }
  for (const baggage of ['', 'x'.repeat(8_193), 'a=b\r\nX: y', 'a=é', 7, ['a=b']]) {
    assert.equal(of({ baggage }), undefined, `${baggage}`);
  }
});

test('a request gets the trace into its _meta, and everything else in it stays', () => {
  assert.deepEqual(parsePayload(traced(request(), FULL)), { _meta: FULL });
  const params = { name: 'x', arguments: { a: [1, { b: null }] }, _meta: { progressToken: 7, other: {} } };
  const followed = traced(request(params), FULL);
  assert.deepEqual(parsePayload(followed), { ...params, _meta: { ...FULL, ...params._meta } });
  assert.equal(followed.token, '7');
  assert.match(String(followed.text), /"arguments":\{"a":\[1,\{"b":null\}\]\}/);
});

test('what a request says of its trace itself is kept', () => {
  const own = { traceparent: OTHER };
  assert.deepEqual(parsePayload(traced(request({ _meta: own }), FULL)), {
    _meta: { baggage: FULL.baggage, ...own },
  });
  const message = request({ _meta: { ...own, baggage: 'mine=1' } });
  assert.equal(traced(message, FULL), message);
});

test('what is no request, and what is large, passes as it is', () => {
  const notification = reread('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  assert.equal(traced(notification, FULL), notification);
  const large = { ...request({}), text: Buffer.from('{"jsonrpc":"2.0"}') };
  assert.equal(traced(large, FULL), large);
});

test('a trace is found in a _meta of whatever shape', () => {
  assert.deepEqual(traceInMeta({ ...FULL, progressToken: 1 }), FULL);
  for (const none of [undefined, null, 7, 'x', [], {}, { traceparent: {} }, Object.create(FULL)]) {
    assert.equal(traceInMeta(none), undefined);
  }
});
