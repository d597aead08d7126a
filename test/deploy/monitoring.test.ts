/**
 * Prometheus and Grafana of deploy/: the alert rules through promtool, and every query of the dashboard and of the rules
 * through a real Prometheus that scrapes a bridge under load.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { dashboard, dashboardText } from '../../deploy/grafana/dashboard.ts';
import { type Bridge, startBridge } from '../harness/bridge.ts';
import { freePort } from '../harness/free-port.ts';
import { runProgram } from '../harness/process.ts';
import { call, callTool, endSession, honest, initialize, type Json, send } from '../harness/rpc.ts';
import { echo, misbehave } from '../harness/servers.ts';
import { tool, without } from '../harness/tool.ts';
import { until } from '../harness/until.ts';

const DIR = 'deploy/prometheus';
const TESTS = 'test/deploy/alerts-test.yml';
const skip = without(['prometheus', 'promtool'], 'prometheus');

interface Rule {
  readonly alert: string;
  readonly expr: string;
}

const readYaml = (path: string): Json => parse(readFileSync(path, 'utf8'));
const RULES: readonly Rule[] = readYaml(join(DIR, 'alerts.yml')).groups[0].rules;

test('the configuration and the alert rules pass promtool, and so do the tests of the rules', {
  skip,
}, () => {
  for (const args of [
    ['check', 'config', join(DIR, 'prometheus.yml')],
    ['test', 'rules', TESTS],
  ]) {
    const { status, stdout, stderr } = spawnSync(tool('promtool'), args, { encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
  }
});

test('every alert is raised in the tests of the rules', () => {
  const raised = new Set<string>();
  for (const { alert_rule_test: checks } of readYaml(TESTS).tests) {
    for (const { alertname, exp_alerts: expected } of checks) if (expected.length > 0) raised.add(alertname);
  }
  assert.deepEqual([...raised].sort(), RULES.map(({ alert }) => alert).sort());
});

test('mcp-bridge.json is what dashboard.ts makes, and its panels do not overlap', () => {
  assert.equal(readFileSync('deploy/grafana/mcp-bridge.json', 'utf8'), dashboardText());
  const taken = new Set<string>();
  const ids = new Set<unknown>();
  for (const { gridPos, id } of dashboard.panels ?? []) {
    ids.add(id);
    assert.ok(gridPos !== undefined && gridPos.x + gridPos.w <= 24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(!taken.has(`${x},${y}`), `two panels at ${x},${y}`);
        taken.add(`${x},${y}`);
      }
    }
  }
  assert.equal(ids.size, dashboard.panels?.length);
});

test('the provisioning files name the data sources and the folder that the dashboard is found with', () => {
  const folder = 'deploy/grafana/provisioning';
  const { datasources } = readYaml(join(folder, 'datasources/mcp-bridge.yaml'));
  assert.deepEqual(
    datasources.map(({ type, uid }: Json) => `${type} ${uid}`),
    ['prometheus prometheus', 'loki loki'],
  );
  const [prometheus] = datasources;
  assert.equal(prometheus.isDefault, true);
  assert.equal(
    prometheus.jsonData.timeInterval,
    readYaml(join(DIR, 'prometheus.yml')).global.scrape_interval,
  );
  const { providers } = readYaml(join(folder, 'dashboards/mcp-bridge.yaml'));
  assert.match(
    readFileSync('deploy/grafana/README.md', 'utf8'),
    new RegExp(`:${providers[0].options.path}/`),
  );
});

test('every query of the dashboard and of the alerts has an answer for a bridge under load', {
  skip,
}, async (t) => {
  const bridge = await startBridge(t, {
    config: {
      servers: {
        own: echo(),
        shared: { ...echo(), isolation: 'shared', instances: 1, maxConcurrent: 1 },
        dies: { ...misbehave('dies-on-call'), isolation: 'shared', instances: 1 },
        broken: { ...misbehave('no-start'), isolation: 'shared', instances: 1 },
      },
    },
  });
  const api = await startPrometheus(t, bridge.port);
  const stopLoad = startLoad(bridge);
  t.after(stopLoad);
  await until('the first scrape', async () => (await ask(api, 'mcp_bridge_workers')).length > 0);
  const [worker] = bridge.processes().filter((pid) => isWorker(bridge, pid));
  assert.ok(worker !== undefined);
  process.kill(worker, 'SIGKILL');

  const queries = dashboardQueries();
  assert.ok(queries.length > 30);
  // What an alert compares with its threshold.
  const compared = RULES.map(({ alert, expr }) => {
    const value = /^(.*?)\s*(?:==|>)\s*[\d.]+\s*$/s.exec(expr)?.[1];
    assert.ok(value !== undefined, `${alert} compares with a number`);
    return value;
  });
  for (const expr of [...queries, ...compared]) {
    await until(`an answer to ${expr}`, async () => (await ask(api, expr)).some(Number.isFinite));
  }

  const variables = dashboard.templating?.list?.filter(({ type }) => type === 'query') ?? [];
  assert.equal(variables.length, 2);
  for (const { query } of variables) {
    const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec((query as { query: string }).query) ?? [];
    const found = await (await fetch(`${api}/api/v1/label/${label}/values?match[]=${metric}`)).json();
    assert.ok((found as Json).data.length > 0, label);
  }
});

/** Starts Prometheus with the sample, which scrapes `port` every second; returns its address. */
async function startPrometheus(t: TestContext, port: number): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'prometheus-test-'));
  const sample = readFileSync(join(DIR, 'prometheus.yml'), 'utf8')
    .replace('mcp-bridge:3000', `127.0.0.1:${port}`)
    .replaceAll(/_interval: 15s/g, '_interval: 1s')
    .replace('scrape_timeout: 10s', 'scrape_timeout: 1s');
  writeFileSync(join(dir, 'prometheus.yml'), sample);
  copyFileSync(join(DIR, 'alerts.yml'), join(dir, 'alerts.yml'));
  const address = `127.0.0.1:${await freePort()}`;
  runProgram(t, tool('prometheus'), [
    `--config.file=${join(dir, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(dir, 'data')}`,
    `--web.listen-address=${address}`,
  ]);
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  await until('Prometheus to be ready', async () => {
    const response = await fetch(`http://${address}/-/ready`).catch(() => undefined);
    return response?.status === 200;
  });
  return `http://${address}`;
}

/** The values of an instant query. */
async function ask(api: string, expr: string): Promise<number[]> {
  const response = await fetch(`${api}/api/v1/query?query=${encodeURIComponent(expr)}`);
  const { status, error, data } = (await response.json()) as Json;
  assert.equal(status, 'success', `${expr}: ${error}`);
  return data.result.map(({ value }: Json) => Number(value[1]));
}

/** Every query of every panel, with what Grafana would put in the place of its variables. */
function dashboardQueries(): string[] {
  const { panels } = JSON.parse(readFileSync('deploy/grafana/mcp-bridge.json', 'utf8'));
  return panels
    .flatMap(({ targets }: Json) => targets ?? [])
    .map(({ expr }: Json) =>
      expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(instance|server)/g, '.*'),
    );
}

const isWorker = (bridge: Bridge, pid: number): boolean =>
  existsSync(`/proc/${pid}/cmdline`) && bridge.logged({ role: 'worker', pid }).length > 0;

/** A little of everything that is counted, until it is stopped. */
function startLoad(bridge: Bridge): () => Promise<void> {
  let isStopped = false;
  const round = async (): Promise<void> => {
    const session = await initialize(bridge, 'own');
    await callTool(bridge, 'own', 'echo', { text: 'x' }, { session });
    const slow = () => callTool(bridge, 'shared', 'slow', { ms: 5 });
    await Promise.all([
      ...[slow(), slow(), slow(), slow()],
      call(bridge, 'dies', 'tools/call', { name: 'call', arguments: {} }),
      call(bridge, 'broken', 'tools/list'),
      send(bridge, { path: '/servers', headers: honest(bridge, { token: 'wrong' }) }),
    ]);
    await endSession(bridge, 'own', { session });
  };
  const rounds = (async () => {
    // One session stays.
    await initialize(bridge, 'own').catch(() => undefined);
    while (!isStopped) {
      await round().catch(() => undefined); // a worker is killed on the way
      await sleep(20);
    }
  })();
  return () => {
    isStopped = true;
    return rounds;
  };
}
