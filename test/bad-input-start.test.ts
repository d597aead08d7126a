/**
 * Servers that do not start, in every way there is: the reason in the answer, then a back-off instead of hammering.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bridge, startBridge } from './harness/bridge.ts';
import {
  assertHttpError,
  assertNothingLeft,
  assertRpcError,
  assertServes,
  LEAK_ENV,
  metricsOf,
  sumOf,
} from './harness/expect.ts';
import { initializeParams, post, send, toolCall, viaBridge } from './harness/rpc.ts';
import { echo, misbehave } from './harness/servers.ts';
import { until } from './harness/until.ts';

const TIMEOUT_MS = 500;

const callMessage = (id: unknown) => toolCall(id, 'call');

const initializeMessage = { jsonrpc: '2.0', id: 'i', method: 'initialize', params: initializeParams() };

test('servers that do not start', async (t) => {
  const bridge = await startBridge(t, {
    env: LEAK_ENV,
    workers: 1,
    config: {
      servers: {
        fine: echo(),
        exits: misbehave('no-start'),
        missing: { command: '/nowhere/no-such-command' },
        nofolder: { ...echo(), cwd: '/nowhere/at/all' },
        refuses: misbehave('wrong-init'),
        mute: { ...misbehave('silent'), timeoutMs: TIMEOUT_MS },
        'mute-session': { ...misbehave('silent'), timeoutMs: TIMEOUT_MS },
        'mute-spare': { ...misbehave('silent'), timeoutMs: TIMEOUT_MS, prewarm: 1 },
        slow: { ...misbehave('slow-start', '1500'), timeoutMs: TIMEOUT_MS },
      },
    },
  });

  const failedStart = { status: 502, code: 'server_start_failed' };
  const startSentences = {
    exits:
      /"exits" exited with code 3 before it said anything\. Its last stderr lines: reading the settings \| fatal: no API key was given/,
    missing:
      /"missing" could not be started: the command "\/nowhere\/no-such-command" or the folder ".*" was not found/,
    nofolder:
      /"nofolder" could not be started: the command ".*" or the folder "\/nowhere\/at\/all" was not found/,
  };

  for (const [name, says] of Object.entries(startSentences)) {
    await t.test(`a server that does not start: 502, then 503 until the next try (${name})`, async () => {
      const server = name;
      assertRpcError(await post(bridge, server, initializeMessage), {
        ...failedStart,
        rpc: -32603,
        says,
        id: 'i',
      });
      assertRpcError(await post(bridge, server, callMessage(0)), {
        ...failedStart,
        rpc: -32603,
        says,
        id: 0,
      });
      assertHttpError(await viaBridge(bridge, server, 'call'), { ...failedStart, says });
      await assertBacksOff(bridge, server, says);
    });
  }

  await t.test('a server that refuses to initialize: its own error on /mcp, 502 elsewhere', async () => {
    const refusal = await post(bridge, 'refuses', initializeMessage);
    assert.equal(refusal.status, 200, refusal.text);
    assert.deepEqual(refusal.body, {
      jsonrpc: '2.0',
      id: 'i',
      error: { code: -32603, message: 'not today' },
    });
    assert.equal(refusal.headers['mcp-session-id'], undefined);
    const says = /"refuses" refused to initialize: .*not today/;
    assertRpcError(await post(bridge, 'refuses', callMessage(1)), {
      ...failedStart,
      rpc: -32603,
      says,
      id: 1,
    });
    assert.equal(
      assertHttpError(await viaBridge(bridge, 'refuses', 'call'), { ...failedStart, says }).rpc.message,
      'not today',
    );
  });

  await t.test(
    'an error that answers initialize is for that client alone: the next one is let through',
    async () => {
      for (let i = 0; i < 5; i++)
        assert.equal((await post(bridge, 'refuses', initializeMessage)).status, 200);
    },
  );

  await t.test('a server that is silent in every initialize is not started for ever', async () => {
    await assertBacksOff(bridge, 'mute-session', /did not answer "initialize"/);
  });

  await t.test('a server that is silent as a spare is not started for ever, and its spares go', async () => {
    const sum = async (name: string): Promise<number> =>
      sumOf(await metricsOf(bridge), `mcp_bridge_${name}`, 'server="mute-spare"');
    await until('the breaker to open', async () => {
      const samples = await metricsOf(bridge);
      return sumOf(samples, 'mcp_bridge_upstream_breaker', 'server="mute-spare"', 'state="open"') === 1;
    });
    await until('the spares to go', async () => (await sum('upstream_children')) === 0);
  });

  await t.test('a server that backs off is tried again, one start at a time', async () => {
    await post(bridge, 'exits', callMessage(1));
    const restarts = async (): Promise<number> =>
      sumOf(await metricsOf(bridge), 'mcp_bridge_upstream_restarts_total', 'server="exits"');
    const before = await restarts();
    const answer = await until('a try after the back-off', async () => {
      const answer = await post(bridge, 'exits', initializeMessage);
      return answer.status !== 503 && answer;
    });
    assertRpcError(answer, { ...failedStart, rpc: -32603, says: startSentences.exits, id: 'i' });
    assert.equal(await restarts(), before + 1);
  });

  await t.test('a server that never says a word: 504', async () => {
    const timedOut = {
      status: 504,
      code: 'server_timeout',
      says: /"mute" did not answer "initialize" within 500 ms/,
    };
    assertRpcError(await post(bridge, 'mute', initializeMessage), { ...timedOut, rpc: -32603, id: 'i' });
    assertHttpError(await viaBridge(bridge, 'mute', 'call'), timedOut);
    const slow = await post(bridge, 'slow', initializeMessage);
    assertRpcError(slow, {
      status: 504,
      rpc: -32603,
      code: 'server_timeout',
      says: /"slow" did not answer/,
      id: 'i',
    });
  });

  await t.test('the bridge serves, and nothing is left', async () => {
    await assertServes(bridge, 'fine');
    await assertNothingLeft(bridge, 1);
  });
});

/** Fails a few times, then: 503 with Retry-After, the last reason in the sentence, and no process started for it. */
async function assertBacksOff(bridge: Bridge, server: string, says: RegExp): Promise<void> {
  const starts = (): number => bridge.logged({ msg: 'a server ended', server }).length;
  const refusal = await until('the breaker to open', async () => {
    const answer = await post(bridge, server, initializeMessage);
    return answer.status === 503 && answer;
  });
  const before = starts();
  const backsOff = { status: 503, code: 'server_backing_off', says };
  const { message } = assertRpcError(refusal, { ...backsOff, rpc: -32603, id: 'i' });
  assert.match(message, new RegExp(`"${server}" is not started again for \\d+ ms\\.`));
  assert.equal(starts(), before);
  const ready = await send(bridge, { path: `/ready?server=${server}` });
  if (ready.status !== 200) assertHttpError(ready, { ...backsOff, says: /does not start/ });
  await assertServes(bridge, 'fine');
}
