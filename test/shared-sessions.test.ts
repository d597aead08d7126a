/** Sessions of a shared server are in their ids: they survive the worker that opened them, without a gap. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { openSessionThrough } from './harness/door.ts';
import { assertNoSession, metricsOf, sumOf } from './harness/expect.ts';
import { isAlive } from './harness/process.ts';
import { type Answer, call, callTool, endSession, initialize } from './harness/rpc.ts';
import { echo, misbehave } from './harness/servers.ts';
import { until } from './harness/until.ts';

const SESSIONS = 8;
const config = { servers: { shared: { ...echo(), isolation: 'shared' }, stubborn: misbehave('stubborn') } };

async function openShared(t: TestContext): Promise<{ bridge: Bridge; sessions: readonly string[] }> {
  const bridge = await startBridge(t, { config, env: { LOG_LEVEL: 'INFO' } });
  const sessions: string[] = [];
  for (let i = 0; i < SESSIONS; i++) sessions.push(await initialize(bridge, 'shared'));
  return { bridge, sessions };
}

/**
 * Tries again where a worker that ends may rightly fail a call: it had it in hand (502), or the connection was in
 * the accept queue of a listener that closed.
 */
async function echoed(bridge: Bridge, session: string): Promise<Answer> {
  const params = { name: 'echo', arguments: { text: session } };
  for (;;) {
    const answer = await call(bridge, 'shared', 'tools/call', params, { session }).catch((error: unknown) => {
      if (!['ECONNRESET', 'ECONNREFUSED'].includes(String((error as NodeJS.ErrnoException).code)))
        throw error;
    });
    if (answer !== undefined && answer.body?.error?.data?.code !== 'worker_died') return answer;
    await sleep(5);
  }
}

async function pidOfWorker(bridge: Bridge): Promise<number> {
  const health = await fetch(`${bridge.url}/health`, { headers: { Connection: 'close' } });
  return ((await health.json()) as { pid: number }).pid;
}

test('nobody loses a session of a shared server while its killed worker still counts as alive', {
  timeout: 60_000,
}, async (t) => {
  const { bridge, sessions } = await openShared(t);
  const worker = await pidOfWorker(bridge);
  // A primary that stands still cannot tell the other worker who is gone.
  process.kill(bridge.pid, 'SIGSTOP');
  process.kill(worker, 'SIGKILL');
  const answers = sessions.map((session) => echoed(bridge, session));
  // The primary grants the places of the sessions that go on elsewhere; until now it must not have been needed.
  await Promise.race([Promise.all(answers), sleep(300)]);
  process.kill(bridge.pid, 'SIGCONT');
  for (const [i, answer] of (await Promise.all(answers)).entries()) {
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.result.structuredContent.text, sessions[i]);
  }
});

test('sessions of a shared server are served without a gap while the workers that opened them drain', {
  timeout: 60_000,
}, async (t) => {
  const { bridge, sessions } = await openShared(t);
  // Their children take seconds to end: so long a worker is draining after it has ended its sessions.
  for (let i = 0; i < 4; i++) await initialize(bridge, 'stubborn');
  process.kill(bridge.pid, 'SIGUSR2');
  while (!bridge.stdout().includes('rolling restart ended')) {
    for (const session of sessions) {
      const answer = await echoed(bridge, session);
      assert.equal(answer.status, 200, answer.text);
    }
    await sleep(20);
  }
});

test('a call that a draining worker does not get done is told so, and its session goes on', {
  timeout: 60_000,
}, async (t) => {
  const { bridge, sessions } = await openShared(t);
  const [session = ''] = sessions;
  const params = { name: 'cancelable', arguments: { tag: 'never' } };
  const endless = call(bridge, 'shared', 'tools/call', params, { session });
  // The call is at its child when a later one of the same session has been answered.
  await echoed(bridge, session);
  process.kill(bridge.pid, 'SIGUSR2');
  const answer = await endless;
  // Not 503, which invites to send it again: it may have been carried out.
  assert.equal(answer.status, 502, answer.text);
  assert.equal(answer.body.error.data.code, 'worker_died');
  assert.equal(answer.headers['retry-after'], undefined);
  assert.equal((await echoed(bridge, session)).status, 200);
});

/** The two workers that serve, the younger one last. */
const workersOf = (bridge: Bridge): Promise<readonly [number, number]> =>
  until('two workers to be ready', async () => {
    const pids = bridge.workers().filter(isAlive);
    const [one, two] = pids;
    return pids.length === 2 && one !== undefined && two !== undefined && ([one, two] as const);
  });

const openAll = (bridge: Bridge, worker: number, count = SESSIONS): Promise<readonly string[]> =>
  Promise.all(Array.from({ length: count }, () => openSessionThrough(bridge, worker, 'shared')));

/** The child that serves the session; there is one in each worker. */
async function childOf(bridge: Bridge, session: string): Promise<number> {
  return (await callTool(bridge, 'shared', 'whoami', {}, { session })).structuredContent.pid;
}

test('a session that has moved on is not ended by what it left behind', { timeout: 60_000 }, async (t) => {
  const bridge = await startBridge(t, { config, env: { STREAM_SESSION_TTL_MS: '1000' } });
  const [opener, other] = await workersOf(bridge);
  // So many that some of them are sure to fall to either worker.
  const sessions = await openAll(bridge, opener, 24);
  process.kill(opener, 'SIGKILL');
  for (const session of sessions) assert.equal((await echoed(bridge, session)).status, 200);
  const first = await childOf(bridge, await openSessionThrough(bridge, other, 'shared'));
  const [, replacement] = await workersOf(bridge);

  // With two workers again, some of the sessions are the new one's; what the old one had of them goes.
  const moved = await until('some sessions to have moved', async () => {
    const children = await Promise.all(sessions.map((session) => childOf(bridge, session)));
    const found = sessions.filter((_, i) => children[i] !== first);
    return found.length > 0 && found;
  });
  await until('the old worker to have let them go', async () => {
    for (const session of moved) assert.equal((await echoed(bridge, session)).status, 200);
    const samples = await metricsOf(bridge);
    return sumOf(samples, 'mcp_bridge_sessions_closed_total', 'server="shared"') >= moved.length;
  });
  process.kill(replacement, 'SIGKILL');
  for (const session of moved) {
    const answer = await echoed(bridge, session);
    assert.equal(answer.status, 200, answer.text);
  }
});

test('a deleted session stays deleted, whoever opened it and whoever is there now', {
  timeout: 60_000,
}, async (t) => {
  const bridge = await startBridge(t, { config });
  const [opener] = await workersOf(bridge);
  const [kept = '', ...deleted] = await openAll(bridge, opener);
  const [atOpener = '', ...elsewhere] = deleted;
  assert.equal((await endSession(bridge, 'shared', { session: atOpener })).status, 200);
  process.kill(opener, 'SIGKILL');
  assertNoSession(await echoed(bridge, atOpener));
  assert.equal((await echoed(bridge, kept)).status, 200);

  for (const session of elsewhere) {
    assert.equal((await echoed(bridge, session)).status, 200);
    assert.equal((await endSession(bridge, 'shared', { session })).status, 200);
  }
  await workersOf(bridge);
  process.kill(bridge.pid, 'SIGUSR2');
  await bridge.printed(/rolling restart ended/);
  for (const session of deleted) assertNoSession(await echoed(bridge, session));
  assert.equal((await echoed(bridge, kept)).status, 200);
});
