/**
 * Bad requests to a running bridge: whatever is wrong with the message or the headers, the answer has the documented status
 * and shape, says what is wrong, and the bridge serves the next one. Paths: bad-input-paths.test.ts.
 */
import assert from 'node:assert/strict';
import type { Bridge } from './harness/bridge.ts';
import { startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import {
  assertNothingLeft,
  assertRpcError,
  assertServes,
  LEAK_ENV,
  type RpcRefusal,
} from './harness/expect.ts';
import { honest, initializeParams, post, type RawRequest, send } from './harness/rpc.ts';
import { echo } from './harness/servers.ts';

const invalid = (says: RegExp, id: unknown = null): RpcRefusal => ({
  status: 400,
  rpc: -32600,
  code: 'invalid_request',
  says,
  id,
});
const unparsable: RpcRefusal = { status: 400, rpc: -32700, code: 'parse_error', says: /not valid JSON/ };
const badParams = (says: RegExp, id: unknown): RpcRefusal => ({
  status: 400,
  rpc: -32602,
  code: 'invalid_params',
  says,
  id,
});

/** What it is, the body as it is sent, and the answer. */
const MESSAGES: readonly (readonly [name: string, body: string, refusal: RpcRefusal])[] = [
  ['nothing', '', unparsable],
  ['half an object', '{"jsonrpc":"2.0","id":1', unparsable],
  ['text', 'hello', unparsable],
  ['two messages', '{"jsonrpc":"2.0","method":"ping","id":1} {}', unparsable],
  ['a number', '42', invalid(/is an object; found 42\./)],
  ['a string', '"ping"', invalid(/is an object; found "ping"\./)],
  ['null', 'null', invalid(/is an object; found null\./)],
  ['an empty object', '{}', invalid(/"jsonrpc" must be "2\.0"; found nothing/)],
  [
    'another JSON-RPC',
    '{"jsonrpc":"1.0","id":7,"method":"ping"}',
    invalid(/must be "2\.0"; found "1\.0"/, 7),
  ],
  ['neither request nor answer', '{"jsonrpc":"2.0","id":7}', invalid(/"method", "result" or "error"/, 7)],
  [
    'a method that is a number',
    '{"jsonrpc":"2.0","id":7,"method":5}',
    invalid(/"method" must be a string; found 5/, 7),
  ],
  [
    'params that are a list',
    '{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}',
    invalid(/"params" must be an object; found an array/, 7),
  ],
  [
    'a key twice',
    '{"jsonrpc":"2.0","id":7,"method":"ping","method":"x"}',
    invalid(/"method" stands there twice/, 7),
  ],
  ['result and error', '{"jsonrpc":"2.0","id":7,"result":{},"error":{}}', invalid(/found both/, 7)],
  [
    'an id that is null',
    '{"jsonrpc":"2.0","id":null,"method":"ping"}',
    invalid(/"id" must be a string or a number; found null/),
  ],
  [
    'an id that is an object',
    '{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}',
    invalid(/"id" must be a string or a number; found an object/),
  ],
  [
    'an id that is a list',
    '{"jsonrpc":"2.0","id":[1],"method":"ping"}',
    invalid(/"id" must be a string or a number; found an array/),
  ],
  [
    'an id that is a boolean',
    '{"jsonrpc":"2.0","id":true,"method":"ping"}',
    invalid(/"id" must be a string or a number; found true/),
  ],
  [
    'nesting without end',
    `{"jsonrpc":"2.0","id":7,"method":"ping","params":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`,
    invalid(/nested deeper than \d+ levels/),
  ],
  [
    'initialize without a version',
    '{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"capabilities":{}}}',
    badParams(/"protocolVersion", a string; found undefined|found nothing/, 7),
  ],
  [
    'initialize without params',
    '{"jsonrpc":"2.0","id":7,"method":"initialize"}',
    badParams(/"protocolVersion", a string/, 7),
  ],
  [
    'initialize with capabilities that are text',
    '{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":"all"}}',
    badParams(/"capabilities", an object; found "all"/, 7),
  ],
  [
    'a method that needs a session',
    '{"jsonrpc":"2.0","id":7,"method":"logging/setLevel","params":{"level":"info"}}',
    invalid(/"logging\/setLevel" needs a session/, 7),
  ],
];

const PING = '{"jsonrpc":"2.0","id":7,"method":"ping"}';
const refused = (status: number, code: string, says: RegExp): RpcRefusal => ({
  status,
  rpc: -32603,
  code,
  says,
});

/** What it is, what is changed on an honest POST (undefined: left out), and the answer. */
const HEADERS: readonly (readonly [
  name: string,
  changes: Readonly<Record<string, string | readonly string[] | undefined>>,
  refusal: RpcRefusal,
  answer?: Readonly<Record<string, RegExp>>,
])[] = [
  [
    'no token',
    { Authorization: undefined },
    refused(401, 'unauthorized', /bearer token is needed/),
    { 'www-authenticate': /^Bearer realm="mcp-bridge"$/ },
  ],
  [
    'a wrong token',
    { Authorization: 'Bearer wrong' },
    refused(401, 'unauthorized', /not one that this bridge knows/),
    { 'www-authenticate': /error="invalid_token"/ },
  ],
  [
    'another scheme',
    { Authorization: 'Basic dXNlcjpwYXNz' },
    refused(401, 'unauthorized', /must be: Bearer TOKEN/),
    { 'www-authenticate': /^Bearer / },
  ],
  [
    'a foreign Origin',
    { Origin: 'https://evil.example' },
    refused(403, 'origin_not_allowed', /ALLOWED_ORIGINS/),
  ],
  ['Origin null', { Origin: 'null' }, refused(403, 'origin_not_allowed', /ALLOWED_ORIGINS/)],
  [
    'a foreign Host',
    { Host: 'evil.example' },
    refused(403, 'host_not_allowed', /"evil\.example".*ALLOWED_HOSTS/),
  ],
  ['a Host that is none', { Host: 'a b' }, invalid(/needs a Host header/)],
  [
    'Accept without SSE',
    { Accept: 'application/json' },
    refused(406, 'not_acceptable', /application\/json and text\/event-stream; found "application\/json"/),
  ],
  [
    'Accept without JSON',
    { Accept: 'text/event-stream' },
    refused(406, 'not_acceptable', /found "text\/event-stream"/),
  ],
  ['Accept of something else', { Accept: 'text/html' }, refused(406, 'not_acceptable', /found "text\/html"/)],
  [
    'Accept that refuses',
    { Accept: 'application/json;q=0, text/event-stream' },
    refused(406, 'not_acceptable', /must list/),
  ],
  [
    'no Content-Type',
    { 'Content-Type': undefined },
    refused(415, 'unsupported_media_type', /application\/json; found none/),
  ],
  [
    'another Content-Type',
    { 'Content-Type': 'text/plain' },
    refused(415, 'unsupported_media_type', /found "text\/plain"/),
  ],
  [
    'an unknown revision',
    { 'MCP-Protocol-Version': '1999-01-01' },
    invalid(/"1999-01-01" is not supported here; supported are 2/, 7),
  ],
  ['no revision at all', { 'MCP-Protocol-Version': 'latest' }, invalid(/"latest" is not supported here/, 7)],
  [
    'two tokens',
    { Authorization: ['Bearer one', 'Bearer two'] },
    invalid(/"authorization" was sent more than once/),
  ],
  ['two sessions', { 'Mcp-Session-Id': ['one', 'two'] }, invalid(/"mcp-session-id" was sent more than once/)],
  [
    'two revisions',
    { 'MCP-Protocol-Version': ['2025-06-18', '2025-03-26'] },
    invalid(/"mcp-protocol-version" was sent more than once/),
  ],
  [
    'two origins',
    { Origin: ['https://evil.example', 'http://localhost'] },
    invalid(/"origin" was sent more than once/),
  ],
];

forEachEngine('bad input over HTTP', async (t, engine) => {
  const bridge = await startBridge(t, {
    engine,
    env: LEAK_ENV,
    config: { servers: { own: echo(), off: { ...echo(), disabled: true } } },
  });

  for (const [name, body, refusal] of MESSAGES) {
    await t.test(`/mcp refuses ${name}`, async () => {
      assertRpcError(await post(bridge, 'own', body), refusal);
    });
  }
  await t.test('the next request is served after bad messages', () => assertServes(bridge, 'own'));

  for (const [name, changes, refusal, answerHeaders = {}] of HEADERS) {
    await t.test(`/mcp refuses ${name}`, async () => {
      const answer = await send(bridge, withHeaders(bridge, changes));
      assertRpcError(answer, refusal);
      for (const [header, value] of Object.entries(answerHeaders)) {
        assert.match(String(answer.headers[header]), value);
      }
    });
  }
  await t.test('the next request is served after bad headers', () => assertServes(bridge, 'own'));

  await t.test('a method the server does not know is its own answer, with 200', async () => {
    for (const method of ['no/such', '__proto__', 'constructor', '', 'x'.repeat(10_000)]) {
      const answer = await post(bridge, 'own', { jsonrpc: '2.0', id: 7, method });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body.id, 7);
      assert.equal(answer.body.error.code, -32601);
    }
  });

  await t.test('initialize with a revision nobody knows is answered with one that is known', async () => {
    const message = {
      jsonrpc: '2.0',
      id: 7,
      method: 'initialize',
      params: initializeParams({}, '1999-01-01'),
    };
    const answer = await post(bridge, 'own', message);
    // The server itself would take any revision at its word.
    assert.equal(answer.body.result?.protocolVersion, '2025-11-25', answer.text);
    const session = String(answer.headers['mcp-session-id']);
    const ended = await send(bridge, {
      method: 'DELETE',
      path: '/mcp/own',
      headers: honest(bridge, { session }),
    });
    assert.equal(ended.status, 200);
  });

  await t.test('the bridge serves, and nothing is left', async () => {
    await assertServes(bridge, 'own');
    await assertNothingLeft(bridge, 2);
  });
});

function withHeaders(
  bridge: Bridge,
  changes: Readonly<Record<string, string | readonly string[] | undefined>>,
): RawRequest {
  const all = { ...honest(bridge), ...changes };
  const headers = Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  ) as Record<string, string | readonly string[]>;
  return { method: 'POST', path: '/mcp/own', headers, body: PING };
}
