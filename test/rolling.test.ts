/** What clients notice of a rolling restart and of a restart of the whole bridge: as little as can be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import { assertNoSession } from './harness/expect.ts';
import { isAlive } from './harness/process.ts';
import { call, callTool, initialize, listen } from './harness/rpc.ts';
import { echo } from './harness/servers.ts';
import { startSteadyCalls } from './harness/steady-calls.ts';
import { until } from './harness/until.ts';

const config = { servers: { own: echo(), shared: { ...echo(), isolation: 'shared' } } };

async function echoed(bridge: Bridge, session: string): Promise<string> {
  const result = await callTool(bridge, 'shared', 'echo', { text: session }, { session });
  return result.content[0].text;
}

forEachEngine('a rolling restart fails no call on a kept-alive connection', async (t, engine) => {
  const bridge = await startBridge(t, { config, engine, env: { LOG_LEVEL: 'INFO' } });
  const session = await initialize(bridge, 'shared');
  const before = bridge.workers();
  const calls = startSteadyCalls(bridge, 'shared');
  t.after(() => calls.stop());
  await until('the first answers', () => calls.answered() > 50);
  process.kill(bridge.pid, 'SIGUSR2');
  await bridge.printed(/rolling restart ended/);
  const answered = calls.answered();
  await until('answers of the new workers', () => calls.answered() > answered + 50);
  assert.deepEqual(await calls.stop(), []);
  assert.deepEqual(before.filter(isAlive), []);
  assert.equal(bridge.workers().length, 4);
  assert.equal(await echoed(bridge, session), session);
});

test('sessions with a child of their own go on until the drain deadline, and end properly then', {
  timeout: 60_000,
}, async (t) => {
  const bridge = await startBridge(t, { config, env: { DRAIN_TIMEOUT_MS: '3000' } });
  const session = await initialize(bridge, 'own');
  const stream = await listen(bridge, 'own', { session });
  const { pid } = (await callTool(bridge, 'own', 'whoami', {}, { session })).structuredContent;
  process.kill(bridge.pid, 'SIGUSR2');
  // It is closed when its worker begins to drain: from then on the session has until the deadline.
  await stream.ended;
  assert.equal((await callTool(bridge, 'own', 'whoami', {}, { session })).structuredContent.pid, pid);
  await bridge.printed(/rolling restart ended/);
  assertNoSession(await call(bridge, 'own', 'ping', {}, { session }));
  assert.equal(isAlive(pid), false);
});

test('a session of a shared server outlives the whole bridge, killed or stopped, where the secret stays', {
  timeout: 60_000,
}, async (t) => {
  const start = (secret: string): Promise<Bridge> =>
    startBridge(t, { config, workers: 1, env: { SESSION_SECRET: secret } });
  const secret = 'a-secret-that-stays-0123456789-abcdef';
  const first = await start(secret);
  const session = await initialize(first, 'shared');
  assert.equal(await first.stop(), 0);
  const second = await start(secret);
  assert.equal(await echoed(second, session), session);
  process.kill(second.pid, 'SIGKILL');
  await second.ended;
  assert.equal(await echoed(await start(secret), session), session);
  const stranger = await start('another-secret-0123456789-abcdefgh');
  assertNoSession(await call(stranger, 'shared', 'ping', {}, { session }));
});
