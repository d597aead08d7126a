/**
 * Streams that outlive their connections: the official clients behind a network that cuts them off, and raw
 * requests for what an official client would not send.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { cuttingProxy } from './harness/cutting-proxy.ts';
import { openDoor } from './harness/door.ts';
import { forEachEngine } from './harness/engines.ts';
import { assertNoSession } from './harness/expect.ts';
import { descendants } from './harness/process.ts';
import * as rpc from './harness/rpc.ts';
import { connect, SDK_VERSIONS, textOf } from './harness/sdk-clients.ts';
import { echo, everything } from './harness/servers.ts';
import { until } from './harness/until.ts';
import { wholeFile } from './harness/whole-file.ts';

const OTHER_TOKEN = 'another-principal-0123456789';
const NEWEST = '2025-11-25';

const config = {
  servers: { own: echo(), shared: { ...echo(), isolation: 'shared', instances: 1 }, everything },
  auth: { tokens: [{ name: 'other', token: OTHER_TOKEN }] },
};

let bridge: Bridge;
const file = wholeFile();

before(async () => {
  bridge = await startBridge(file, { config });
});

forEachEngine(
  'the official clients get the rest of an answer after their connection broke',
  async (t, engine) => {
    const { port, token } = await startBridge(t, { config, engine });
    const runs = SDK_VERSIONS.map(async (version) => {
      const proxy = await cuttingProxy(t, port);
      const client = await connect(t, { url: proxy.url, token }, 'everything', { version });
      const steps: number[] = [];
      const result = await client.callTool(
        'trigger-long-running-operation',
        { duration: 3, steps: 6 },
        {
          onprogress({ progress }) {
            steps.push(progress);
            if (progress === 2) proxy.cut();
          },
        },
      );
      assert.match(textOf(result), /completed/, version);
      assert.deepEqual(steps, [1, 2, 3, 4, 5, 6], version);
    });
    await Promise.all(runs);
  },
);

for (const version of SDK_VERSIONS) {
  test(`${version}: what a server says while nobody listens reaches the client that listens again`, async (t) => {
    const proxy = await cuttingProxy(t, bridge.port);
    const client = await connect(t, { url: proxy.url, token: bridge.token }, 'own', { version });
    const { sessionId: session = '' } = client;
    const heard = () => client.notifications.map(({ method }) => method);
    await until('the stream to be open', async () => {
      await client.callTool('notify', { what: 'prompts' });
      return heard().includes('notifications/prompts/list_changed');
    });
    proxy.cut();
    await rpc.callTool(bridge, 'own', 'notify', { what: 'tools', afterMs: 50 }, { session });
    await until('the changed tools to be told', () => heard().includes('notifications/tools/list_changed'));
    assert.equal(heard().filter((method) => method === 'notifications/tools/list_changed').length, 1);
  });
}

interface Asking {
  readonly session: string;
  readonly stream: rpc.EventStream;
}

const CAPABLE = { capabilities: { sampling: {} }, protocolVersion: NEWEST };

/** A call whose server has asked its client something: its stream is open, and waits. */
async function asking(server = 'own', id: number | string = 7): Promise<Asking> {
  const session = await rpc.initialize(bridge, server, CAPABLE);
  const message = {
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'sample', arguments: { text: 'x' } },
  };
  const stream = await rpc.openStream(bridge, {
    method: 'POST',
    path: `/mcp/${server}`,
    headers: rpc.honest(bridge, { session }),
    body: JSON.stringify(message),
  });
  await until('the question', () => stream.events.length > 0);
  return { session, stream };
}

const resume = (session: string, lastEventId: string, server = 'own', token = bridge.token) =>
  rpc.listen(bridge, server, { session, token, headers: { 'Last-Event-ID': lastEventId } });

const answerTo = (question: rpc.Json) => ({
  jsonrpc: '2.0',
  id: question.id,
  result: { role: 'assistant', model: 'm', content: { type: 'text', text: 'sampled' } },
});

test('a stream goes on at whichever worker its client comes back, with its own events only', async () => {
  for (let turn = 0; turn < 6; turn++) {
    const { session, stream } = await asking();
    assert.equal(stream.ids.length, 2, 'one before the first event, one with it');
    const listening = await rpc.listen(bridge, 'own', { session });
    stream.close();
    await rpc.callTool(bridge, 'own', 'notify', { what: 'tools' }, { session });
    await until('the changed tools to be told', () => listening.events.length > 0);

    const again = await resume(session, stream.ids[0] ?? '');
    await until('the question again', () => again.events.length > 0);
    assert.deepEqual(again.events, stream.events);
    assert.deepEqual(again.ids, stream.ids.slice(1));
    assert.equal((await rpc.post(bridge, 'own', answerTo(again.events[0]), { session })).status, 202);
    await again.ended;
    assert.deepEqual([again.events.length, again.events[1].id], [2, 7]);
    assert.match(JSON.stringify(again.events[1].result), /sampled/);

    const late = await resume(session, stream.ids[1] ?? '');
    await late.ended;
    assert.deepEqual(late.events, [again.events[1]], 'the answer can be fetched again');
    assert.equal((await resume(session, again.ids.at(-1) ?? '')).status, 204);
    assert.equal(listening.events.length, 1);
    await rpc.endSession(bridge, 'own', { session });
  }
});

test('a client that comes back takes over a connection that the bridge still believes in', async () => {
  const { session, stream } = await asking();
  const again = await resume(session, stream.ids.at(-1) ?? '');
  await stream.ended;
  await rpc.post(bridge, 'own', answerTo(stream.events[0]), { session });
  await again.ended;
  assert.deepEqual([stream.events.length, again.events.length], [1, 1]);
});

test('a question that comes while its client is away waits for it', async () => {
  const { session, stream } = await asking();
  stream.close();
  await rpc.post(bridge, 'own', answerTo(stream.events[0]), { session });
  const again = await resume(session, stream.ids.at(-1) ?? '');
  await again.ended;
  assert.match(JSON.stringify(again.events.at(-1)?.result), /sampled/);
});

test('an id of another session, of another principal, or of nothing is refused', async () => {
  const [one, two] = await Promise.all([asking(), asking('own', 'another')]);
  const last = one.stream.ids.at(-1) ?? '';
  assertNoSession(
    await rpc.readAnswer(
      await rpc.begin(bridge, {
        path: '/mcp/own',
        headers: rpc.honest(bridge, {
          session: one.session,
          token: OTHER_TOKEN,
          headers: { 'Last-Event-ID': last },
        }),
      }),
    ),
  );

  const strange = await resume(two.session, last);
  await strange.ended;
  assert.deepEqual([strange.events.length, strange.events[0].id], [1, 7]);
  assert.equal(strange.events[0].error.data.code, 'answer_lost', 'of the other one nothing is told');

  for (const bad of ['1', 'x'.repeat(500), `${last}!`, '../../etc']) {
    assert.equal((await resume(one.session, bad)).status, 400, bad);
  }
  for (const { stream } of [one, two]) stream.close();
});

test('streams of the transport of 2024-11-05 and of requests without a session have no ids', async () => {
  const answer = await rpc.call(bridge, 'own', 'tools/call', {
    name: 'progress',
    arguments: { n: 1 },
    _meta: { progressToken: 1 },
  });
  assert.deepEqual([answer.events.length, /^id:/m.test(answer.text)], [2, false]);
});

test('whoever waits on a stream of a worker that died is told so', async (t) => {
  const own = await startBridge(t, { config });
  const session = await rpc.initialize(own, 'own', CAPABLE);
  const child = (await rpc.callTool(own, 'own', 'whoami', {}, { session })).structuredContent.pid;
  const door = await openDoor(own, (pid) => !descendants(pid).includes(child));
  t.after(() => door.close());
  const message = {
    jsonrpc: '2.0',
    id: 'mine',
    method: 'tools/call',
    params: { name: 'sample', arguments: {} },
  };
  const incoming = await door.begin({
    method: 'POST',
    path: '/mcp/own',
    headers: rpc.honest(own, { session }),
    body: JSON.stringify(message),
  });
  const { events, ended } = rpc.collectEvents(incoming);
  await until('the question', () => events.length > 0);
  const owner = own.processes().find((pid) => pid !== door.pid && descendants(pid).includes(child));
  process.kill(owner ?? 0, 'SIGKILL');
  await ended;
  assert.deepEqual([events.length, events[1].id, events[1].error.data.code], [2, 'mine', 'worker_died']);
});
