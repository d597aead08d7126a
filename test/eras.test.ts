/**
 * Any client, any server: the official clients of both eras through the bridge to servers of each era, of both, and
 * to a remote one. What differs between the cells is told by names; what is asserted is the same.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { before, type TestContext, test } from 'node:test';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { callModern, connectModern, modernStream } from './harness/modern.ts';
import * as rpc from './harness/rpc.ts';
import { type ConnectOptions, connect } from './harness/sdk-clients.ts';
import { misbehave } from './harness/servers.ts';
import { until } from './harness/until.ts';
import { wholeFile } from './harness/whole-file.ts';

const OTHER_TOKEN = 'another-principal-0123456789';
const WATCHED = 'test://watched-resource';

const fixture = (file: string, ...args: readonly string[]) => ({
  command: process.execPath,
  args: [resolve('test/conformance', file), ...args],
});

const CAPABLE: ConnectOptions = {
  capabilities: { sampling: {}, elicitation: {}, roots: {} },
  answers: {
    'sampling/createMessage': () => ({
      role: 'assistant',
      model: 'test-model',
      content: { type: 'text', text: 'Greetings' },
    }),
    'elicitation/create': () => ({
      action: 'accept',
      content: { name: 'Ada', color: 'blue', context: 'the test', ok: true },
    }),
    'roots/list': () => ({ roots: [{ uri: 'file:///srv/project' }] }),
  },
};

/** What the tests need of a client, whatever its era. */
interface AnyClient {
  callTool(name: string, onprogress?: (progress: { progress: number }) => void): Promise<rpc.Json>;
  getPrompt(name: string): Promise<rpc.Json>;
  /** Resolves when changes of lists and of the watched resource are told; the methods heard so far. */
  watch(): Promise<readonly string[]>;
}

async function legacyClient(
  t: TestContext,
  server: string,
  options: ConnectOptions = CAPABLE,
): Promise<AnyClient> {
  const client = await connect(t, bridge, server, { ...options, version: 'v1' });
  return {
    callTool: (name, onprogress) => client.callTool(name, {}, onprogress && { onprogress }),
    getPrompt: (name) => client.request('prompts/get', { name }),
    async watch() {
      const heard: string[] = [];
      client.notifications.push = (...sent) => heard.push(...sent.map(({ method }) => method));
      await client.request('resources/subscribe', { uri: WATCHED });
      return heard;
    },
  };
}

async function modernClient(
  t: TestContext,
  server: string,
  options: ConnectOptions = CAPABLE,
): Promise<AnyClient> {
  const client = await connectModern(t, bridge, server, options);
  assert.equal(client.getProtocolEra(), 'modern');
  return {
    callTool: (name, onprogress) =>
      client.callTool({ name, arguments: {} }, onprogress && { onprogress }) as Promise<rpc.Json>,
    getPrompt: (name) => client.getPrompt({ name }),
    async watch() {
      const heard: string[] = [];
      client.fallbackNotificationHandler = async ({ method }) => {
        heard.push(method);
      };
      const listen = await client.listen({ toolsListChanged: true, resourceSubscriptions: [WATCHED] });
      t.after(() => listen.close());
      return heard;
    },
  };
}

/** The modern fixture over HTTP, without a bridge. */
async function startRemote(): Promise<{ readonly url: string; stop(): void }> {
  const child = spawn(process.execPath, [resolve('test/conformance/direct.mjs'), 'modern'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { url, stop: () => child.stdin.end() };
}

const CLIENTS = { 'a legacy client': legacyClient, 'a modern client': modernClient };
const SERVERS = ['legacy', 'modern', 'both', 'modern-shared', 'remote-modern'] as const;

let bridge: Bridge;
let remote: Awaited<ReturnType<typeof startRemote>>;
const file = wholeFile();

before(async () => {
  remote = await startRemote();
  file.after(() => remote.stop());
  bridge = await startBridge(file, {
    config: {
      servers: {
        legacy: fixture('legacy-server.mjs'),
        modern: fixture('modern-server.mjs'),
        both: fixture('modern-server.mjs', '--both'),
        'modern-shared': { ...fixture('modern-server.mjs'), isolation: 'shared', instances: 1 },
        'remote-modern': { url: remote.url },
        silent: { ...misbehave('silent'), timeoutMs: 1000 },
      },
      auth: { tokens: [{ name: 'other', token: OTHER_TOKEN }] },
    },
  });
});

for (const server of SERVERS) {
  for (const [who, connectTo] of Object.entries(CLIENTS)) {
    const to = `${who} of the server "${server}"`;

    test(`${to} is asked for its user, its model and its roots`, async (t) => {
      const client = await connectTo(t, server);
      const { content } = await client.callTool('test_input_required_result_multiple_inputs');
      assert.equal(content[0].text, 'Greetings Ada, 1 roots');
    });

    test(`${to} is asked in two rounds, and in the course of a prompt`, async (t) => {
      const client = await connectTo(t, server);
      const { content } = await client.callTool('test_input_required_result_multi_round');
      assert.equal(content[0].text, 'Ada likes blue');
      const { messages } = await client.getPrompt('test_input_required_result_prompt');
      assert.match(messages[0].content.text, /the test/);
    });

    test(`${to} hears of progress`, async (t) => {
      const client = await connectTo(t, server);
      const heard: number[] = [];
      await client.callTool('test_tool_with_progress', ({ progress }) => heard.push(progress));
      assert.deepEqual(heard, [0, 50, 100]);
    });

    test(`${to} hears of changes`, async (t) => {
      // Calls that may be asked back have a child of a legacy server to themselves, which a listen does not hear.
      const client = await connectTo(t, server, {});
      const heard = await client.watch();
      await client.callTool('test_trigger_tool_change');
      await until('the changed tools to be told', () => heard.includes('notifications/tools/list_changed'));
      await client.callTool('test_trigger_resource_update');
      await until('the updated resource to be told', () => heard.includes('notifications/resources/updated'));
    });
  }
}

const viaBridge = (serverPath: string, method: string, params: object): Promise<rpc.Answer> =>
  rpc.postBridge(bridge, { serverPath, method, params });

test('a server that speaks both eras is translated for nobody', async (t) => {
  const call = { name: 'test_input_required_result_elicitation', arguments: {} };
  const capabilities = { elicitation: {} };
  const modern = await callModern(bridge, 'both', 'tools/call', call, { capabilities });
  assert.deepEqual(Object.keys(modern.body.result.inputRequests), ['user_name'], 'the key is of the server');

  const session = await rpc.initialize(bridge, 'both', { capabilities });
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: call };
  const headers = rpc.honest(bridge, { session });
  const path = '/mcp/both';
  const stream = await rpc.openStream(bridge, {
    method: 'POST',
    path,
    headers,
    body: JSON.stringify(message),
  });
  t.after(() => stream.close());
  await until('the user to be asked', () => stream.events.length > 0);
  assert.equal(stream.events[0].method, 'elicitation/create');
  assert.equal(typeof stream.events[0].id, 'number', 'the id is of the server');
});

const NAME_CALL = { name: 'test_input_required_result_elicitation', arguments: {} };
const STATE_CALL = { name: 'test_input_required_result_request_state', arguments: {} };
const ASKED = { capabilities: { elicitation: {} } };

/** The first round of a call, and what the second one has to bring. */
async function askedBack(server: string, call: Readonly<Record<string, unknown>>, token?: string) {
  const first = await callModern(bridge, server, 'tools/call', call, { ...ASKED, ...(token && { token }) });
  const { inputRequests, requestState } = first.body.result;
  const answers = Object.keys(inputRequests).map((key) => [
    key,
    { action: 'accept', content: { name: 'Ada', ok: true } },
  ]);
  return { ...call, inputResponses: Object.fromEntries(answers), requestState };
}

const STATES = { legacy: NAME_CALL, modern: STATE_CALL };

for (const [server, call] of Object.entries(STATES)) {
  const of = `a requestState of the server "${server}"`;

  test(`${of} is good on whichever worker it lands`, async () => {
    for (let round = 0; round < 8; round++) {
      const retry = await askedBack(server, call);
      const { body } = await callModern(bridge, server, 'tools/call', retry, ASKED);
      assert.equal(body.result?.resultType, 'complete', JSON.stringify(body));
    }
  });

  test(`${of} is refused when it was tampered with, cut or lengthened`, async () => {
    const retry = await askedBack(server, call);
    const { requestState: good } = retry;
    const turned = (at: number) => good.slice(0, at) + (good[at] === 'A' ? 'B' : 'A') + good.slice(at + 1);
    const places = [0, 5, 16, 40, Math.floor(good.length / 2), good.length - 1];
    for (const bad of [...places.map(turned), `${good}-TAMPERED`, `${good}A`, good.slice(1), '', 7]) {
      const answer = await callModern(bridge, server, 'tools/call', { ...retry, requestState: bad }, ASKED);
      assert.equal(answer.status, 200);
      assert.equal(answer.body.error?.code, -32602, `${bad}`);
      assert.equal(answer.body.error.data.reason, 'invalid_request_state');
    }
    const { body } = await callModern(bridge, server, 'tools/call', retry, ASKED);
    assert.equal(body.result?.resultType, 'complete', 'the good one is still good');
  });

  test(`${of} is refused from another principal, for another call and at another server`, async () => {
    const retry = await askedBack(server, call);
    const attempts = [
      callModern(bridge, server, 'tools/call', retry, { ...ASKED, token: OTHER_TOKEN }),
      callModern(bridge, server, 'tools/call', { ...retry, arguments: { other: 1 } }, ASKED),
      callModern(bridge, 'both', 'tools/call', retry, ASKED),
    ];
    for (const { body } of await Promise.all(attempts)) {
      assert.equal(body.error?.code, -32602);
      assert.equal(body.error.data.reason, 'invalid_request_state');
    }
  });
}

test('a call that is parked at a legacy server goes on once: a replayed requestState is refused', async () => {
  const retry = await askedBack('legacy', NAME_CALL);
  const both = await Promise.all([1, 2].map(() => callModern(bridge, 'legacy', 'tools/call', retry, ASKED)));
  const outcomes = both.map(({ body }) => body.result?.resultType ?? body.error.code).sort();
  assert.deepEqual(outcomes, [-32602, 'complete']);
});

test('a modern client that leaves ends its listen', async () => {
  const params = { notifications: { toolsListChanged: true } };
  const stream = await rpc.openStream(
    bridge,
    modernStream(bridge, 'modern', 'subscriptions/listen', params, { id: 'mine' }),
  );
  await until('the acknowledgement', () => stream.events.length > 0);
  const [{ params: acknowledged }] = stream.events as [rpc.Json];
  assert.deepEqual(acknowledged.notifications, { toolsListChanged: true });
  assert.equal(
    acknowledged._meta['io.modelcontextprotocol/subscriptionId'],
    'mine',
    "the id is the client's own",
  );
  stream.close();
  const { body } = await callModern(bridge, 'modern', 'tools/call', {
    name: 'test_simple_text',
    arguments: {},
  });
  assert.equal(body.result.resultType, 'complete');
});

test('log messages reach the modern request that asked for them, at its level', async () => {
  for (const server of ['legacy', 'modern']) {
    const call = { name: 'test_tool_with_logging', arguments: {} };
    const meta = (level: string) => ({ meta: { 'io.modelcontextprotocol/logLevel': level } });
    const [loud, alone, quiet, none] = await Promise.all([
      callModern(bridge, server, 'tools/call', call, { ...ASKED, ...meta('info') }),
      callModern(bridge, server, 'tools/call', call, meta('info')),
      callModern(bridge, server, 'tools/call', call, { ...ASKED, ...meta('error') }),
      callModern(bridge, server, 'tools/call', call, ASKED),
    ]);
    const logged = (answer: rpc.Answer) =>
      answer.events.filter(({ method }) => method === 'notifications/message');
    assert.deepEqual(
      [loud, alone, quiet, none].map((answer) => logged(answer).length),
      [3, 3, 0, 0],
      server,
    );
  }
});

test('a legacy client sets the level of a modern server, and hears of it from then on', async (t) => {
  const client = await connect(t, bridge, 'modern', { version: 'v1' });
  await client.request('logging/setLevel', { level: 'error' });
  await client.callTool('test_tool_with_logging');
  assert.deepEqual(client.notifications, []);
  await client.request('logging/setLevel', { level: 'debug' });
  await client.callTool('test_tool_with_logging');
  await until('three messages', () => client.notifications.length === 3);
});

test('a modern server is reached without a session and by POST /bridge', async () => {
  const call = { name: 'test_simple_text', arguments: {} };
  const stateless = await rpc.call(bridge, 'modern', 'tools/call', call);
  assert.match(stateless.body.result.content[0].text, /simple text/);
  const answer = await viaBridge('modern', 'tools/call', call);
  assert.equal(answer.status, 200, answer.text);
  assert.match(answer.body.content[0].text, /simple text/);
});

test('a remote modern server gets the headers that its tools want, whoever calls and by whichever way', async (t) => {
  const call = { name: 'test_x_mcp_header', arguments: { region: ' Zürich', count: -7, query: 'x' } };
  const region = `=?base64?${Buffer.from(' Zürich').toString('base64')}?=`;
  const own = { 'Mcp-Param-Region': region, 'Mcp-Param-Count': '-7' };
  const legacy = await connect(t, bridge, 'remote-modern', { version: 'v1' });
  const modern = await connectModern(t, bridge, 'remote-modern');
  await modern.listTools();
  const results = await Promise.all([
    legacy.callTool(call.name, call.arguments),
    modern.callTool(call),
    callModern(bridge, 'remote-modern', 'tools/call', call, { headers: own }).then(({ body }) => body.result),
    rpc.callTool(bridge, 'remote-modern', call.name, call.arguments),
    viaBridge('remote-modern', 'tools/call', call).then(({ body }) => body),
  ]);
  for (const result of results as rpc.Json[])
    assert.equal(result?.content?.[0].text, 'ok', JSON.stringify(result));
  const without = await callModern(bridge, 'remote-modern', 'tools/call', call);
  assert.deepEqual(
    [without.status, without.body.error.code],
    [400, -32020],
    'the client has to send them all the same',
  );
});

test('whoever cannot be asked is told so: a tool in its result, a prompt in an error', async () => {
  const tool = await rpc.call(bridge, 'modern', 'tools/call', NAME_CALL);
  assert.equal(tool.body.result?.isError, true, tool.text);
  const prompt = await rpc.call(bridge, 'modern', 'prompts/get', {
    name: 'test_input_required_result_prompt',
  });
  // -32021 of the modern era.
  assert.equal(prompt.body.error?.code, -32602, prompt.text);
});

test('a server that stays silent when it is probed is taken for a legacy one', async () => {
  const { body } = await callModern(bridge, 'silent', 'tools/list');
  assert.equal(body.error.data.code, 'server_timeout');
});
