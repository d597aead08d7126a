/** Real workers that hang, crash again and again, or cannot start: what is done about them, and what goes on meanwhile. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ENTRY, linesIn, startBridge, TEST_TOKEN } from './harness/bridge.ts';
import { callThrough, openSessionThrough } from './harness/door.ts';
import { metricsOf, sumOf } from './harness/expect.ts';
import { freePort } from './harness/free-port.ts';
import { descendants, isAlive, type Running, run } from './harness/process.ts';
import { send, type Target } from './harness/rpc.ts';
import { echo, misbehave } from './harness/servers.ts';
import { until } from './harness/until.ts';

const LIMIT = { timeout: 60_000 };
const NODE_OPTIONS = `--require=${resolve('test/fixtures/worker-faults.cjs')}`;
const config = { servers: { shared: { ...echo(), isolation: 'shared' }, family: misbehave('grandchild') } };

interface Line {
  readonly time: number;
  readonly worker: string;
  readonly workerPid: number;
  readonly [field: string]: unknown;
}

const logged = (bridge: Pick<Running, 'stdout'>, message: string): Line[] =>
  linesIn(bridge.stdout()).flatMap((line) => {
    const { msg, time, worker, workerPid } = line;
    if (msg !== message) return [];
    return [
      { ...line, time: Date.parse(String(time)), worker: String(worker), workerPid: Number(workerPid) },
    ];
  });

test(
  'a worker that hangs is killed after ten seconds and replaced, with all its children',
  LIMIT,
  async (t) => {
    const bridge = await startBridge(t, { config, env: { NODE_OPTIONS } });
    const [hanging = 0, other = 0] = bridge.workers();
    const session = await openSessionThrough(bridge, hanging, 'shared');
    await openSessionThrough(bridge, hanging, 'family');
    const children = descendants(hanging);
    assert.equal(children.length, 3, 'two servers, one of them with a child of its own');
    process.kill(hanging, 'SIGPWR');

    await bridge.printed(/worker hangs and is killed/);
    const [line] = logged(bridge, 'worker hangs and is killed');
    assert.ok(Number(line?.['silentMs']) >= 10_000, `it was silent for ${line?.['silentMs']} ms`);
    await until('another worker', () => bridge.workers().length === 3);
    await until('its children to be gone', () => !children.some(isAlive));
    const message = { id: 2, method: 'tools/call', params: { name: 'echo', arguments: { text: 'goes on' } } };
    const answer = await callThrough(bridge, other, 'shared', { session, message });
    assert.equal(answer.body.result?.content[0].text, 'goes on', answer.text);
    const samples = await metricsOf(bridge);
    assert.equal(sumOf(samples, 'mcp_bridge_worker_restarts_total', 'reason="hang"'), 1);
  },
);

test('a connection that was handed to a worker which then died is closed', LIMIT, async (t) => {
  const bridge = await startBridge(t, { config, engine: 'node' });
  const [victim = 0] = bridge.workers();
  process.kill(victim, 'SIGSTOP');
  let open = 4;
  const asked = Array.from({ length: open }, () =>
    fetch(`${bridge.url}/health`, { headers: { Connection: 'close' } })
      .then(({ status }) => status, String)
      .finally(() => open--),
  );
  await until('all but one to be answered', () => open === 1);
  process.kill(victim, 'SIGKILL');
  const answers = await Promise.all(asked);
  assert.equal(answers.filter((answer) => answer === 200).length, 3, answers.join());
});

test(
  'a worker that crashes again and again comes back later and later, and the other one serves',
  LIMIT,
  async (t) => {
    const bridge = await startFaulty(t, (folder) => `crash ${join(folder, 'first')}`);
    const deaths = await until('five deaths', () => {
      const lines = logged(bridge, 'worker died');
      return lines.length >= 5 && lines.slice(0, 5);
    });
    const slots = new Set(deaths.map(({ slot }) => slot));
    assert.equal(slots.size, 1);
    for (const [i, { time, fault }] of deaths.slice(0, -1).entries()) {
      assert.match(String(fault), /^worker \d exited with code 1$/);
      // Half of 100 ms, doubled with each death; the boot comes on top of it.
      const pauseMs = Number(deaths[i + 1]?.time) - time;
      assert.ok(pauseMs >= 50 * 2 ** i, `${pauseMs} ms after death ${i + 1}`);
    }
    const { status, text } = await send(bridge, { path: '/ready' });
    assert.equal(status, 200, text);
    const samples = await metricsOf(bridge);
    assert.ok(sumOf(samples, 'mcp_bridge_worker_restarts_total') >= 4);
    bridge.child.kill('SIGTERM');
    assert.equal(await bridge.ended, 0);
  },
);

for (const [fault, reason] of [
  ['exit', /^No worker could start: worker \d exited with code 7$/],
  ['no-binary', /^No worker could start: HTTP_ENGINE is uws, but uWebSockets\.js does not load here: /],
] as const) {
  test(
    `a bridge that cannot start any worker ends with 1 and says why at last (${fault})`,
    LIMIT,
    async (t) => {
      const bridge = await startFaulty(t, () => fault);
      assert.equal(await bridge.ended, 1);
      assert.match(bridge.stderr().trimEnd().split('\n').at(-1) ?? '', reason);
      assert.equal(logged(bridge, 'worker died').length, 6, 'each place had three attempts');
    },
  );
}

test(
  'where uWebSockets.js does not load, node:http serves, and one warning for all workers says why',
  LIMIT,
  async (t) => {
    const bridge = await startBridge(t, {
      config,
      env: { NODE_OPTIONS, WORKER_FAULT: 'no-binary', HTTP_ENGINE: 'auto' },
    });
    assert.equal((await send(bridge, { path: '/health' })).body.engine, 'node');
    assert.equal(await bridge.stop(), 0);
    const warnings = bridge.logged({ level: 'warn' });
    assert.deepEqual(
      warnings.map(({ msg }) => String(msg).replace(/, so .*/, '')),
      ['uWebSockets.js does not load here'],
    );
  },
);

/** Two workers, not waited for, because some will never be ready; `fault` gets the bridge's folder. */
async function startFaulty(t: TestContext, fault: (folder: string) => string): Promise<Running & Target> {
  const cwd = mkdtempSync(join(tmpdir(), 'faulty-'));
  const port = await freePort();
  writeFileSync(join(cwd, 'mcp-servers.yaml'), JSON.stringify(config));
  const running = run(t, [ENTRY], {
    cwd,
    env: {
      NODE_OPTIONS,
      WORKER_FAULT: fault(cwd),
      NODE_ENV: 'test',
      HTTP_ENGINE: 'uws',
      PORT: `${port}`,
      RUNTIME_DIR: join(cwd, 'run'),
      WORKERS: '2',
      ACCESS_TOKEN: TEST_TOKEN,
    },
  });
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  return { ...running, port, token: TEST_TOKEN };
}
