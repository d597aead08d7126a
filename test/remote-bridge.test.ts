/**
 * Remote servers as a user of the bridge sees them, on both engines: working ones over all three transports, and
 * ones that are not there or fail.
 */
import assert from 'node:assert/strict';
import { startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import { freePort } from './harness/free-port.ts';
import { remoteEverything, remoteWebSocket, SECRET, serveHttp } from './harness/remote-servers.ts';
import * as rpc from './harness/rpc.ts';
import { connect, textOf } from './harness/sdk-clients.ts';

forEachEngine('remote servers behind the bridge', async (t, engine) => {
  const wsPort = await remoteWebSocket(t);
  const broken = await serveHttp(t, (_request, response) => response.writeHead(500).end(SECRET));
  const bridge = await startBridge(t, {
    engine,
    config: {
      servers: {
        http: { url: `http://127.0.0.1:${await remoteEverything(t, 'streamableHttp')}/mcp` },
        sse: { url: `http://127.0.0.1:${await remoteEverything(t, 'sse')}/sse`, transport: 'sse' },
        ws: { url: `ws://127.0.0.1:${wsPort}`, transport: 'ws', headers: { Authorization: SECRET } },
        dead: { url: `http://127.0.0.1:${await freePort()}/mcp` },
        broken: { url: broken },
      },
    },
  });

  for (const server of ['http', 'sse'] as const) {
    await t.test(`${server}: an SDK client calls tools, hears progress and is asked back`, async (sub) => {
      const client = await connect(sub, bridge, server, {
        capabilities: { sampling: {} },
        answers: {
          'sampling/createMessage': () => ({
            role: 'assistant',
            model: 'm',
            content: { type: 'text', text: 'from far away' },
          }),
        },
      });
      assert.equal(textOf(await client.callTool('echo', { message: 'hi' })), 'Echo: hi');
      const steps: number[] = [];
      await client.callTool(
        'trigger-long-running-operation',
        { duration: 0.2, steps: 2 },
        { onprogress: ({ progress }) => steps.push(progress) },
      );
      assert.deepEqual(steps, [1, 2]);
      const sampled = await client.callTool('trigger-sampling-request', { prompt: 'p' });
      assert.match(JSON.stringify(sampled), /from far away/);
    });
  }

  await t.test('ws: the headers of the definition are sent', async (sub) => {
    const client = await connect(sub, bridge, 'ws');
    assert.equal(textOf(await client.callTool('headers')), SECRET);
  });

  await t.test(
    'ws: a connection that drops in a call is 502 there, and the next session works',
    async (sub) => {
      const session = await rpc.initialize(bridge, 'ws');
      const answer = await rpc.call(bridge, 'ws', 'tools/call', { name: 'drop' }, { session });
      assert.equal(answer.status, 502);
      assert.equal(answer.body.error.data.code, 'server_died');
      const client = await connect(sub, bridge, 'ws');
      assert.equal(textOf(await client.callTool('echo', { text: 'again' })), 'again');
    },
  );

  for (const [server, cause] of [
    ['dead', /ECONNREFUSED/],
    ['broken', /HTTP 500/],
  ] as const) {
    await t.test(`${server}: initialize is answered 502 with the cause`, async () => {
      const { status, body } = await rpc.call(bridge, server, 'initialize', rpc.initializeParams());
      assert.equal(status, 502);
      assert.equal(body.error.code, -32603);
      assert.equal(body.error.data.code, 'server_start_failed');
      assert.match(body.error.message, cause);
    });
  }

  await t.test('no header of a definition and no error page reaches a log', () => {
    assert.ok(bridge.lines().length > 0);
    assert.ok(!bridge.stdout().includes(SECRET) && !bridge.stderr().includes(SECRET));
  });

  await t.test('the bridge stops, and its sessions far away end', async () => {
    assert.equal(await bridge.stop(), 0);
  });
});
