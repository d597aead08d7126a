/**
 * Servers that start, and then do what servers should not: every failure has its status and its sentence, harms nobody else's
 * request, and leaves no process behind.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBridge } from './harness/bridge.ts';
import {
  assertAnswers,
  assertHttpError,
  assertNoSession,
  assertNothingLeft,
  assertRpcError,
  assertServes,
  LEAK_ENV,
} from './harness/expect.ts';
import {
  call,
  callTool,
  endSession,
  initialize,
  type Json,
  listen,
  post,
  toolCall,
  viaBridge,
} from './harness/rpc.ts';
import { echo, misbehave } from './harness/servers.ts';
import { until } from './harness/until.ts';

const TIMEOUT_MS = 500;

const callMessage = (id: unknown) => toolCall(id, 'call');

test('servers that misbehave', async (t) => {
  const bridge = await startBridge(t, {
    env: LEAK_ENV,
    workers: 1,
    config: {
      servers: {
        fine: echo(),
        short: { ...echo(), timeoutMs: TIMEOUT_MS },
        silent: { ...misbehave('silent-call'), timeoutMs: TIMEOUT_MS },
        noise: misbehave('noise'),
        chatty: misbehave('chatty-start'),
        half: misbehave('half-line'),
        huge: misbehave('hundred-mb'),
        endless: misbehave('endless-line'),
        twice: misbehave('twice'),
        stray: misbehave('unknown-id'),
        asks: misbehave('asks-nobody'),
        dies: misbehave('dies-on-call'),
      },
    },
  });

  await t.test('a server that never answers a call: 504, and the session goes on', async () => {
    const session = await initialize(bridge, 'silent');
    const timedOut = {
      status: 504,
      code: 'server_timeout',
      says: /"silent" did not answer "tools\/call" within 500 ms/,
    };
    for (const how of [{ session }, {}]) {
      assertRpcError(await post(bridge, 'silent', callMessage(0), how), { ...timedOut, rpc: -32603, id: 0 });
    }
    assertHttpError(await viaBridge(bridge, 'silent', 'call'), timedOut);
    assert.equal((await call(bridge, 'silent', 'tools/list', {}, { session })).status, 200);
    await endSession(bridge, 'silent', { session });
  });

  await t.test('what timed out is cancelled on the server', async () => {
    const session = await initialize(bridge, 'short');
    for (const [tag, ask] of [
      [
        'in a session',
        () => post(bridge, 'short', toolCall(1, 'cancelable', { tag: 'in a session' }), { session }),
      ],
      ['without one', () => post(bridge, 'short', toolCall(1, 'cancelable', { tag: 'without one' }))],
      ['/bridge', () => viaBridge(bridge, 'short', 'cancelable', { tag: '/bridge' })],
    ] as const) {
      assert.equal((await ask()).status, 504);
      const how = tag === 'in a session' ? { session } : {};
      const { structuredContent } = await callTool(bridge, 'short', 'cancelled', {}, how);
      assert.ok(
        structuredContent.cancelled.some((each: Json) => each.tag === tag),
        tag,
      );
      assert.ok(!structuredContent.waiting.some((each: Json) => each.tag === tag));
    }
    await endSession(bridge, 'short', { session });
  });

  await t.test('noise on stdout is logged and skipped', async () => {
    for (const server of ['noise', 'chatty']) {
      const session = await initialize(bridge, server);
      for (const how of [{ session }, {}])
        assert.equal((await callTool(bridge, server, 'call', {}, how)).content[0].text, 'ok');
      assert.equal((await viaBridge(bridge, server, 'call')).body.content[0].text, 'ok');
      assert.ok(bridge.logged({ msg: 'noise on a server stdout', server }).length > 0);
      await endSession(bridge, server, { session });
    }
    assert.ok(
      bridge.logged({ msg: 'server stderr', server: 'chatty' }).some(({ line }) => line === 'warming up'),
    );
  });

  const died = (server: string, says: RegExp) => async () => {
    const refusal = { status: 502, code: 'server_died', says };
    const session = await initialize(bridge, server);
    const stream = await listen(bridge, server, { session });
    assertRpcError(await post(bridge, server, callMessage('é'), { session }), {
      ...refusal,
      rpc: -32603,
      id: 'é',
    });
    await stream.ended;
    assertNoSession(await post(bridge, server, callMessage(2), { session }));
    assertRpcError(await post(bridge, server, callMessage(3)), { ...refusal, rpc: -32603, id: 3 });
    assertHttpError(await viaBridge(bridge, server, 'call'), refusal);
    // Dying at work is no failed start: the next one is tried at once.
    await assertAnswers(bridge, server);
  };
  await t.test(
    'a server that dies in a call: 502, the session is gone',
    died('dies', /"dies" exited with code 4\. Its last stderr lines: fatal: out of cheese/),
  );
  await t.test('a server that prints half a line and dies: 502', died('half', /"half" exited with code 5/));

  for (const server of ['huge', 'endless']) {
    await t.test(
      `a line of 100 MB, or without end, is 502 and does not stay in memory (${server})`,
      async () => {
        const says = new RegExp(
          `"${server}" printed \\d+ bytes without a line end; at most 67108864 are allowed`,
        );
        const refusal = { status: 502, code: 'message_too_large', says };
        const session = await initialize(bridge, server);
        const working = post(bridge, server, callMessage(1), { session });
        await assertServes(bridge, 'fine');
        assertRpcError(await working, { ...refusal, rpc: -32603, id: 1 });
        assertNoSession(await post(bridge, server, callMessage(2), { session }));
        assertHttpError(await viaBridge(bridge, server, 'call'), refusal);
      },
    );
  }

  await t.test('the second of two answers, and an answer to nobody, are logged and dropped', async () => {
    for (const server of ['twice', 'stray']) {
      const session = await initialize(bridge, server);
      const stream = await listen(bridge, server, { session });
      for (let id = 0; id < 5; id++) {
        const { body } = await post(bridge, server, callMessage(id), { session });
        assert.deepEqual(body, { jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: 'ok' }] } });
      }
      assert.equal((await viaBridge(bridge, server, 'call')).body.content[0].text, 'ok');
      assert.ok(bridge.logged({ msg: 'a server answered what nobody asked', server }).length >= 5);
      assert.deepEqual(stream.events, []);
      await endSession(bridge, server, { session });
    }
  });

  await t.test('a server that asks what nobody can answer is told so', async () => {
    const answered = (how: { session?: string }, id: string): Promise<Json> =>
      until(`the server to hear an answer to ${id}`, async () => {
        const heard = JSON.parse((await callTool(bridge, 'asks', 'call', {}, how)).content[0].text);
        return heard.find((message: Json) => message.id === id);
      });
    const session = await initialize(bridge, 'asks');
    for (const how of [{ session }, {}]) {
      const { error } = await answered(how, 'q1');
      assert.equal(error.code, -32601);
      assert.match(error.message, /sampling/);
    }
    assert.deepEqual((await answered({}, 'q2')).result, {});
    await endSession(bridge, 'asks', { session });
  });

  await t.test('the bridge serves, and nothing is left', async () => {
    await assertServes(bridge, 'fine');
    await assertNothingLeft(bridge, 1);
  });
});
