/**
 * PM2's cluster mode, with a real PM2: the life of a fleet in one test, because each start of PM2's daemon costs
 * seconds, and what it refuses or makes up in a second one.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { metricsOf, sumOf } from './harness/expect.ts';
import { createPm2, hasPm2, type Pm2 } from './harness/pm2.ts';
import { descendants, isAlive } from './harness/process.ts';
import { call, callTool, initialize, send, type Target } from './harness/rpc.ts';
import { echo, misbehave } from './harness/servers.ts';
import { startSteadyCalls } from './harness/steady-calls.ts';
import { until } from './harness/until.ts';

const OPTIONS = {
  timeout: 120_000,
  // In CI it is a failure: there nobody would see that it never ran.
  skip: hasPm2 || process.env['CI'] ? false : 'pm2 is not installed (npm install brings it)',
};

test('ecosystem.config.js has exactly one app, in cluster mode, and the shell decides what it may', async () => {
  const file: { apps: Record<string, unknown>[] } = await import(
    `${new URL('../ecosystem.config.js', import.meta.url)}`
  );
  const [app = {}, ...others] = file.apps;
  assert.deepEqual(others, []);
  const { name, exec_mode, max_memory_restart, env_production, wait_ready, treekill, kill_timeout } = app;
  assert.deepEqual(
    { name, exec_mode, max_memory_restart, env_production, wait_ready, treekill },
    {
      name: 'mcp-bridge',
      exec_mode: 'cluster',
      max_memory_restart: '1G',
      env_production: { NODE_ENV: 'production' },
      wait_ready: true,
      treekill: false,
    },
  );
  // PM2 kills what has not ended by then: the whole drain, and then the servers.
  assert.ok(Number(kill_timeout) > 10_000 + 4_000);
});

test('PM2 runs, reloads, scales and ends a fleet of instances', OPTIONS, async (t) => {
  const config = {
    servers: {
      own: echo(),
      shared: { ...echo(), isolation: 'shared' },
      family: misbehave('grandchild'),
      stubborn: misbehave('stubborn'),
    },
  };
  const env = {
    NODE_OPTIONS: `--require=${resolve('test/fixtures/worker-faults.cjs')}`,
    WORKER_FAULT: 'grow',
    // Of PM2's daemon: how often it looks at the memory of its processes.
    PM2_WORKER_INTERVAL: '1000',
  };
  const pm2 = await createPm2(t, { config, env, app: { max_memory_restart: '300M' } });
  const step = stepsOf(t);

  await step('start: each instance is a worker, and the shell wins over the file', async () => {
    await pm2.run(['start', 'ecosystem.config.js', '--env', 'production']);
    await pm2.serving(2);
    const instances = await pm2.list();
    assert.deepEqual(
      instances.map(({ slot, mode, status }) => [slot, mode, status]),
      [
        [0, 'cluster_mode', 'online'],
        [1, 'cluster_mode', 'online'],
      ],
    );
    const [first] = instances;
    assert.equal(first?.env['NODE_ENV'], 'production');
    assert.equal(first?.env['PORT'], String(pm2.port));
  });

  await step('a session reaches its owner, whichever instance is asked', async () => {
    const session = await initialize(pm2, 'own');
    const pids = await Promise.all(Array.from({ length: 24 }, () => whoami(pm2, 'own', session)));
    assert.equal(new Set(pids).size, 1);
    assert.ok(
      sumOf(await metricsOf(pm2), 'mcp_bridge_forwarded_total', 'direction="out"') > 0,
      'no call was relayed',
    );
  });

  await step('/metrics speaks for all', async () => {
    const ownCalls = async (): Promise<number> =>
      sumOf(
        await metricsOf(pm2),
        'mcp_bridge_upstream_requests_total',
        'server="own"',
        'method="tools/call"',
      );
    const samples = await metricsOf(pm2);
    assert.equal(sumOf(samples, 'mcp_bridge_workers', 'state="ready"'), 2);
    for (const slot of [0, 1])
      assert.ok(samples.has(`process_cpu_seconds_total{slot="${slot}"}`), `slot ${slot}`);
    const before = await ownCalls();
    const session = await initialize(pm2, 'own');
    for (let n = 0; n < 10; n++) await whoami(pm2, 'own', session);
    const after = await ownCalls();
    assert.equal(after - before, 10);
  });

  await step(
    'a killed instance: its children are ended, its slot lives on, no counter goes back',
    async () => {
      const session = await initialize(pm2, 'family');
      const grandchild = Number((await callTool(pm2, 'family', 'pid', {}, { session })).content[0].text);
      const owner = await ownerOf(pm2, grandchild);
      await initialize(pm2, 'stubborn');
      const left = descendants(owner);
      const before = await metricsOf(pm2);
      process.kill(owner, 'SIGKILL');
      await until('its children to be gone', () => !left.some(isAlive) && !isAlive(grandchild));
      await pm2.serving(2);
      const instances = await pm2.list();
      assert.deepEqual(
        instances.map(({ slot }) => slot),
        [0, 1],
      );
      assert.ok(!instances.some(({ pid }) => pid === owner));
      const after = await metricsOf(pm2);
      for (const name of ['mcp_bridge_http_requests_total', 'mcp_bridge_upstream_requests_total']) {
        assert.ok(sumOf(after, name) >= sumOf(before, name), name);
      }
      assert.equal(sumOf(after, 'mcp_bridge_worker_restarts_total', 'reason="crash"'), 1);
      const answer = await call(pm2, 'family', 'ping', {}, { session });
      assert.equal(answer.status, 404);
    },
  );

  await step('reload: no request on a kept-alive connection fails', async () => {
    const before = (await pm2.list()).map(({ pid }) => pid);
    const counted = sumOf(await metricsOf(pm2), 'mcp_bridge_http_requests_total');
    const calls = startSteadyCalls(pm2, 'shared');
    await until('the first answers', () => calls.answered() > 50);
    await pm2.run(['reload', 'mcp-bridge']);
    await pm2.serving(2);
    const answered = calls.answered();
    await until('answers of the new instances', () => calls.answered() > answered + 50);
    assert.deepEqual(await calls.stop(), []);
    const after = await pm2.list();
    assert.ok(!after.some(({ pid }) => before.includes(pid)));
    const total = sumOf(await metricsOf(pm2), 'mcp_bridge_http_requests_total');
    assert.ok(
      total >= counted + calls.answered(),
      `${total} of ${counted} and ${calls.answered()} are counted`,
    );
  });

  await step('a changed servers file is applied by every instance', async () => {
    const servers = { ...config.servers, extra: echo() };
    writeFileSync(join(pm2.dir, 'mcp-servers.yaml'), JSON.stringify({ servers }));
    await until('both instances to have reloaded', () => {
      const slots = pm2.lines().flatMap(({ msg, slot }) => (msg === 'configuration reloaded' ? [slot] : []));
      return new Set(slots).size === 2;
    });
    await initialize(pm2, 'extra');
  });

  await step('scale up and down, and restart', async () => {
    await pm2.run(['scale', 'mcp-bridge', '3']);
    await pm2.serving(3);
    await pm2.run(['scale', 'mcp-bridge', '2']);
    await pm2.serving(2);
    const session = await initialize(pm2, 'shared');
    const before = (await pm2.list()).map(({ pid }) => pid);
    await pm2.run(['restart', 'mcp-bridge']);
    await pm2.serving(2);
    assert.ok(!(await pm2.list()).some(({ pid }) => before.includes(pid)));
    // The secret is kept in RUNTIME_DIR, so that a session without a child of its own goes on.
    await whoami(pm2, 'shared', session);
  });

  await step('an instance above max_memory_restart is replaced, and no call fails', async () => {
    const calls = startSteadyCalls(pm2, 'shared');
    t.after(() => calls.stop());
    await until('the first answers', () => calls.answered() > 50);
    const [large, other] = await pm2.list();
    process.kill(Number(large?.pid), 'SIGUSR1');
    await until('it to be gone', () => !isAlive(Number(large?.pid)));
    await pm2.serving(2);
    const [next, still] = await pm2.list();
    assert.deepEqual([next?.slot, still?.pid], [large?.slot, other?.pid]);
    assert.notEqual(next?.pid, large?.pid);
    assert.deepEqual(await calls.stop(), []);
  });

  await step('logs: every line is in the app’s files', async () => {
    const shown = await pm2.run(['logs', 'mcp-bridge', '--nostream', '--lines', '100', '--raw']);
    assert.match(shown, /cleared what a dead worker left/);
    assert.ok(pm2.lines().every(({ role, slot }) => role === 'worker' && Number.isInteger(slot)));
    assert.equal(pm2.errors(), '');
  });

  await step('delete and kill leave no process, and no file of one', async () => {
    const daemon = pm2.daemonPid();
    const session = await initialize(pm2, 'stubborn');
    assert.ok(session);
    const started = descendants(daemon);
    await pm2.run(['delete', 'mcp-bridge']);
    await until('the instances and their children to be gone', () => !started.some(isAlive));
    assert.deepEqual(readdirSync(pm2.runtimeDir).sort(), ['retired.json', 'session-secret']);
    await assert.rejects(send(pm2, { path: '/health' }));
    await pm2.run(['kill']);
    await until('the daemon to be gone', () => !isAlive(daemon));
  });
});

test('instances share what one of them made, count together, and say what is wrong', OPTIONS, async (t) => {
  const config = { servers: { shared: { ...echo(), isolation: 'shared' } } };
  const pm2 = await createPm2(t, {
    config,
    env: { ACCESS_TOKEN: '', MAX_SESSIONS: '5', RATE_LIMIT_MAX: '60' },
  });
  const step = stepsOf(t);

  await step(
    'a generated token is the same for all, in a file for this user alone, and in no log',
    async () => {
      await pm2.run(['start', 'ecosystem.config.js']);
      await pm2.serving(2);
      const file = join(pm2.runtimeDir, 'access-token');
      assert.equal(statSync(file).mode & 0o777, 0o600);
      const token = readFileSync(file, 'utf8');
      const answers = await Promise.all(
        Array.from({ length: 16 }, () =>
          send(pm2, { path: '/servers', headers: { Authorization: `Bearer ${token}` } }),
        ),
      );
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
      await pm2.run(['reload', 'mcp-bridge']);
      await pm2.serving(2);
      assert.equal(readFileSync(file, 'utf8'), token);
      assert.ok(!pm2.out().includes(token) && !pm2.errors().includes(token));
      assert.match(pm2.out(), /access-token/);
    },
  );

  await step('MAX_SESSIONS holds for all instances together', async () => {
    const token = readFileSync(join(pm2.runtimeDir, 'access-token'), 'utf8');
    const opened = await Promise.allSettled(
      Array.from({ length: 12 }, () => initialize(pm2, 'shared', { token })),
    );
    const refused = opened.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : []));
    assert.equal(refused.length, 7);
    for (const why of refused) assert.match(why, /initialize: 503 .*MAX_SESSIONS/);
  });

  await step('RATE_LIMIT_MAX holds for all instances together', async () => {
    const guess = { path: '/servers', headers: { Authorization: 'Bearer a-guess' } };
    const answers = await Promise.all(Array.from({ length: 80 }, () => send(pm2, guess)));
    const statuses = answers.map(({ status }) => status);
    assert.deepEqual(
      [401, 429].map((status) => statuses.filter((each) => each === status).length),
      [60, 20],
    );
  });

  await step('a faulty configuration is told, and not tried again', async () => {
    await pm2.run(['delete', 'mcp-bridge']);
    await pm2.run(['start', 'ecosystem.config.js'], { DRAIN_TIMEOUT_MS: 'soon' });
    await until('both instances to end', async () => (await pm2.list()).every(({ pid }) => pid === 0));
    // PM2 calls it `waiting restart`, for which it leaves 100 ms; asking it takes longer.
    assert.deepEqual(
      (await pm2.list()).map(({ pid, restarts }) => [pid, restarts]),
      [
        [0, 0],
        [0, 0],
      ],
    );
    assert.match(pm2.errors(), /DRAIN_TIMEOUT_MS: found "soon"/);
    await pm2.run(['kill']);
  });
});

type Step = (name: string, check: () => Promise<void>) => Promise<void>;

/** Steps build on each other: after one that failed, the rest would only complain about it. */
const stepsOf =
  (t: TestContext): Step =>
  async (name, check) => {
    let failure: unknown;
    await t.test(name, async () => {
      try {
        await check();
      } catch (error) {
        failure = error;
        throw error;
      }
    });
    if (failure !== undefined) throw failure;
  };

/** The process that serves the session. */
async function whoami(bridge: Target, server: string, session: string): Promise<number> {
  return (await callTool(bridge, server, 'whoami', {}, { session })).structuredContent.pid;
}

/** The instance below which `pid` runs. */
async function ownerOf(pm2: Pm2, pid: number): Promise<number> {
  const owner = (await pm2.list()).find((instance) => descendants(instance.pid).includes(pid));
  assert.ok(owner, `no instance has the process ${pid}`);
  return owner.pid;
}
