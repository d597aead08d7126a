/**
 * The image: built once from the Dockerfile as it is, and run as operators run it, read-only and with a memory limit.
 */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ContainerOptions, runContainer } from '../harness/container.ts';
import { freePort } from '../harness/free-port.ts';
import { buildImage, inspectImage, must, skipWithoutImages } from '../harness/images.ts';
import { callTool, send } from '../harness/rpc.ts';
import { connect, textOf } from '../harness/sdk-clients.ts';
import { temporaryFolder } from '../harness/temporary-folder.ts';
import { without } from '../harness/tool.ts';
import { until } from '../harness/until.ts';

/** `without` is asked at the start, because in CI a missing program is an error. */
const COMPOSE = { skip: without(['docker-compose', 'ip'], 'docker-compose iproute2') };
const MAX_BYTES = 350 * 1000 * 1000;
const TOKEN = 'token-of-the-container-0123456789';

test('the image is built and serves', { skip: skipWithoutImages(), timeout: 400_000 }, async (t) => {
  const image = buildImage(t);

  await t.test('it is small, runs as an ordinary user, and says what it is', () => {
    const { Size, Config } = inspectImage(image);
    assert.ok(Size < MAX_BYTES, `${Size} bytes; allowed: less than ${MAX_BYTES}`);
    assert.equal(Config.User, 'node');
    assert.ok(Config.Env.includes('NODE_ENV=production'));
    assert.equal(Config.Labels['org.opencontainers.image.title'], 'MCP Bridge');
  });

  await t.test('read-only, with a memory limit, it serves and stops without cutting a call', async (t) => {
    const port = await freePort();
    const target = { port, token: TOKEN, url: `http://127.0.0.1:${port}` };
    const container = runContainer(t, {
      image,
      env: { ACCESS_TOKEN: TOKEN, HOST: '127.0.0.1', PORT: `${port}`, ALLOWED_HOSTS: '127.0.0.1' },
    });
    await container.printed(/bridge ready/);

    await t.test('a real server answers, on uWebSockets.js', async () => {
      const health = JSON.parse((await send(target, { path: '/health' })).text) as { engine: string };
      assert.equal(health.engine, 'uws', 'the binary of uWebSockets.js does not load in the image');
      const echoed = await callTool(target, 'everything', 'echo', { message: 'hello' });
      assert.equal(textOf(echoed), 'Echo: hello');
    });

    await t.test('it is the user node, and holds one binary of uWebSockets.js', () => {
      assert.equal(container.exec('id', '-un').trim(), 'node');
      const binaries = container.exec('sh', '-c', 'ls node_modules/uWebSockets.js/*.node');
      assert.equal(binaries.trim().split('\n').length, 1, binaries);
    });

    await t.test('the health check is silent, and says why when it fails', () => {
      const check = ['node', 'deploy/docker/healthcheck.mjs'];
      assert.equal(container.exec(...check), '');
      assert.throws(
        () => container.exec('env', 'PORT=1', ...check),
        /GET \/health on port 1: connect ECONNREFUSED/,
      );
      assert.throws(() => container.exec('env', 'ALLOWED_HOSTS=other', ...check), /status 403; expected 200/);
    });

    await t.test('what servers leave behind does not stay as a zombie', async () => {
      // The shell ends before its child, which then belongs to process 1.
      container.exec('sh', '-c', 'sleep 0.1 & exit 0');
      const processes = (): string => container.exec('sh', '-c', 'cat /proc/[0-9]*/stat');
      await until('the orphan to be gone', () => !processes().includes('(sleep)'));
    });

    await t.test('a call in flight is answered before it stops with 0', async (t) => {
      const client = await connect(t, target, 'everything');
      let begun = (): void => undefined;
      const inFlight = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const slow = client.callTool(
        'trigger-long-running-operation',
        { duration: 2, steps: 4 },
        { onprogress: () => begun() },
      );
      await inFlight;
      assert.equal(await container.stop(20), 0);
      assert.match(textOf(await slow), /completed/);
    });
  });

  await t.test('a faulty mounted mcp-servers.yaml ends it with 78, the fault and its line', async (t) => {
    const dir = temporaryFolder(t);
    const file = join(dir, 'mcp-servers.yaml');
    writeFileSync(file, 'servers:\n  fetch:\n    comand: uvx\n');
    const container = runContainer(t, {
      image,
      env: { ACCESS_TOKEN: TOKEN },
      mounts: { '/app/mcp-servers.yaml': file },
    });
    assert.equal(await container.ended, 78);
    const last = container.stderr().trim().split('\n').at(-1);
    assert.equal(last, 'mcp-servers.yaml:3:5 servers.fetch.comand: unknown key; did you mean "command"?');
  });

  const ENV = { ACCESS_TOKEN: TOKEN };
  const refusals: readonly [name: string, options: Partial<ContainerOptions>, says: RegExp][] = [
    ['no token', {}, /^environment ACCESS_TOKEN: found nothing; production demands/],
    ['an unknown subcommand', { args: ['serve'], env: ENV }, /^command line: unexpected "serve"/],
    ['a wrong port', { env: { ...ENV, PORT: '99999' } }, /^environment PORT: found "99999"/],
  ];
  for (const [name, options, says] of refusals) {
    await t.test(`${name} ends it with 78 and one sentence`, async (t) => {
      const container = runContainer(t, { image, ...options });
      assert.equal(await container.ended, 78);
      assert.match(container.stderr().trim(), says);
      assert.equal(container.stderr().trim().split('\n').length, 1);
    });
  }

  await t.test('docker compose up: the port is published, the volumes are there', COMPOSE, (t) => {
    const folder = temporaryFolder(t);
    for (const file of ['docker-compose.yml', 'mcp-servers.yaml']) copyFileSync(file, join(folder, file));
    const env = `${readFileSync('.env.example', 'utf8')}\nACCESS_TOKEN=token-of-compose-0123456789\n`;
    writeFileSync(join(folder, '.env'), env);

    const up = ['--import', 'tsx', 'test/fixtures/compose/up.ts', folder, image];
    const seen = JSON.parse(must('unshare', ['--net', process.execPath, ...up])) as Record<string, string>;
    assert.equal(seen['echoed'], 'Echo: through compose');
    assert.equal(seen['nodeEnv'], 'production');
    assert.match(seen['written'] ?? '', /Read-only file system/);
    assert.ok(seen['logged'], 'combined.log is not in the volume');
  });
});
