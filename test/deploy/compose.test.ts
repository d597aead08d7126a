/** What docker compose makes of the files, the overlay included; none of the images is needed for that. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { must } from '../harness/images.ts';
import { temporaryFolder } from '../harness/temporary-folder.ts';
import { without } from '../harness/tool.ts';

const skip = without(['docker-compose'], 'docker-compose');

interface Volume {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  readonly source: string;
  readonly target: string;
}

interface Service {
  readonly volumes?: readonly Volume[];
  readonly ports?: readonly { readonly target: number; readonly published?: string; host_ip?: string }[];
}

type Services = Readonly<Record<string, Service>>;

test('the port of the host is that of .env, the port inside stays', { skip }, (t) => {
  const { 'mcp-bridge': bridge } = configOf(t, 'PORT=8080\nHOST=127.0.0.1\n');
  assert.deepEqual(
    bridge?.ports?.map(({ target, published }) => [published, target]),
    [['8080', 3000]],
  );
  const { environment } = bridge as unknown as { environment: Record<string, string> };
  assert.equal(environment['PORT'], '3000');
  assert.equal(environment['HOST'], '0.0.0.0');
});

test('LOGS puts the logs into a folder of the host, for Promtail too', { skip }, (t) => {
  const services = configOf(t, 'LOGS=./logs\n');
  for (const name of ['mcp-bridge', 'promtail']) {
    const logs = services[name]?.volumes?.find(({ target }) => target === '/app/logs');
    assert.equal(logs?.type, 'bind', name);
  }
});

test('everything that is mounted is there, and the services find each other', { skip }, (t) => {
  const services = configOf(t, '');
  assert.deepEqual(Object.keys(services).sort(), ['grafana', 'loki', 'mcp-bridge', 'prometheus', 'promtail']);
  for (const [name, { volumes = [] }] of Object.entries(services)) {
    for (const { type, source } of volumes) {
      if (type === 'bind') assert.ok(existsSync(source), `${name} mounts ${source}, which is not there`);
    }
  }

  const isService = (address: string): boolean => Object.hasOwn(services, address.replace(/:.*/, ''));
  const prometheus = parse(readFileSync('deploy/prometheus/prometheus.yml', 'utf8'));
  for (const target of prometheus.scrape_configs[0].static_configs[0].targets) {
    assert.ok(isService(target), `Prometheus asks ${target}`);
  }
  const sources = parse(readFileSync('deploy/grafana/provisioning/datasources/mcp-bridge.yaml', 'utf8'));
  for (const { url } of sources.datasources) assert.ok(isService(new URL(url).host), `Grafana asks ${url}`);
  const promtail = parse(readFileSync('deploy/loki/promtail-config.yaml', 'utf8'));
  assert.ok(isService(new URL(promtail.clients[0].url).host));
});

test('the dashboard lies where Grafana is told to look for it', { skip }, (t) => {
  const { grafana } = configOf(t, '');
  const dashboards = parse(readFileSync('deploy/grafana/provisioning/dashboards/mcp-bridge.yaml', 'utf8'));
  const { path } = dashboards.providers[0].options;
  assert.ok(grafana?.volumes?.some(({ target }) => target === `${path}/mcp-bridge.json`));
});

test('what anybody could use without a password is published on loopback alone', { skip }, (t) => {
  for (const [name, { ports = [] }] of Object.entries(configOf(t, ''))) {
    if (name === 'mcp-bridge') continue;
    for (const { host_ip } of ports) assert.equal(host_ip, '127.0.0.1', name);
  }
});

/** Both files as docker compose reads them, with `.env` of that text. */
function configOf(t: TestContext, env: string): Services {
  const folder = temporaryFolder(t);
  const file = join(folder, '.env');
  writeFileSync(file, env);
  // The project has no .env in a fresh clone, and somebody's own one elsewhere.
  const bridge = readFileSync('docker-compose.yml', 'utf8').replace('- .env', `- ${file}`);
  writeFileSync(join(folder, 'docker-compose.yml'), bridge);
  const files = [join(folder, 'docker-compose.yml'), 'deploy/docker/docker-compose.monitoring.yml'];
  const options = ['--project-directory', resolve('.'), '--env-file', file];
  // What the shell has set would win over .env.
  const compose = ['-i', `PATH=${process.env['PATH']}`, 'docker-compose', ...options];
  const output = must('env', [...compose, ...files.flatMap((name) => ['-f', name]), 'config']);
  return (parse(output) as { services: Services }).services;
}
