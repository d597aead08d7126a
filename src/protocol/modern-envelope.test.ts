import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLarge } from '../../workers/messages.ts';
import type { Message } from './message.ts';
import { enveloped, namesModern, withCarriedState, withRequestState } from './modern-envelope.ts';
import { readMessage } from './read-message.ts';

const CLIENT = { capabilities: { roots: {} }, clientInfo: { name: 'c', version: '1' }, logLevel: 'info' };
const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': { roots: {} },
  'io.modelcontextprotocol/clientInfo': { name: 'c', version: '1' },
  'io.modelcontextprotocol/logLevel': 'info',
};

function read(text: string): Message {
  const message = readMessage(text);
  assert.notEqual(message.kind, 'malformed');
  return message as Message;
}

const paramsOf = ({ text }: Message) => JSON.parse(String(text)).params;

const REQUESTS: Readonly<Record<string, readonly [params: string | undefined, rest: object, meta: object]>> =
  {
    'without params': [undefined, {}, {}],
    'with empty params': ['{ }', {}, {}],
    'with params': ['{"name":"a"}', { name: 'a' }, {}],
    'with an empty _meta': ['{"_meta":{},"name":"a"}', { name: 'a' }, {}],
    'with a _meta of its own': [
      '{"name":"a","_meta":{"progressToken":7}}',
      { name: 'a' },
      { progressToken: 7 },
    ],
  };

for (const [what, [params, rest, meta]] of Object.entries(REQUESTS)) {
  test(`a request ${what} gets its envelope`, () => {
    const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call"${params === undefined ? '' : `,"params":${params}`}}`;
    const once = enveloped(read(text), CLIENT);
    assert.deepEqual(paramsOf(once), { ...rest, _meta: { ...META, ...meta } });
    assert.equal(once.isModern, true);
    const again = enveloped(read(text), CLIENT, { requestState: 's' });
    assert.deepEqual(paramsOf(again), { requestState: 's', ...rest, _meta: { ...META, ...meta } });
  });
}

test('a message of bytes gets its envelope where its params stand, whatever its id takes', () => {
  const params = '{"name":"a","_meta":{"progressToken":7},"requestState":"theirs"}';
  const text = `{"jsonrpc":"2.0","id":"é😀","method":"tools/call","params":${params}}`;
  const message = readLarge(Buffer.from(text));
  assert.ok(message.kind !== 'malformed' && typeof message.text !== 'string');
  const { _meta, ...rest } = paramsOf(enveloped(message, CLIENT));
  assert.deepEqual(rest, { name: 'a', requestState: 'theirs' });
  assert.deepEqual(_meta, { ...META, progressToken: 7 });
  assert.equal(paramsOf(withRequestState(message, 'ours')).requestState, 'ours');
});

test('what the client sent stays as it was written', () => {
  const args = '{"big":12345678901234567890,"text":"\\u00e9"}';
  const message = read(`{"jsonrpc":"2.0","id":1,"method":"m","params":{"arguments":${args}}}`);
  assert.ok(String(enveloped(message, CLIENT).text).includes(args));
});

test('a progress token is found in the request that goes out', () => {
  const message = enveloped(
    read('{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":"p"}}}'),
    CLIENT,
  );
  assert.equal(message.token, '"p"');
});

test('only the requestState of a retry is replaced', () => {
  const message = read(
    '{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"requestState","requestState":"x"}}',
  );
  assert.deepEqual(paramsOf(withRequestState(message, 'inner"')), {
    a: 'requestState',
    requestState: 'inner"',
  });
});

test('a result is carried where it asks for input, and nowhere else', () => {
  const carry = (state: string): string => `<${state}>`;
  const asking = '{"resultType":"input_required","requestState":"s","big":12345678901234567890}';
  assert.equal(withCarriedState(asking, carry), asking.replace('"s"', '"<s>"'));
  const stateless = '{"resultType":"input_required","inputRequests":{}}';
  assert.equal(withCarriedState(stateless, carry), stateless);
  const speaking = '{"resultType":"complete","text":"\\"input_required\\"","requestState":"s"}';
  assert.equal(withCarriedState(speaking, carry), undefined);
});

test('an error names the modern era when our revision is among those it supports', () => {
  assert.equal(namesModern({ code: -32022, data: { supported: ['2026-07-28'] } }), true);
  assert.equal(namesModern({ code: -32022, data: { supported: ['2099-01-01'] } }), false);
  for (const error of [
    undefined,
    null,
    'no',
    { code: -32601 },
    { data: null },
    { data: { supported: 'x' } },
  ]) {
    assert.equal(namesModern(error), false);
  }
});
