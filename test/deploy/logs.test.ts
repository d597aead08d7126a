/**
 * The log files of LOG_DIR through the real logrotate and the real rsyslog, with the samples of deploy/: what the
 * bridge prints on stdout is what must be found in the files, and at the other end, once and whole.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { type Bridge, startBridge } from '../harness/bridge.ts';
import { runProgram } from '../harness/process.ts';
import { callTool } from '../harness/rpc.ts';
import { echo } from '../harness/servers.ts';
import { type SteadyCalls, startSteadyCalls } from '../harness/steady-calls.ts';
import { tool, without } from '../harness/tool.ts';
import { until } from '../harness/until.ts';

/** The folder that all samples speak of. */
const SAMPLE_LOGS = '/app/logs';

const logsOf = (bridge: Bridge): string => join(bridge.dir, 'logs');

const sample = (bridge: Bridge, file: string): string =>
  readFileSync(join('deploy', file), 'utf8').replaceAll(SAMPLE_LOGS, logsOf(bridge));

const start = (t: TestContext): Promise<Bridge> =>
  startBridge(t, { config: { servers: { echo: echo() } }, env: { LOG_DIR: 'logs' } });

/** What the bridge has logged to stdout. */
const printed = (bridge: Bridge): string[] => linesOf(bridge.stdout()).filter((line) => line.startsWith('{'));

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** The lines of combined.log and of all that it was before. */
function written(bridge: Bridge): string[] {
  const files = readdirSync(logsOf(bridge)).filter((name) => name.startsWith('combined.log'));
  return files.flatMap((name) => {
    const content = readFileSync(join(logsOf(bridge), name));
    return linesOf((name.endsWith('.gz') ? gunzipSync(content) : content).toString());
  });
}

/** Forces a rotation by `config`, and waits until every worker has gone on to the new file. */
async function rotate(bridge: Bridge, config: string, calls: SteadyCalls): Promise<void> {
  const file = join(bridge.dir, 'logrotate.conf');
  writeFileSync(file, config, { mode: 0o644 });
  const { status, stderr } = spawnSync(
    tool('logrotate'),
    ['-f', '-s', join(bridge.dir, 'logrotate.state'), file],
    { encoding: 'utf8' },
  );
  assert.equal(stderr, '');
  assert.equal(status, 0);
  const combined = join(logsOf(bridge), 'combined.log');
  await until('the file to be there again', () => existsSync(combined) && statSync(combined).size > 0);
  const before = calls.answered();
  await until('calls to go on', () => calls.answered() > before + 50);
}

const sorted = (lines: readonly string[]): string[] => [...lines].sort();

test('three rotations by logrotate under load lose no line and repeat none', {
  skip: without(['logrotate'], 'logrotate'),
}, async (t) => {
  const bridge = await start(t);
  const calls = startSteadyCalls(bridge, 'echo');
  for (let i = 0; i < 3; i++) await rotate(bridge, sample(bridge, 'logrotate/mcp-bridge'), calls);
  assert.deepEqual(await calls.stop(), []);
  assert.equal(await bridge.stop(), 0);
  assert.equal(bridge.stderr(), '');
  const names = readdirSync(logsOf(bridge));
  for (const name of ['combined.log', 'combined.log.1', 'combined.log.2.gz', 'combined.log.3.gz']) {
    assert.ok(names.includes(name), `${name} of ${names}`);
  }
  assert.ok(printed(bridge).length > calls.answered());
  assert.deepEqual(sorted(written(bridge)), sorted(printed(bridge)));
});

test('copytruncate tears no line of the bridge', { skip: without(['logrotate'], 'logrotate') }, async (t) => {
  const bridge = await start(t);
  const calls = startSteadyCalls(bridge, 'echo');
  const config = sample(bridge, 'logrotate/mcp-bridge').replace('nocreate', 'copytruncate');
  for (let i = 0; i < 2; i++) await rotate(bridge, config, calls);
  assert.deepEqual(await calls.stop(), []);
  assert.equal(await bridge.stop(), 0);
  const combined = readFileSync(join(logsOf(bridge), 'combined.log'), 'utf8');
  const all = new Set(printed(bridge));
  const strange = linesOf(combined).filter((line) => !all.has(line));
  assert.deepEqual(strange, []);
  assert.ok(combined.endsWith(`${printed(bridge).at(-1)}\n`));
});

test('rsyslog delivers every line to a _bulk endpoint, across a rotation', {
  skip: without(['rsyslogd', 'logrotate'], 'rsyslog rsyslog-elasticsearch logrotate'),
}, async (t) => {
  const received: string[] = [];
  const indexes = new Set<string>();
  const elastic = createServer(async (request, response) => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const items: object[] = [];
    linesOf(body).forEach((line, index) => {
      if (index % 2 === 1) received.push(line);
      else {
        indexes.add(JSON.parse(line).index._index);
        items.push({ index: { status: 201 } });
      }
    });
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ errors: false, items }));
  }).listen(0, '127.0.0.1');
  await once(elastic, 'listening');
  t.after(() => elastic.closeAllConnections());
  t.after(() => elastic.close());
  const { port } = elastic.address() as AddressInfo;

  const bridge = await start(t);
  const config = join(bridge.dir, 'rsyslog.conf');
  const own = sample(bridge, 'rsyslog/mcp-bridge.conf')
    .replace('server="localhost"', 'server="127.0.0.1"')
    .replace('serverport="9200"', `serverport="${port}"`);
  writeFileSync(config, `global(workDirectory="${bridge.dir}")\n${own}`);
  const check = spawnSync(tool('rsyslogd'), ['-N1', '-f', config], { encoding: 'utf8' });
  assert.equal(check.status, 0, check.stderr);
  const shipper = runProgram(t, tool('rsyslogd'), [
    ...['-n', '-f', config, '-i', join(bridge.dir, 'rsyslog.pid')],
  ]);

  const calls = startSteadyCalls(bridge, 'echo');
  await until('lines to arrive', () => received.length > 50);
  await rotate(bridge, sample(bridge, 'logrotate/mcp-bridge'), calls);
  assert.deepEqual(await calls.stop(), []);
  assert.equal(await bridge.stop(), 0);
  const expected = sorted(printed(bridge));
  await until('every line to arrive', () => received.length >= expected.length);
  assert.deepEqual(sorted(received), expected);
  assert.deepEqual([...indexes], ['mcp-bridge']);
  shipper.child.kill('SIGTERM');
  assert.equal(await shipper.ended, 0);
});

test('the samples for Filebeat and Promtail name the file, the keys and the time format that the bridge writes', async (t) => {
  const bridge = await start(t);
  await callTool(bridge, 'echo', 'echo', { text: 'x' });
  assert.equal(await bridge.stop(), 0);
  assert.ok(existsSync(join(logsOf(bridge), 'combined.log')));
  const line = bridge.lines().find(({ role }) => role === 'worker') ?? {};

  const promtail = parse(readFileSync('deploy/loki/promtail-config.yaml', 'utf8'));
  const [{ static_configs, pipeline_stages }] = promtail.scrape_configs;
  assert.equal(static_configs[0].labels.__path__, `${SAMPLE_LOGS}/combined.log`);
  for (const key of Object.values(pipeline_stages[0].json.expressions)) {
    assert.equal(typeof line[String(key)], 'string', String(key));
  }
  const filebeat = parse(readFileSync('deploy/filebeat/filebeat.yml', 'utf8'));
  const [input] = filebeat['filebeat.inputs'];
  assert.deepEqual(input.paths, [`\${LOG_DIR:${SAMPLE_LOGS}}/combined.log`]);
  const { timestamp } = input.processors[0];
  // Go's reference time, digit by digit.
  const layout = new RegExp(`^${timestamp.layouts[0].replace(/\d/g, '\\d').replace('.', '\\.')}$`);
  assert.match(String(line[timestamp.field]), layout);
  for (const example of timestamp.test) assert.match(example, layout);
});
