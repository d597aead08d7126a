/**
 * Bad use of sessions: unknown, foreign, ended and expired ones, second streams, ids of every kind, batches.
 */
import assert from 'node:assert/strict';
import type { Bridge } from './harness/bridge.ts';
import { startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import {
  assertNoSession,
  assertNothingLeft,
  assertRpcError,
  assertServes,
  LEAK_ENV,
  metricsOf,
  sumOf,
} from './harness/expect.ts';
import {
  type Answer,
  callTool,
  endSession,
  type Headers,
  honest,
  initialize,
  initializeParams,
  listen,
  post,
  send,
} from './harness/rpc.ts';
import { echo } from './harness/servers.ts';
import { until } from './harness/until.ts';

const OTHER_TOKEN = 'another-principal-0123456789';
const PING = { jsonrpc: '2.0', id: 7, method: 'ping' };
const HUGE = '123456789012345678901234567890';
const OLD = { headers: { 'MCP-Protocol-Version': '2025-03-26' } };

/** All three verbs of /mcp with this session. */
async function everyVerb(bridge: Bridge, server: string, how: Headers): Promise<Answer[]> {
  const path = `/mcp/${server}`;
  return [
    await post(bridge, server, PING, how),
    await send(bridge, { path, headers: honest(bridge, how) }),
    await send(bridge, { method: 'DELETE', path, headers: honest(bridge, how) }),
  ];
}

const echoCall = (id: unknown, text: string) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'echo', arguments: { text } },
});

forEachEngine('bad use of sessions', async (t, engine) => {
  const bridge = await startBridge(t, {
    engine,
    env: LEAK_ENV,
    config: {
      servers: {
        own: echo(),
        other: echo(),
        personal: { ...echo(), isolation: 'principal' },
        shared: { ...echo(), isolation: 'shared' },
      },
      auth: { tokens: [{ name: 'other', token: OTHER_TOKEN }] },
    },
  });

  await t.test('an unknown session is 404 for every verb', async () => {
    const made = await initialize(bridge, 'own');
    const forged = made.slice(0, -1) + (made.endsWith('A') ? 'B' : 'A');
    for (const session of ['nope', '0', '__proto__', 'constructor', 'x'.repeat(5_000), `${made}x`, forged]) {
      for (const answer of await everyVerb(bridge, 'own', { session })) assertNoSession(answer);
    }
    assert.equal((await post(bridge, 'own', PING, { session: made })).status, 200);
    await endSession(bridge, 'own', { session: made });
  });

  for (const server of ['own', 'personal', 'shared']) {
    await t.test(`a session of another principal is unknown (${server})`, async () => {
      const session = await initialize(bridge, server);
      for (const answer of await everyVerb(bridge, server, { session, token: OTHER_TOKEN }))
        assertNoSession(answer);
      assert.equal((await post(bridge, server, PING, { session })).status, 200, 'it lives on for its owner');
      await endSession(bridge, server, { session });
    });

    await t.test(`a session of another server is unknown (${server})`, async () => {
      const session = await initialize(bridge, server);
      for (const answer of await everyVerb(bridge, 'other', { session })) assertNoSession(answer);
      assert.equal((await post(bridge, server, PING, { session })).status, 200);
      await endSession(bridge, server, { session });
    });

    await t.test(`a deleted session is unknown, on every worker (${server})`, async () => {
      const session = await initialize(bridge, server);
      assert.equal((await endSession(bridge, server, { session })).status, 200);
      for (let i = 0; i < 4; i++) {
        for (const answer of await everyVerb(bridge, server, { session })) assertNoSession(answer);
      }
    });
  }

  await t.test('an empty session id is no session', async () => {
    for (const answer of await everyVerb(bridge, 'own', { session: '' })) {
      assert.ok(answer.status === 404 || answer.status === 400, `${answer.status} ${answer.text}`);
    }
  });

  await t.test('GET and DELETE need a session', async () => {
    for (const method of ['GET', 'DELETE']) {
      const answer = await send(bridge, { method, path: '/mcp/own', headers: honest(bridge) });
      const says = new RegExp(`${method} needs the header Mcp-Session-Id`);
      assertRpcError(answer, { status: 400, rpc: -32600, code: 'invalid_request', says });
    }
  });

  await t.test('a second GET stream is refused, and the first goes on', async () => {
    const session = await initialize(bridge, 'own');
    const first = await listen(bridge, 'own', { session });
    assert.equal(first.status, 200);
    for (let i = 0; i < 3; i++) {
      const second = await send(bridge, { path: '/mcp/own', headers: honest(bridge, { session }) });
      assertRpcError(second, {
        status: 409,
        rpc: -32603,
        code: 'stream_conflict',
        says: /one GET stream open already/,
      });
    }
    await callTool(bridge, 'own', 'notify', { what: 'tools' }, { session });
    await until('the notification on the first stream', () => first.events.length === 1);
    first.close();
    await until('a new stream to be let in', async () => {
      const again = await listen(bridge, 'own', { session });
      again.close();
      return again.status === 200;
    });
    await endSession(bridge, 'own', { session });
  });

  await t.test('a second initialize in a session is refused', async () => {
    for (const server of ['own', 'shared']) {
      const session = await initialize(bridge, server);
      const message = { jsonrpc: '2.0', id: 7, method: 'initialize', params: initializeParams() };
      const answer = await post(bridge, server, message, { session });
      assertRpcError(answer, {
        status: 400,
        rpc: -32600,
        code: 'invalid_request',
        says: /initialized already/,
        id: 7,
      });
      await endSession(bridge, server, { session });
    }
  });

  for (const server of ['own', 'shared']) {
    await t.test(`any id comes back exactly as it was sent (${server})`, async () => {
      const session = await initialize(bridge, server);
      for (const id of [
        '0',
        '-1',
        '1.5',
        '1e3',
        HUGE,
        '""',
        '"0"',
        '"ключ 🔑"',
        '"\\u006b\\"\\\\"',
        '"__proto__"',
        `"${'x'.repeat(10_000)}"`,
      ]) {
        const body = `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo","arguments":{"text":"t"}}}`;
        for (const how of [{ session }, {}]) {
          const answer = await post(bridge, server, body, how);
          assert.equal(answer.status, 200, answer.text);
          assert.ok(
            answer.text.includes(`"id":${id},`) || answer.text.includes(`"id":${id}}`),
            `${id}: ${answer.text}`,
          );
          assert.equal(answer.body.result.content[0].text, 't');
        }
      }
      await endSession(bridge, server, { session });
    });

    await t.test(`requests in flight under one id each get their own answer (${server})`, async () => {
      const session = await initialize(bridge, server);
      const slow = {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'slow', arguments: { ms: 300 } },
      };
      const [first, ...others] = await Promise.all([
        post(bridge, server, slow, { session }),
        ...['a', 'b', 'c'].map((text) => post(bridge, server, echoCall(1, text), { session })),
      ]);
      assert.equal(first.body.result.content[0].text, 'slept 300');
      assert.deepEqual(
        others.map(({ body }) => body.result.content[0].text),
        ['a', 'b', 'c'],
      );
      for (const { body } of [first, ...others]) assert.equal(body.id, 1);
      await endSession(bridge, server, { session });
    });
  }

  await t.test('an answer to what nobody asked is taken and dropped', async () => {
    const session = await initialize(bridge, 'own');
    for (const message of [
      '{"jsonrpc":"2.0","id":1,"result":{}}',
      `{"jsonrpc":"2.0","id":"${HUGE}","error":{"code":1,"message":"x"}}`,
    ]) {
      assert.equal((await post(bridge, 'own', message, { session })).status, 202);
      assert.equal((await post(bridge, 'own', message)).status, 202);
    }
    assert.equal((await post(bridge, 'own', PING, { session })).status, 200);
    await endSession(bridge, 'own', { session });
  });

  await t.test('a batch is for 2025-03-26, and answers what is wrong in it one by one', async () => {
    const broken = [
      echoCall(0, 'zero'),
      1,
      [],
      { jsonrpc: '2.0', id: 'x' },
      { jsonrpc: '2.0', method: 'notifications/x' },
      { jsonrpc: '2.0', id: 8, method: 'initialize', params: initializeParams() },
      echoCall('ü', 'umlaut'),
    ];
    const answer = await post(bridge, 'own', broken, OLD);
    assert.equal(answer.status, 200, answer.text);
    assert.ok(Array.isArray(answer.body));
    const told = answer.body.map(({ id, result, error }) => [id, result?.content[0].text ?? error.data.code]);
    assert.deepEqual(
      new Set(told.map(String)),
      new Set(
        [
          [0, 'zero'],
          [null, 'invalid_request'],
          [null, 'invalid_request'],
          ['x', 'invalid_request'],
          [8, 'invalid_request'],
          ['ü', 'umlaut'],
        ].map(String),
      ),
    );
    assert.equal(told.length, 6);
    for (const { error } of answer.body) {
      if (error !== undefined) assert.equal(error.data.requestId, answer.headers['x-request-id']);
    }
  });

  await t.test('an empty, a broken and a late batch are refused whole', async () => {
    const session = await initialize(bridge, 'own', { protocolVersion: '2025-06-18' });
    const newer = { headers: { 'MCP-Protocol-Version': '2025-06-18' } };
    for (const [body, how, rpc, code, says] of [
      ['[]', OLD, -32600, 'invalid_request', /at least one message; found none/],
      ['[{"jsonrpc":"2.0"', OLD, -32700, 'parse_error', /not valid JSON/],
      [JSON.stringify([PING]), newer, -32600, 'invalid_request', /2025-06-18 has no batches/],
      [JSON.stringify([PING]), { session }, -32600, 'invalid_request', /2025-06-18 has no batches/],
      [JSON.stringify([PING]), { session, ...OLD }, -32600, 'invalid_request', /2025-06-18 has no batches/],
      [
        JSON.stringify([PING]),
        { headers: { 'MCP-Protocol-Version': '2025-11-25' } },
        -32600,
        'invalid_request',
        /2025-11-25 has no batches/,
      ],
    ] as const) {
      assertRpcError(await post(bridge, 'own', body, how), { status: 400, rpc, code, says });
    }
    await endSession(bridge, 'own', { session });
  });

  await t.test('a batch of notifications is 202', async () => {
    const note = { jsonrpc: '2.0', method: 'notifications/x' };
    const answer = await post(bridge, 'own', [note, note], OLD);
    assert.equal(answer.status, 202);
    assert.equal(answer.text, '');
  });

  await t.test('the bridge serves, and nothing is left', async () => {
    await assertServes(bridge, 'own');
    await assertNothingLeft(bridge, 2);
  });
});

forEachEngine('an idle session expires, and is unknown from then on', async (t, engine) => {
  const servers = ['own', 'personal', 'shared'];
  const bridge = await startBridge(t, {
    engine,
    env: { ...LEAK_ENV, STREAM_SESSION_TTL_MS: '2000' },
    config: {
      servers: {
        own: echo(),
        personal: { ...echo(), isolation: 'principal' },
        shared: { ...echo(), isolation: 'shared' },
      },
    },
  });
  const sessions = await Promise.all(servers.map((server) => initialize(bridge, server)));
  await until('the sessions to expire', async () => {
    return (
      sumOf(await metricsOf(bridge), 'mcp_bridge_sessions_closed_total', 'reason="idle"') === servers.length
    );
  });
  for (const [i, server] of servers.entries()) {
    for (const answer of await everyVerb(bridge, server, { session: String(sessions[i]) }))
      assertNoSession(answer);
    await assertServes(bridge, server);
  }
  await assertNothingLeft(bridge, 2);
});
