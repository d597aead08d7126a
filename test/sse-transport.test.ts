/** The deprecated HTTP+SSE transport, with the official client that old programs have, over two workers. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { CreateMessageRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import { assertHttpError } from './harness/expect.ts';
import { begin, honest, readAnswer, send } from './harness/rpc.ts';
import { echo } from './harness/servers.ts';
import { until } from './harness/until.ts';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

async function connect(t: TestContext, bridge: Bridge, server: string): Promise<Client> {
  const client = new Client({ name: 'old', version: '1' }, { capabilities: { sampling: {} } });
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    model: 'none',
    role: 'assistant' as const,
    content: { type: 'text' as const, text: 'sampled' },
  }));
  const headers = { Authorization: `Bearer ${bridge.token}` };
  const transport = new SSEClientTransport(new URL(`${bridge.url}/sse/${server}`), {
    requestInit: { headers: { ...headers, traceparent: TRACEPARENT } },
    eventSourceInit: {
      fetch: (url, init) => fetch(url, { ...init, headers: { ...init?.headers, ...headers } }),
    },
  });
  await client.connect(transport);
  t.after(() => client.close());
  return client;
}

forEachEngine('old clients have calls and sampling over one stream each', async (t, engine) => {
  const bridge = await startBridge(t, { engine, config: { servers: { echo: echo() } } });
  const clients = await Promise.all([1, 2, 3, 4].map(() => connect(t, bridge, 'echo')));
  for (const [i, client] of clients.entries()) {
    const said = await client.callTool({ name: 'echo', arguments: { text: `hello ${i}` } });
    assert.match(JSON.stringify(said.content), new RegExp(`hello ${i}`));
    const sampled = await client.callTool({ name: 'sample', arguments: {} });
    assert.match(JSON.stringify(sampled.content), /sampled/);
    const traced = await client.callTool({ name: 'meta', arguments: {} });
    assert.match(JSON.stringify(traced.content), new RegExp(TRACEPARENT));
  }
});

forEachEngine('the session and its child end with the stream', async (t, engine) => {
  const bridge = await startBridge(t, { engine, config: { servers: { echo: echo() } } });
  const workers = bridge.processes().length;
  const client = await connect(t, bridge, 'echo');
  assert.equal(bridge.processes().length, workers + 1);
  await client.close();
  await until('the child to be gone', () => bridge.processes().length === workers);
});

forEachEngine('a stream is its opener’s alone', async (t, engine) => {
  const bridge = await startBridge(t, {
    engine,
    config: {
      servers: { echo: echo() },
      auth: { tokens: [{ name: 'other', token: 'other-token-0123456789' }] },
    },
  });
  const post = (token: string, sessionId: string) =>
    send(bridge, {
      method: 'POST',
      path: `/messages/echo?sessionId=${sessionId}`,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    });
  const opened = await fetch(`${bridge.url}/sse/echo`, {
    headers: { Authorization: `Bearer ${bridge.token}` },
  });
  assert.ok(opened.body);
  const { value } = await opened.body.getReader().read();
  const sessionId = /sessionId=(\S+)/.exec(new TextDecoder().decode(value))?.[1] ?? '';
  assert.notEqual(sessionId, '');
  assert.equal((await post(bridge.token, sessionId)).status, 202);
  assert.equal((await post('other-token-0123456789', sessionId)).status, 404);
  assert.equal((await post(bridge.token, `${sessionId}x`)).status, 404);
  assert.equal((await post(bridge.token, '')).status, 404);
});

forEachEngine('a stream at a server that is not there is 404', async (t, engine) => {
  const bridge = await startBridge(t, {
    engine,
    config: { servers: { off: { ...echo(), disabled: true } } },
  });
  for (const server of ['off', 'nowhere']) {
    const incoming = await begin(bridge, { path: `/sse/${server}`, headers: honest(bridge) });
    assert.equal(incoming.statusCode, 404);
    assertHttpError(await readAnswer(incoming), {
      status: 404,
      code: 'unknown_server',
      says: new RegExp(server),
    });
  }
});
