/** The deprecated HTTP+SSE transport, with the official client that old programs have, over two workers. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { type TestContext, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { CreateMessageRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { openDoor } from './harness/door.ts';
import { forEachEngine } from './harness/engines.ts';
import { assertHttpError } from './harness/expect.ts';
import { descendants } from './harness/process.ts';
import { type Answer, begin, callTool, honest, initializeParams, readAnswer, send } from './harness/rpc.ts';
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

interface Old {
  /** Everything the stream has said. */
  readonly text: () => string;
  readonly ended: Promise<void>;
  /** POSTs to the address that the stream has named. */
  post(message: object | string): Promise<Answer>;
}

async function old(bridge: Bridge, incoming: IncomingMessage): Promise<Old> {
  let text = '';
  incoming.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  const ended = new Promise<void>((resolve) => incoming.once('end', resolve));
  const path = await until('the address', () => /^data: (.+)$/m.exec(text)?.[1]);
  return {
    text: () => text,
    ended,
    post: (message) =>
      send(bridge, {
        method: 'POST',
        path,
        headers: honest(bridge),
        body: typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message }),
      }),
  };
}

const initializeMessage = { id: 1, method: 'initialize', params: initializeParams() };
const toolCall = (id: number, name: string, args: object = {}) => ({
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

forEachEngine('what is no message is 400, and the stream goes on', async (t, engine) => {
  const bridge = await startBridge(t, { engine, config: { servers: { echo: echo() } } });
  const stream = await old(bridge, await begin(bridge, { path: '/sse/echo', headers: honest(bridge) }));
  for (const [body, says] of [
    ['{', /not valid JSON/],
    ['[{]', /not valid JSON/],
    ['[]', /at least one message/],
    ['"x"', /is an object/],
    ['{"id":1,"method":"ping"}', /"jsonrpc" must be "2.0"/],
  ] as const) {
    assertHttpError(await stream.post(body), { status: 400, code: 'invalid_request', says });
  }
  assert.equal((await stream.post({ id: 7, method: 'ping' })).status, 202);
  await until('the answer', () => stream.text().includes('"id":7'));
});

forEachEngine('the stream ends with its session, after the last answer', async (t, engine) => {
  const bridge = await startBridge(t, { engine, config: { servers: { echo: echo() } } });
  const stream = await old(bridge, await begin(bridge, { path: '/sse/echo', headers: honest(bridge) }));
  await stream.post(initializeMessage);
  await until('the session', () => stream.text().includes('"id":1'));
  await stream.post(toolCall(2, 'exit'));
  await stream.ended;
  assert.match(stream.text(), /"id":2,"error":.+server_died/);
  assert.equal((await stream.post({ id: 3, method: 'ping' })).status, 404);
});

test('a session of a shared server keeps its stream when another worker has to take it over', async (t) => {
  const bridge = await startBridge(t, {
    config: { servers: { shared: { ...echo(), isolation: 'shared', instances: 1 } } },
  });
  const { pid } = (await callTool(bridge, 'shared', 'whoami')).structuredContent;
  const owner = bridge.processes().find((each) => each !== pid && descendants(each).includes(pid));
  assert.ok(owner);
  const door = await openDoor(bridge, (worker) => worker !== owner);
  t.after(() => door.close());
  const stream = await old(bridge, await door.begin({ path: '/sse/shared', headers: honest(bridge) }));
  await stream.post(initializeMessage);
  await until('the session', () => stream.text().includes('"id":1'));
  process.kill(owner, 'SIGKILL');
  await until('a call to be served', async () => {
    // The killed worker's listener may still hold a connection.
    await stream.post(toolCall(2, 'echo', { text: 'again' })).catch(() => undefined);
    return stream.text().includes('again');
  });
  // When no call is there that could carry it.
  await stream.post(toolCall(3, 'notify', { what: 'tools', afterMs: 300 }));
  await until('a notification', () => stream.text().includes('notifications/tools/list_changed'));
  assert.match(stream.text(), /"id":3,.+\n\nevent: message\ndata: \{"jsonrpc":"2\.0","method"/);
});
