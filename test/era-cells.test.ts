/**
 * The rows of docs/protocol.md that eras.test.ts does not go through: for each cell of client and server era what a
 * client is answered, told and refused. The clients are the official ones where these can show it, else raw requests.
 */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { callModern, connectModern, type ModernHow, modernStream, VERSION } from './harness/modern.ts';
import * as rpc from './harness/rpc.ts';
import { connect, textOf } from './harness/sdk-clients.ts';
import { echo, everything, misbehave } from './harness/servers.ts';
import { until } from './harness/until.ts';
import { wholeFile } from './harness/whole-file.ts';

const SERVER_INFO = 'io.modelcontextprotocol/serverInfo';
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';
const TASKS = 'io.modelcontextprotocol/tasks';
const FILTERED_TOKEN = 'filtered-principal-0123456789';

const modern = { command: process.execPath, args: [resolve('test/fixtures/servers/modern-echo.mjs')] };

let bridge: Bridge;
const file = wholeFile();

before(async () => {
  bridge = await startBridge(file, {
    config: {
      servers: {
        legacy: echo(),
        'legacy-shared': { ...echo(), isolation: 'shared', instances: 1 },
        modern,
        'modern-shared': { ...modern, isolation: 'shared' },
        asks: misbehave('asks-nobody'),
        urls: misbehave('wants-url'),
        everything,
      },
      auth: { tokens: [{ name: 'filtered', token: FILTERED_TOKEN, tools: { deny: ['exit', 'pid'] } }] },
    },
  });
});

const modernCall = (server: string, name: string, args: object = {}, how: ModernHow = {}) =>
  callModern(bridge, server, 'tools/call', { name, arguments: args }, how);

test('discover before a legacy server is made from its handshake', async () => {
  const { body } = await callModern(bridge, 'legacy', 'server/discover');
  const { result } = body;
  assert.deepEqual(result.supportedVersions, [VERSION]);
  assert.deepEqual([result.resultType, result.ttlMs, result.cacheScope], ['complete', 0, 'private']);
  assert.equal(result.instructions, 'Echoes.');
  assert.deepEqual(result.capabilities.tools, { listChanged: true });
  assert.equal(result.capabilities.tasks, undefined);
  assert.equal(result._meta[SERVER_INFO].name, 'echo');
});

test('discover before a modern server is its own answer, less what the bridge does not speak', async () => {
  for (const how of [{}, { meta: { 'io.modelcontextprotocol/logLevel': 'debug' } }]) {
    const { result } = (await callModern(bridge, 'modern', 'server/discover', {}, how)).body;
    assert.deepEqual(result.supportedVersions, [VERSION]);
    assert.deepEqual([result.ttlMs, result.cacheScope, result.instructions], [60_000, 'public', 'Echoes.']);
    assert.deepEqual(Object.keys(result.capabilities.extensions), [TASKS, 'test/other']);
  }
  const shared = (await callModern(bridge, 'modern-shared', 'server/discover')).body.result;
  assert.deepEqual(
    Object.keys(shared.capabilities.extensions),
    ['test/other'],
    'no tasks where children are shared',
  );
});

test('a legacy handshake with a modern server is made from discover, in the revision of the client', async () => {
  for (const [asked, negotiated] of [
    ['2025-06-18', '2025-06-18'],
    ['2024-11-05', '2024-11-05'],
    ['1999-01-01', '2025-11-25'],
    [VERSION, '2025-11-25'],
  ]) {
    const answer = await rpc.call(bridge, 'modern', 'initialize', rpc.initializeParams({}, asked));
    const { protocolVersion, capabilities, serverInfo, instructions } = answer.body.result;
    assert.equal(protocolVersion, negotiated);
    assert.deepEqual(capabilities, { tools: { listChanged: true }, resources: {} });
    assert.deepEqual([serverInfo.name, instructions], ['modern-echo', 'Echoes.']);
    await rpc.endSession(bridge, 'modern', { session: String(answer.headers['mcp-session-id']) });
  }
});

test('lists and resources of a legacy server say that they are not to be kept', async () => {
  for (const [method, params] of [
    ['tools/list', {}],
    ['prompts/list', {}],
    ['resources/list', {}],
    ['resources/templates/list', {}],
    ['resources/read', { uri: 'test://one' }],
  ] as const) {
    for (const token of [bridge.token, FILTERED_TOKEN]) {
      const { result } = (await callModern(bridge, 'legacy', method, params, { token })).body;
      assert.deepEqual(
        [result.resultType, result.ttlMs, result.cacheScope],
        ['complete', 0, 'private'],
        method,
      );
      assert.equal(result._meta[SERVER_INFO].name, 'echo');
    }
  }
  const { result } = (await modernCall('legacy', 'echo', { text: 'x' })).body;
  assert.deepEqual([result.resultType, result.ttlMs], ['complete', undefined], 'a call is never kept');
});

test('lists of a modern server are kept as it says, and as private where they depend on who asks', async () => {
  const open = (await callModern(bridge, 'modern', 'tools/list')).body.result;
  assert.deepEqual([open.ttlMs, open.cacheScope], [5_000, 'public']);
  const filtered = (await callModern(bridge, 'modern', 'tools/list', {}, { token: FILTERED_TOKEN })).body
    .result;
  assert.deepEqual([filtered.ttlMs, filtered.cacheScope], [5_000, 'private']);
  const names = (list: rpc.Json) => list.tools.map(({ name }: { name: string }) => name);
  assert.deepEqual([names(open).includes('pid'), names(filtered).includes('pid')], [true, false]);
  const denied = await modernCall('modern', 'pid', {}, { token: FILTERED_TOKEN });
  assert.deepEqual([denied.status, denied.body.error.code], [200, -32602]);
  const read = (await callModern(bridge, 'modern', 'resources/read', { uri: 'test://one' })).body.result;
  assert.deepEqual([read.ttlMs, read.cacheScope], [1_000, 'private']);
});

test('output that is no object is wrapped for legacy clients, in the list and in the result', async (t) => {
  const client = await connect(t, bridge, 'modern', { version: 'v1' });
  const { tools } = await client.request('tools/list');
  const { outputSchema } = tools.find(({ name }: { name: string }) => name === 'list');
  assert.deepEqual(outputSchema, {
    $defs: { item: { type: 'integer' } },
    type: 'object',
    properties: { result: { type: 'array', items: { $ref: '#/$defs/item' } } },
    required: ['result'],
  });
  // The official client checks it against the schema.
  const result = await client.callTool('list', { n: 3 });
  assert.deepEqual(result.structuredContent, { result: [0, 1, 2] });
  const own = (await modernCall('modern', 'list', { n: 3 })).body.result;
  assert.deepEqual(own.structuredContent, [0, 1, 2]);
});

test('a legacy server is told exactly what its modern client can do, less tasks', async () => {
  const told = {
    elicitation: { form: {} },
    experimental: { x: { y: 1 } },
    extensions: { 'test/ui': { z: 2 } },
  };
  const withTasks = { ...told, extensions: { ...told.extensions, [TASKS]: {} }, tasks: { list: {} } };
  for (const [capabilities, seen] of [
    [withTasks, told],
    [{ extensions: told.extensions }, { extensions: told.extensions }],
    [{ extensions: { [TASKS]: {} }, tasks: {} }, {}],
  ] as const) {
    const { body } = await modernCall('legacy', 'whoami', {}, { capabilities });
    assert.deepEqual(body.result.structuredContent.capabilities, seen);
  }
});

test('methods of the other era are unknown in every cell', async () => {
  const removed = [
    'initialize',
    'ping',
    'logging/setLevel',
    'resources/subscribe',
    'resources/unsubscribe',
    'roots/list',
  ];
  for (const server of ['legacy', 'modern']) {
    for (const method of removed) {
      const { status, body } = await callModern(bridge, server, method, { uri: 'test://one', level: 'info' });
      assert.deepEqual([status, body.error?.code], [404, -32601], `${method} of ${server}`);
    }
    const session = await rpc.initialize(bridge, server);
    for (const how of [{ session }, {}]) {
      for (const method of ['server/discover', 'subscriptions/listen']) {
        const { status, body, text } = await rpc.call(bridge, server, method, { notifications: {} }, how);
        // Not 404: that says of a session that it is over.
        assert.deepEqual([status, body.error?.code], [200, -32601], `${method} of ${server}: ${text}`);
      }
      const ping = await rpc.call(bridge, server, 'ping', undefined, how);
      assert.deepEqual(ping.body.result, {}, ping.text);
    }
    await rpc.endSession(bridge, server, { session });
  }
  const answer = await rpc.postBridge(bridge, {
    serverPath: 'modern',
    method: 'subscriptions/listen',
    params: { notifications: {} },
  });
  assert.equal(answer.status, 400, answer.text);
});

/** Tags at the tool `cancelled`, asked for by a modern client of the same principal. */
async function tags(server: string): Promise<{ cancelled: string[]; waiting: string[] }> {
  const { body } = await modernCall(server, 'cancelled');
  const { cancelled, waiting } = JSON.parse(textOf(body.result));
  const names = (list: (string | { tag: string })[]) =>
    list.map((each) => (typeof each === 'string' ? each : each.tag));
  return { cancelled: names(cancelled), waiting: names(waiting) };
}

for (const server of ['legacy', 'modern']) {
  test(`a modern client that disconnects has cancelled at the ${server} server`, async () => {
    const tag = `gone-${server}`;
    const leaving = new AbortController();
    const raw = modernStream(bridge, server, 'tools/call', { name: 'cancelable', arguments: { tag } });
    const call = rpc.send(bridge, { ...raw, signal: leaving.signal });
    await until('the call to be at the server', async () => (await tags(server)).waiting.includes(tag));
    leaving.abort();
    await assert.rejects(call);
    await until('it to be cancelled', async () => (await tags(server)).cancelled.includes(tag));
  });
}

test('a legacy client cancels at a modern server', async (t) => {
  const client = await connect(t, bridge, 'modern', { version: 'v1' });
  const abort = new AbortController();
  const call = client.callTool('cancelable', { tag: 'mine' }, { signal: abort.signal });
  const seen = async () => JSON.parse(textOf(await client.callTool('cancelled')));
  await until('the call to be at the server', async () => (await seen()).waiting.includes('mine'));
  abort.abort();
  await assert.rejects(call);
  await until('it to be cancelled', async () => (await seen()).cancelled.includes('mine'));
});

test('a server that wants input again and again is told off after eight rounds', async (t) => {
  let asked = 0;
  const client = await connect(t, bridge, 'modern', {
    version: 'v1',
    capabilities: { roots: {} },
    answers: {
      'roots/list': () => {
        asked++;
        return { roots: [] };
      },
    },
  });
  const result = await client.callTool('endless');
  assert.deepEqual([asked, result.isError], [8, true]);
  assert.match(textOf(result), /after 8 rounds/);
});

test('a state without questions comes back by itself', async (t) => {
  const client = await connect(t, bridge, 'modern', { version: 'v1' });
  assert.equal(textOf(await client.callTool('later', { rounds: 2 })), 'after 2');
});

test('a capability that a modern server misses is told in the words of each era', async (t) => {
  const legacy = await connect(t, bridge, 'modern', { version: 'v1' });
  const told = await legacy.callTool('needy');
  assert.equal(told.isError, true);
  assert.match(textOf(told), /needs sampling/);
  const own = await modernCall('modern', 'needy');
  assert.deepEqual([own.status, own.body.error.code], [400, -32021]);
  assert.deepEqual(own.body.error.data.requiredCapabilities, { sampling: {} });
});

test("a legacy server's errors are told with the codes of 2026-07-28", async () => {
  const missing = await callModern(bridge, 'legacy', 'resources/read', { uri: 'test://none' });
  assert.deepEqual([missing.status, missing.body.error.code], [200, -32602]);
  assert.deepEqual(missing.body.error.data, { uri: 'test://none' });
  for (const code of [-32020, -32022, -32042, -32050, -32099]) {
    const { status, body } = await modernCall('legacy', 'fail', { code, message: 'mine' });
    assert.deepEqual([status, body.error.code, body.error.message], [200, -32603, 'mine']);
    assert.equal(body.error.data.code, code);
  }
  for (const code of [-32000, -32010, -32602, -1, 7]) {
    assert.equal((await modernCall('legacy', 'fail', { code, message: 'mine' })).body.error.code, code);
  }
  const unknown = await modernCall('legacy', 'fail', { code: -32601, message: 'mine' });
  assert.deepEqual([unknown.status, unknown.body.error.code], [404, -32601]);
});

test('tasks of a modern server are found again; a legacy client is offered none', async (t) => {
  const capable: ModernHow = { capabilities: { extensions: { [TASKS]: {} } } };
  const { result } = (await modernCall('modern', 'task', {}, capable)).body;
  assert.equal(result.resultType, 'task');
  const { taskId } = result;
  const ask = (method: string, server = 'modern') =>
    callModern(bridge, server, method, { taskId }, { ...capable, headers: { 'Mcp-Name': taskId } });
  for (let turn = 0; turn < 4; turn++) assert.equal((await ask('tasks/get')).body.result.status, 'working');
  await ask('tasks/cancel');
  assert.equal((await ask('tasks/get')).body.result.status, 'cancelled');
  const wrong = await callModern(bridge, 'modern', 'tasks/get', { taskId }, capable);
  assert.deepEqual([wrong.status, wrong.body.error.code], [400, -32020], 'the header repeats the id');
  for (const server of ['modern-shared', 'legacy']) {
    const { status, body } = await ask('tasks/get', server);
    assert.deepEqual([status, body.error.code], [404, -32601], server);
  }
  const client = await connect(t, bridge, 'modern', { version: 'v1' });
  assert.equal(textOf(await client.callTool('task')), 'no task');
  const session = { session: client.sessionId ?? '' };
  assert.equal((await rpc.call(bridge, 'modern', 'tasks/get', { taskId }, session)).body.error.code, -32601);
});

test('what a legacy server asks as soon as it is initialised is asked before its first call', async () => {
  const how = { capabilities: { sampling: {} } };
  const first = (await modernCall('asks', 'call', {}, how)).body.result;
  assert.deepEqual(Object.keys(first.inputRequests), ['r0']);
  assert.equal(first.inputRequests.r0.method, 'sampling/createMessage');
  const answer = { role: 'assistant', model: 'm', content: { type: 'text', text: 'early' } };
  const params = {
    name: 'call',
    arguments: {},
    inputResponses: { r0: answer },
    requestState: first.requestState,
  };
  const { result } = (await callModern(bridge, 'asks', 'tools/call', params, how)).body;
  const heard: rpc.Json[] = JSON.parse(textOf(result));
  assert.deepEqual(heard.find(({ id }) => id === 'q1')?.result, answer);
  assert.deepEqual(heard.find(({ id }) => id === 'q2')?.result, {}, 'a ping passes nobody by');
});

test('a legacy server that sends its user to a URL gets its call again when he has been there', async (t) => {
  const seen: rpc.Json[] = [];
  const visit = (action: string) =>
    connectModern(t, bridge, 'urls', {
      capabilities: { elicitation: { url: {} } },
      answers: {
        'elicitation/create': (params) => {
          seen.push(params);
          return { action };
        },
      },
    });
  const client = await visit('accept');
  const result = (await client.callTool({ name: 'call', arguments: {} })) as rpc.Json;
  assert.equal(textOf(result), 'been there');
  assert.deepEqual(seen, [{ mode: 'url', url: 'https://example.com/login', message: 'Log in' }]);

  const unwilling = await visit('decline');
  await assert.rejects(
    unwilling.callTool({ name: 'call', arguments: {} }),
    (error: Error & { code?: number }) => {
      assert.equal(error.code, -32603);
      return true;
    },
  );
  const unable = await modernCall('urls', 'call', {}, { capabilities: { elicitation: {} } });
  assert.deepEqual([unable.body.error.code, unable.body.error.data.code], [-32603, -32042]);
});

test('server-everything asks a modern client for a sample, its user and its roots', async (t) => {
  const client = await connectModern(t, bridge, 'everything', {
    capabilities: { sampling: {}, elicitation: {}, roots: {} },
    answers: {
      'sampling/createMessage': () => ({
        role: 'assistant',
        model: 'm',
        content: { type: 'text', text: 'sampled' },
      }),
      'elicitation/create': () => ({ action: 'accept', content: { name: 'Ada' } }),
      'roots/list': () => ({ roots: [{ uri: 'file:///srv/project' }] }),
    },
  });
  const call = async (name: string, args = {}) =>
    JSON.stringify(await client.callTool({ name, arguments: args }));
  assert.match(await call('trigger-sampling-request', { prompt: 'hi', maxTokens: 5 }), /sampled/);
  assert.match(await call('trigger-elicitation-request'), /Ada/);
  assert.match(await call('get-roots-list'), /file:\/\/\/srv\/project/);
});

test('a listen is told what the server can give, and ends at once where that is nothing', async () => {
  const wish = {
    toolsListChanged: true,
    promptsListChanged: true,
    resourceSubscriptions: ['test://one', 'test://none'],
  };
  const listen = (server: string, notifications: object) =>
    rpc.openStream(
      bridge,
      modernStream(bridge, server, 'subscriptions/listen', { notifications }, { id: 'l' }),
    );
  const legacy = await listen('legacy', wish);
  await until('the acknowledgement', () => legacy.events.length > 0);
  assert.deepEqual(legacy.events[0].params, {
    notifications: { ...wish, resourceSubscriptions: ['test://one'] },
    _meta: { [SUBSCRIPTION]: 'l' },
  });
  await modernCall('legacy', 'notify', { what: 'updated', uri: 'test://one' });
  await until('the update', () => legacy.events.length > 1);
  assert.deepEqual(legacy.events[1].params, { uri: 'test://one', _meta: { [SUBSCRIPTION]: 'l' } });
  legacy.close();

  const own = await listen('modern', wish);
  await until('the acknowledgement', () => own.events.length > 0);
  assert.deepEqual(own.events[0].params.notifications, { toolsListChanged: true });
  own.close();

  const nothing = await listen('modern', { promptsListChanged: true });
  await nothing.ended;
  assert.deepEqual([nothing.events.length, nothing.events[1].result.resultType], [2, 'complete']);
});

test('the listens of a rolling restart end with a result, and can be begun anew at once', async (t) => {
  const own = await startBridge(t, { config: { servers: { legacy: echo(), modern } } });
  for (const server of ['legacy', 'modern']) {
    const notifications = { toolsListChanged: true };
    const begin = () =>
      rpc.openStream(
        own,
        modernStream(own, server, 'subscriptions/listen', { notifications }, { id: server }),
      );
    const before = await Promise.all([begin(), begin(), begin(), begin()]);
    await until('all to be acknowledged', () => before.every(({ events }) => events.length === 1));
    process.kill(own.pid, 'SIGUSR2');
    await Promise.all(before.map(({ ended }) => ended));
    for (const { events } of before) {
      assert.deepEqual([events.length, events[1].id, events[1].result?.resultType], [2, server, 'complete']);
    }
    const again = await until('a new listen', async () => {
      const stream = await begin().catch(() => undefined);
      await Promise.race([stream?.ended, until('word', () => (stream?.events.length ?? 0) > 0)]);
      return stream?.events.length === 1 && stream;
    });
    again.close();
    await own.printed(/rolling restart ended/);
  }
});

test('a server that waits for its client is not hurried, whatever the era of the client', async (t) => {
  const env = { REQUEST_TIMEOUT_MS: '500' };
  const own = await startBridge(t, { config: { servers: { legacy: echo() } }, env });
  const answers = {
    'sampling/createMessage': async () => {
      await sleep(1_500);
      return { role: 'assistant', model: 'm', content: { type: 'text', text: 'sampled at leisure' } };
    },
  };
  const options = { capabilities: { sampling: {} }, answers };
  const clients = [
    connect(t, own, 'legacy', { ...options, version: 'v1' }).then((client) =>
      client.callTool('sample', { text: 'x' }),
    ),
    connectModern(t, own, 'legacy', options).then((client) =>
      client.callTool({ name: 'sample', arguments: { text: 'x' } }),
    ),
  ];
  for (const result of await Promise.all(clients)) assert.match(JSON.stringify(result), /sampled at leisure/);
  // What is not for the client to answer ends as ever.
  const { status, body } = await callModern(own, 'legacy', 'tools/call', {
    name: 'cancelable',
    arguments: { tag: 'x' },
  });
  assert.deepEqual([status, body.error.data.code], [504, 'server_timeout']);
});

test('a call whose server dies while its client is away is told so when he comes back', async () => {
  const how = { capabilities: { sampling: {} } };
  const call = { name: 'sample', arguments: { text: 'x' } };
  const before = new Set(bridge.processes());
  const first = (await callModern(bridge, 'legacy', 'tools/call', call, how)).body.result;
  const [child] = bridge.processes().filter((pid) => !before.has(pid));
  process.kill(child ?? 0, 'SIGKILL');
  await until('the child to be gone', () => !bridge.processes().includes(child ?? 0));
  const retry = { ...call, inputResponses: {}, requestState: first.requestState };
  const answer = await callModern(bridge, 'legacy', 'tools/call', retry, how);
  assert.deepEqual([answer.status, answer.body.error.data.code], [502, 'server_died'], answer.text);
});

test('a modern stream has no ids, is not resumed, and is the answer to a POST', async () => {
  for (const server of ['legacy', 'everything']) {
    const [name, args] =
      server === 'legacy'
        ? ['progress', { n: 2 }]
        : ['trigger-long-running-operation', { duration: 0.1, steps: 2 }];
    const how = { meta: { progressToken: 'p' }, headers: { 'Last-Event-ID': 'abcdefgh.1.1' } };
    const answer = await modernCall(server, name as string, args as object, how);
    assert.deepEqual([answer.events.length, answer.events[0].params.progressToken], [3, 'p']);
    assert.equal(answer.headers['x-accel-buffering'], 'no');
    assert.doesNotMatch(answer.text, /^(id|retry):/m);
  }
  for (const method of ['GET', 'DELETE']) {
    const headers = rpc.honest(bridge, { headers: { 'MCP-Protocol-Version': VERSION } });
    const answer = await rpc.send(bridge, { method, path: '/mcp/legacy', headers });
    assert.deepEqual(
      [answer.status, answer.headers.allow, answer.body.error.data.code],
      [405, 'POST', 'method_not_allowed'],
    );
  }
});
