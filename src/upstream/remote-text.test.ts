import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noAnswer, rpcErrorIn, wholeText } from './remote-text.ts';

test('parts of a message are joined, whatever they are made of', () => {
  assert.equal(wholeText('{"a":1}'), '{"a":1}');
  assert.equal(wholeText(Buffer.from('"ü"')), '"ü"');
  // A view into a larger buffer, as the parts of a large message are.
  const bytes = new TextEncoder().encode('xx"grün"xx').subarray(2, 9);
  assert.equal(wholeText(['{"id":', '7,"v":', bytes, '}']), '{"id":7,"v":"grün"}');
});

test('a JSON-RPC error is found in the body of an HTTP error', () => {
  const body = '{"jsonrpc":"2.0","error":{"code":-32000,"message":"no","data":{"a":1}},"id":null}';
  assert.deepEqual(rpcErrorIn(body), { code: -32000, message: 'no', data: { a: 1 } });
});

test('no other body counts as a JSON-RPC error', () => {
  const bodies = [
    undefined,
    null,
    '',
    '<html>',
    '{',
    '{}',
    '[]',
    '{"error":"invalid_token"}',
    '{"jsonrpc":"2.0","error":{"code":"x","message":"m"}}',
    '{"jsonrpc":"2.0","error":null}',
    '{"jsonrpc":"2.0","id":1,"result":{}}',
  ];
  for (const body of bodies) assert.equal(rpcErrorIn(body), undefined, `${body}`);
});

test('an error in the place of an answer says whose fault it is', () => {
  assert.deepEqual(noAnswer('It failed.'), {
    code: -32603,
    message: 'It failed.',
    data: { code: 'server_error' },
  });
});
