/**
 * Bad requests to a running bridge: servers, paths and methods that do not exist, and every wrong body of /bridge.
 */
import assert from 'node:assert/strict';
import { startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import {
  assertHttpError,
  assertNothingLeft,
  assertRpcError,
  assertServes,
  LEAK_ENV,
  type Refusal,
  type RpcRefusal,
} from './harness/expect.ts';
import { honest, postBridge, send } from './harness/rpc.ts';
import { echo } from './harness/servers.ts';

const PING = '{"jsonrpc":"2.0","id":7,"method":"ping"}';
const refused = (status: number, code: string, says: RegExp): RpcRefusal => ({
  status,
  rpc: -32603,
  code,
  says,
});
const unknownServer = (says: RegExp): RpcRefusal => refused(404, 'unknown_server', says);
const LONG = 'a'.repeat(6_000);

const SERVERS: readonly (readonly [segment: string, refusal: RpcRefusal])[] = [
  ['nobody', unknownServer(/no server "nobody"/)],
  ['', unknownServer(/no server ""/)],
  ['__proto__', unknownServer(/no server "__proto__"/)],
  ['%5F%5Fproto%5F%5F', unknownServer(/no server "__proto__"/)],
  ['constructor', unknownServer(/no server "constructor"/)],
  ['toString', unknownServer(/no server "toString"/)],
  ['%2e%2e', unknownServer(/no server "\.\."/)],
  ['%2e%2e%2fhealth', unknownServer(/no server "\.\.\/health"/)],
  ['own/more', unknownServer(/no server "own\/more"/)],
  ['own%00', unknownServer(/no server "own/)],
  ['OWN', unknownServer(/no server "OWN"/)],
  ['off', unknownServer(/no server "off"/)],
  ['%', refused(404, 'not_found', /"%" is not valid percent-encoding/)],
  ['%ff', refused(404, 'not_found', /"%ff" is not valid percent-encoding/)],
  [LONG, unknownServer(/^.{1,300}$/)],
];

const badCall = (says: RegExp): Refusal => ({ status: 400, code: 'invalid_request', says });

const BRIDGE_BODIES: readonly (readonly [name: string, body: string, refusal: Refusal])[] = [
  ['nothing', '', badCall(/not valid JSON/)],
  ['half an object', '{"serverPath":', badCall(/not valid JSON/)],
  ['a list', '[]', badCall(/must be an object with serverPath, args, env, method, params; found \[\]/)],
  ['null', 'null', badCall(/must be an object.*found null/)],
  ['an unknown key', '{"serverPath":"own","method":"ping","timeout":1}', badCall(/"timeout" is not a key/)],
  [
    '__proto__ as a key',
    '{"serverPath":"own","method":"ping","__proto__":{}}',
    badCall(/"__proto__" is not a key/),
  ],
  ['no server', '{"method":"ping"}', badCall(/"serverPath".*found nothing/)],
  ['a server that is a number', '{"serverPath":1,"method":"ping"}', badCall(/"serverPath".*found 1/)],
  ['no method', '{"serverPath":"own"}', badCall(/"method".*found nothing/)],
  ['a method that is a list', '{"serverPath":"own","method":[]}', badCall(/"method".*found \[\]/)],
  [
    'args that are text',
    '{"serverPath":"own","method":"ping","args":"-y"}',
    badCall(/"args" must be a list of strings; found "-y"/),
  ],
  [
    'args that are numbers',
    '{"serverPath":"own","method":"ping","args":[1]}',
    badCall(/"args" must be a list of strings; found \[1\]/),
  ],
  [
    'env that is a list',
    '{"serverPath":"own","method":"ping","env":["A=1"]}',
    badCall(/"env" must be an object of strings/),
  ],
  [
    'env with a number',
    '{"serverPath":"own","method":"ping","env":{"A":1}}',
    badCall(/"env" must be an object of strings/),
  ],
  [
    'params that are a list',
    '{"serverPath":"own","method":"ping","params":[1]}',
    badCall(/"params" must be an object; found an array/),
  ],
  [
    'a key twice',
    '{"serverPath":"own","method":"ping","method":"x"}',
    badCall(/"method" stands there twice/),
  ],
  [
    'a method that needs a session',
    '{"serverPath":"own","method":"logging/setLevel","params":{"level":"info"}}',
    badCall(/needs a session; use \/mcp/),
  ],
];

forEachEngine('bad paths and bad calls', async (t, engine) => {
  const bridge = await startBridge(t, {
    engine,
    env: LEAK_ENV,
    config: { servers: { own: echo(), off: { ...echo(), disabled: true } } },
  });

  for (const [segment, refusal] of SERVERS) {
    await t.test(`/mcp knows no server at "${segment.slice(0, 40)}"`, async () => {
      for (const method of ['POST', 'GET', 'DELETE']) {
        const body = method === 'POST' && { body: PING };
        const answer = await send(bridge, {
          method,
          path: `/mcp/${segment}`,
          headers: honest(bridge),
          ...body,
        });
        assertRpcError(answer, refusal);
      }
    });
  }

  for (const [name, body, refusal] of BRIDGE_BODIES) {
    await t.test(`/bridge refuses ${name}`, async () => {
      assertHttpError(await postBridge(bridge, body), refusal);
    });
  }

  await t.test('a wrong method is 405 and names those that are right', async () => {
    for (const [path, method, allow] of [
      ['/mcp/own', 'PUT', 'POST, GET, DELETE'],
      ['/mcp/own', 'HEAD', 'POST, GET, DELETE'],
      ['/mcp/own', 'get', 'POST, GET, DELETE'],
      ['/bridge', 'GET', 'POST'],
      ['/health', 'POST', 'GET, HEAD'],
      ['/metrics', 'DELETE', 'GET, HEAD'],
    ] as const) {
      const answer = await send(bridge, { method, path, headers: honest(bridge) });
      if (method === 'get' && answer.status === 400) continue; // node:http takes no method it does not know
      assert.equal(answer.status, 405, `${method} ${path}: ${answer.text}`);
      assert.equal(answer.headers['allow'], allow);
      if (method === 'HEAD') continue;
      const { code, requestId } = answer.body.error?.data ?? answer.body;
      assert.equal(code, 'method_not_allowed');
      assert.equal(requestId, answer.headers['x-request-id']);
    }
  });

  await t.test('an unknown path is 404, in the shape of everything outside of /mcp', async () => {
    for (const path of [
      '/',
      '/mcp',
      '/bridge/',
      '/bridge/x',
      '/Health',
      '/servers/own',
      '/..%2fhealth',
      `/${LONG}`,
    ]) {
      const answer = await send(bridge, { path, headers: honest(bridge) });
      assertHttpError(answer, {
        status: 404,
        code: 'not_found',
        says: /^There is nothing at "\/.{0,200}"\.$/,
      });
    }
  });

  await t.test('outside of /mcp wrong headers are answered in the other shape', async () => {
    const path = '/bridge';
    const body = '{"serverPath":"own","method":"tools/list"}';
    const base = honest(bridge);
    for (const [headers, refusal] of [
      [
        { ...base, Authorization: 'Bearer wrong' },
        { status: 401, code: 'unauthorized', says: /not one/ },
      ],
      [
        { ...base, Origin: 'https://evil.example' },
        { status: 403, code: 'origin_not_allowed', says: /Origin/ },
      ],
      [
        { ...base, Host: 'evil.example' },
        { status: 403, code: 'host_not_allowed', says: /evil\.example/ },
      ],
      [
        { ...base, 'Content-Type': 'text/plain' },
        { status: 415, code: 'unsupported_media_type', says: /text\/plain/ },
      ],
    ] as const) {
      assertHttpError(await send(bridge, { method: 'POST', path, headers, body }), refusal);
    }
  });

  await t.test('the bridge serves, and nothing is left', async () => {
    await assertServes(bridge, 'own');
    await assertNothingLeft(bridge, 2);
  });
});
