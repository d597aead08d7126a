import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgeError } from '../errors.ts';
import { reread } from './message-edit.ts';
import { checkModernRequest } from './modern-request.ts';

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

const check = (method: string, params: string, name?: string) =>
  checkModernRequest(reread(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`), {
    version: '2026-07-28',
    method,
    name,
  });

const withMeta = (members: string, meta: object = META): string =>
  `{${members},"_meta":${JSON.stringify(meta)}}`;

test('requests with different envelopes, in turn, each have their own', () => {
  for (const level of ['info', 'debug', 'info', undefined, 'error']) {
    const meta = { ...META, ...(level !== undefined && { 'io.modelcontextprotocol/logLevel': level }) };
    assert.equal(check('tools/list', withMeta('"cursor":"1"', meta)).logLevel, level);
  }
});

test('a requestState is found however its key is written, and nowhere else', () => {
  const call = (members: string) => check('tools/call', withMeta(`"name":"a",${members}`), 'a').requestState;
  assert.equal(call('"requestState":"s"'), 's');
  assert.equal(call('"request\\u0053tate":"s"'), 's');
  assert.equal(call('"arguments":{"requestState":"s"}'), undefined);
  assert.equal(call('"arguments":{}'), undefined);
});

const mismatch = (error: unknown): boolean =>
  error instanceof BridgeError && error.code === 'header_mismatch';

test('Mcp-Name repeats the member that its method names', () => {
  assert.equal(check('tools/call', withMeta('"name":"a","uri":"u"'), 'a').params['name'], 'a');
  check('tools/call', withMeta('"name":"ü"'), '=?base64?w7w=?=');
  check('resources/read', withMeta('"name":"a","uri":"u"'), 'u');
  assert.throws(() => check('tools/call', withMeta('"name":"a","uri":"u"'), 'u'), mismatch);
  assert.throws(() => check('resources/read', withMeta('"name":"a","uri":"u"'), 'a'), mismatch);
  assert.throws(() => check('tools/call', withMeta('"name":"a"')), mismatch);
});
