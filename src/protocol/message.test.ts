import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLarge } from '../../workers/messages.ts';
import type { Chunk } from '../http/engine.ts';
import { type Message, parsePayload, payloadOf, rewrite } from './message.ts';
import { type Malformed, readMessage } from './read-message.ts';

function whole(message: Message | Malformed): Message {
  if (message.kind === 'malformed') assert.fail(message.reason);
  return message;
}

const read = (text: string): Message => whole(readMessage(text));
const readBytes = (bytes: Uint8Array): Message => whole(readLarge(new Uint8Array(bytes)));

function joined(chunks: Chunk | readonly Chunk[]): string {
  const parts = typeof chunks === 'string' || chunks instanceof Uint8Array ? [chunks] : chunks;
  return Buffer.concat(parts.map((part) => Buffer.from(part as string))).toString();
}

/** The rewritten text, which must be the same whether the message was read as text or as bytes. */
function rewritten(text: string, id: string, token?: string): string {
  const fromText = joined(rewrite(read(text), id, token));
  assert.equal(joined(rewrite(readBytes(Buffer.from(text)), id, token)), fromText);
  return fromText;
}

test('only the id is replaced, wherever it stands and whatever it looks like', () => {
  assert.equal(
    rewritten('{"jsonrpc":"2.0","result":{"id":1},"id":0}', '77'),
    '{"jsonrpc":"2.0","result":{"id":1},"id":77}',
  );
  assert.equal(
    rewritten('{ "id" : "\\"id\\":1" , "x":"😀", "jsonrpc":"2.0","result":9007199254740993}', '""'),
    '{ "id" : "" , "x":"😀", "jsonrpc":"2.0","result":9007199254740993}',
  );
});

test('id and progress token are replaced in either order', () => {
  const params = '"params":{"x":"é","_meta":{"progressToken":"p"}}';
  const token = '"params":{"x":"é","_meta":{"progressToken":5}}';
  assert.equal(
    rewritten(`{"jsonrpc":"2.0","id":"a","method":"m",${params}}`, '5', '5'),
    `{"jsonrpc":"2.0","id":5,"method":"m",${token}}`,
  );
  assert.equal(
    rewritten(`{"jsonrpc":"2.0",${params},"method":"m","id":"a"}`, '5', '5'),
    `{"jsonrpc":"2.0",${token},"method":"m","id":5}`,
  );
});

test('a request that asks for no progress is given no token', () => {
  const text = '{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{}}}';
  assert.equal(rewritten(text, '2', '2'), text.replace('"id":1', '"id":2'));
});

test('progress gets the token of its asker and no id', () => {
  const text =
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":0.5}}';
  assert.equal(rewritten(text, '', '"mine"'), text.replace(':7,', ':"mine",'));
});

test('a message without an id passes as it is', () => {
  const text = '{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"},"id":null}';
  assert.equal(rewritten(text, '5'), text);
});

test('bytes are neither copied nor decoded to be rewritten', () => {
  const message = readBytes(Buffer.from('{"jsonrpc":"2.0","id":1,"result":"é"}'));
  const parts = rewrite(message, '2', undefined);
  assert.ok(Array.isArray(parts) && message.text instanceof Uint8Array);
  for (const part of parts) if (part instanceof Uint8Array) assert.equal(part.buffer, message.text.buffer);
});

test('places in bytes are right behind characters of every length', () => {
  const text = '{"jsonrpc":"2.0","x":"é€😀","result":"ü\\ud83d","y":"😀","id":"ß"}';
  assert.equal(rewritten(text, '1'), text.replace('"ß"', '1'));
  assert.equal(joined(payloadOf(readBytes(Buffer.from(text))) ?? ''), '"ü\\ud83d"');
});

test('a pretty-printed message of bytes becomes one line', () => {
  const text = '{\r\n "jsonrpc": "2.0",\n "result": "a\\nb é",\r "id": 1\n}\n';
  assert.doesNotMatch(rewritten(text, '2'), /[\r\n]/);
});

test('bytes that are not UTF-8 are replaced, and every place behind them is still right', () => {
  const bytes = Buffer.concat([
    Buffer.from('{"jsonrpc":"2.0","result":"'),
    Buffer.of(0xe9, 0xff, 0xf0, 0x9f),
    Buffer.from('","id":41}'),
  ]);
  const message = readBytes(bytes);
  assert.equal(message.id, '41');
  const answer = JSON.parse(joined(rewrite(message, '"mine"', undefined)));
  assert.equal(answer.id, '"mine"'.slice(1, -1));
  assert.match(answer.result, /^\ufffd+$/);
});

test('the payload is the text of params, result or error', () => {
  assert.equal(payloadOf(read('{"jsonrpc":"2.0","id":1,"result": [1.0 ,2] }')), '[1.0 ,2]');
  assert.equal(payloadOf(read('{"jsonrpc":"2.0","id":1,"method":"ping"}')), undefined);
  assert.deepEqual(parsePayload(read('{"jsonrpc":"2.0","id":1,"method":"ping"}')), {});
  assert.deepEqual(parsePayload(readBytes(Buffer.from('{"jsonrpc":"2.0","id":1,"result":{"a":"é"}}'))), {
    a: 'é',
  });
});
