/**
 * Builds both images of deploy/e2b with buildah and runs the bridge in them; the large one with Chrome. Takes minutes and
 * some 400 MB of packages, so it is not part of the suite: node --import tsx --test test/deploy/e2b-images.ts
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { layOutContext } from '../../deploy/e2b/context.ts';
import { runContainer } from '../harness/container.ts';
import { freePort } from '../harness/free-port.ts';
import { buildImage, inspectImage, skipWithoutImages } from '../harness/images.ts';
import { call, send } from '../harness/rpc.ts';
import { temporaryFolder } from '../harness/temporary-folder.ts';
import { until } from '../harness/until.ts';

const TOKEN = 'token-of-the-sandbox-0123456789';

async function start(t: TestContext, file: string) {
  const context = temporaryFolder(t);
  layOutContext(context);
  const image = buildImage(t, { context, file: join('deploy/e2b', file), args: { WITH_UV: '0' } });
  t.diagnostic(`${file}: ${Math.round(inspectImage(image).Size / 1e6)} MB`);
  const port = await freePort();
  const nginxPort = await freePort();
  const container = runContainer(t, {
    image,
    env: { ACCESS_TOKEN: TOKEN, HOST: '127.0.0.1', PORT: `${port}`, NGINX_PORT: `${nginxPort}` },
    args: ['/app/startup.sh'],
    memory: '2g',
  });
  await container.printed(/bridge ready/);
  return { container, target: { port, token: TOKEN }, behindNginx: { port: nginxPort, token: TOKEN } };
}

test('the full image serves Chrome through the bridge and nginx', {
  skip: skipWithoutImages(),
}, async (t) => {
  const { container, target, behindNginx } = await start(t, 'e2b.Dockerfile');
  for (const to of [target, behindNginx]) {
    const { body } = await call(to, 'chrome-devtools', 'tools/list');
    const names = body.result.tools.map(({ name }: { name: string }) => name);
    assert.ok(names.includes('list_pages'), JSON.stringify(body));
  }
  const { body } = await call(behindNginx, 'chrome-devtools', 'tools/call', {
    name: 'new_page',
    arguments: { url: 'data:text/html,<title>hello</title>' },
  });
  assert.match(JSON.stringify(body.result), /data:text\/html/);
  assert.equal((await send(behindNginx, { path: '/metrics' })).status, 404);
  assert.equal((await send(target, { path: '/metrics' })).status, 200);
  assert.equal(container.exec('id', '-un').trim(), 'user');
  assert.equal(await container.stop(20), 0);
});

test('the minimal image serves, and says that it has no Chrome', { skip: skipWithoutImages() }, async (t) => {
  const { container, target } = await start(t, 'e2b.Dockerfile.minimal');
  const checked = container.exec(
    'env',
    '-u',
    'MCP_SERVERS_FILE',
    'sh',
    '-c',
    'cd /app && npm start -- --check',
  );
  assert.match(checked, /chrome-devtools/);
  await until('it to be ready', async () => (await send(target, { path: '/ready' })).status === 200);
  const binaries = container.exec('sh', '-c', 'ls /app/node_modules/uWebSockets.js/*.node');
  assert.equal(binaries.trim().split('\n').length, 1, binaries);
  const { body } = await call(target, 'chrome-devtools', 'tools/list');
  assert.match(body.error.message, /chrome-devtools-mcp is not installed/);
  assert.equal(await container.stop(20), 0);
});
