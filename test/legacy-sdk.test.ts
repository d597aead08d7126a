/**
 * The legacy era as its official clients see it: SDK v1 and v2 (legacy mode) through the bridge to real stdio
 * servers, on both HTTP engines. One bridge per engine; every test opens sessions of its own.
 */
import assert from 'node:assert/strict';
import { realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import { isAlive } from './harness/process.ts';
import * as rpc from './harness/rpc.ts';
import { type ConnectOptions, connect, SDK_VERSIONS, type SdkClient, textOf } from './harness/sdk-clients.ts';
import { echo, everything, filesystem, memory } from './harness/servers.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { until } from './harness/until.ts';

const OTHER_TOKEN = 'another-principal-0123456789';

/** Declares everything a legacy client can declare, and answers it. */
const CAPABLE: ConnectOptions = {
  capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } },
  answers: {
    'sampling/createMessage': ({ messages }) => ({
      role: 'assistant',
      model: 'test-model',
      content: { type: 'text', text: `sampled: ${messages[0].content.text}` },
    }),
    'elicitation/create': ({ message }) => ({
      action: 'accept',
      content: { name: 'Ada', answer: `to ${message}` },
    }),
    'roots/list': () => ({ roots: [{ uri: 'file:///srv/project', name: 'project' }] }),
  },
};

async function startWithServers(
  t: TestContext,
  engine: 'uws' | 'node',
): Promise<{ bridge: Bridge; folder: string }> {
  const folder = realpathSync(temporaryFolder(t));
  writeFileSync(join(folder, 'hello.txt'), 'hello from a file');
  const bridge = await startBridge(t, {
    engine,
    config: {
      servers: {
        everything,
        files: filesystem(folder),
        memory: memory(join(folder, 'memory.json')),
        own: echo(),
        personal: { ...echo(), isolation: 'principal' },
        shared: { ...echo(), isolation: 'shared', instances: 1 },
      },
      auth: { tokens: [{ name: 'other', token: OTHER_TOKEN }] },
    },
  });
  return { bridge, folder };
}

interface Whoami {
  readonly pid: number;
  readonly initialized: number;
  readonly clientInfo: { name: string };
  readonly capabilities: object;
}

async function whoami(client: SdkClient): Promise<Whoami> {
  return (await client.callTool('whoami')).structuredContent as Whoami;
}

const notificationsOf = (client: SdkClient, method: string) =>
  client.notifications.filter((notification) => notification.method === method);

/** Triggers until it is heard: the stream on which it comes opens on its own time. */
async function untilNotified(
  client: SdkClient,
  method: string,
  trigger: () => Promise<unknown>,
): Promise<void> {
  await until(`${method} at the client`, async () => {
    await trigger();
    return notificationsOf(client, method).length > 0;
  });
}

/** Waits until the fixture's tool `cancelled` shows the tag among those `cancelled` or `waiting`. */
async function untilListed(client: SdkClient, list: 'cancelled' | 'waiting', tag: string): Promise<void> {
  await until(`${tag} among the ${list}`, async () => {
    const { structuredContent } = await client.callTool('cancelled');
    return structuredContent[list].some((one: { tag: string }) => one.tag === tag);
  });
}

forEachEngine('legacy clients and real servers', async (t, engine) => {
  const { bridge, folder } = await startWithServers(t, engine);

  for (const version of SDK_VERSIONS) {
    const check = (name: string, body: (sub: TestContext) => Promise<void>): Promise<void> =>
      t.test(`${version}: ${name}`, body);
    const open = (sub: TestContext, server: string, options: ConnectOptions = {}) =>
      connect(sub, bridge, server, { version, ...options });

    await check('a client knows the server behind the bridge', async (sub) => {
      const client = await open(sub, 'everything');
      assert.equal(client.getServerVersion()?.name, 'mcp-servers/everything');
      assert.ok(client.getInstructions());
      assert.deepEqual(client.getServerCapabilities()?.logging, {});
      await client.ping();
    });

    await check('tools are listed and called', async (sub) => {
      const client = await open(sub, 'everything');
      const { tools } = await client.request('tools/list');
      const names = tools.map(({ name }: { name: string }) => name);
      assert.ok(names.includes('echo') && names.includes('get-sum'), names.join());
      assert.ok(!names.includes('trigger-sampling-request'), 'a client that cannot sample is not offered it');
      assert.equal(
        textOf(await client.callTool('echo', { message: '日本語 \u2028 "quoted"' })),
        'Echo: 日本語 \u2028 "quoted"',
      );
      assert.match(textOf(await client.callTool('get-sum', { a: 2, b: 40 })), /42/);
      assert.equal((await client.callTool('get-tiny-image')).content[1].type, 'image');
    });

    await check('errors of a server arrive as they were sent', async (sub) => {
      const client = await open(sub, 'own');
      await assert.rejects(
        client.callTool('fail', { code: -32050, message: 'no cheese' }),
        (error: Error & { code?: number }) => {
          assert.equal(error.code, -32050);
          assert.match(error.message, /no cheese/);
          return true;
        },
      );
      const result = await client.callTool('fail', { message: 'soft' });
      assert.equal(result.isError, true);
      assert.equal(textOf(result), 'soft');
    });

    await check('progress arrives in order and before the result', async (sub) => {
      const client = await open(sub, 'everything');
      const steps: number[] = [];
      const result = await client.callTool(
        'trigger-long-running-operation',
        { duration: 0.2, steps: 4 },
        { onprogress: ({ progress }) => steps.push(progress) },
      );
      assert.match(textOf(result), /completed/);
      assert.deepEqual(steps, [1, 2, 3, 4]);
    });

    await check('a cancelled call is cancelled at the server, under the id it knows', async (sub) => {
      const client = await open(sub, 'own');
      const abort = new AbortController();
      const call = client.callTool('cancelable', { tag: 'mine' }, { signal: abort.signal });
      await untilListed(client, 'waiting', 'mine');
      abort.abort();
      await assert.rejects(call);
      await untilListed(client, 'cancelled', 'mine');
    });

    await check('a server asks its client for a sample, an elicitation and the roots', async (sub) => {
      const client = await open(sub, 'own', CAPABLE);
      const sample = JSON.parse(textOf(await client.callTool('sample', { text: 'a haiku' })));
      assert.equal(sample.content.text, 'sampled: a haiku');
      const elicited = JSON.parse(textOf(await client.callTool('elicit', { text: 'a question' })));
      assert.equal(elicited.action, 'accept');
      assert.equal(elicited.content.answer, 'to a question');
      assert.deepEqual(JSON.parse(textOf(await client.callTool('roots'))), {
        roots: [{ uri: 'file:///srv/project', name: 'project' }],
      });
      assert.deepEqual(Object.keys((await whoami(client)).capabilities).sort(), [
        'elicitation',
        'roots',
        'sampling',
      ]);
    });

    await check('the same with server-everything', async (sub) => {
      const client = await open(sub, 'everything', CAPABLE);
      const sampled = await client.callTool('trigger-sampling-request', { prompt: 'hi', maxTokens: 5 });
      assert.match(JSON.stringify(sampled), /sampled: Resource trigger-sampling-request context: hi/);
      assert.match(JSON.stringify(await client.callTool('trigger-elicitation-request')), /Name: Ada/);
      assert.match(textOf(await client.callTool('get-roots-list')), /file:\/\/\/srv\/project/);
    });

    await check('an error that the client answers with reaches the server', async (sub) => {
      const client = await open(sub, 'own', { capabilities: { sampling: {} } });
      const answer = JSON.parse(textOf(await client.callTool('sample', { text: 'x' })));
      assert.match(answer.error.message, /no answer for sampling/);
    });

    await check('log messages arrive from the level on that the client set', async (sub) => {
      const client = await open(sub, 'own');
      await client.request('logging/setLevel', { level: 'warning' });
      assert.equal(textOf(await client.callTool('log', { level: 'info', text: 'quiet' })), 'dropped');
      await untilNotified(client, 'notifications/message', () =>
        client.callTool('log', { level: 'error', text: 'loud' }),
      );
      for (const { params } of notificationsOf(client, 'notifications/message')) {
        assert.deepEqual(params, { level: 'error', logger: 'echo', data: 'loud' });
      }
    });

    await check('subscribed resources and changed lists are told', async (sub) => {
      const client = await open(sub, 'own');
      const uri = 'test://one';
      await client.callTool('notify', { what: 'updated', uri });
      await client.request('resources/subscribe', { uri });
      await untilNotified(client, 'notifications/resources/updated', () =>
        client.callTool('notify', { what: 'updated', uri }),
      );
      for (const what of ['tools', 'prompts', 'resources']) {
        await untilNotified(client, `notifications/${what}/list_changed`, () =>
          client.callTool('notify', { what }),
        );
      }
      await client.request('resources/unsubscribe', { uri });
      for (const { params } of notificationsOf(client, 'notifications/resources/updated')) {
        assert.deepEqual(params, { uri });
      }
    });

    await check('prompts, completion and resources', async (sub) => {
      const client = await open(sub, 'everything');
      const { prompts } = await client.request('prompts/list');
      assert.ok(prompts.some(({ name }: { name: string }) => name === 'completable-prompt'));
      const prompt = await client.request('prompts/get', {
        name: 'completable-prompt',
        arguments: { department: 'Sales', name: 'Eve' },
      });
      assert.match(prompt.messages[0].content.text, /promote Eve to the head of the Sales team/);
      const { completion } = await client.request('completion/complete', {
        ref: { type: 'ref/prompt', name: 'completable-prompt' },
        argument: { name: 'department', value: 'S' },
      });
      assert.deepEqual(completion.values, ['Sales', 'Support']);
      const { resourceTemplates } = await client.request('resources/templates/list');
      assert.ok(resourceTemplates.length > 0);
      const { contents } = await client.request('resources/read', { uri: 'demo://resource/dynamic/text/1' });
      assert.equal(contents[0].uri, 'demo://resource/dynamic/text/1');
    });

    await check('server-filesystem and server-memory do their work', async (sub) => {
      const files = await open(sub, 'files');
      const read = await files.callTool('read_text_file', { path: join(folder, 'hello.txt') });
      assert.equal(textOf(read), 'hello from a file');
      const outside = await files.callTool('read_text_file', { path: '/etc/hostname' });
      assert.equal(outside.isError, true);

      const graph = await open(sub, 'memory');
      const entity = { name: `Bridge ${version}`, entityType: 'project', observations: ['it works'] };
      await graph.callTool('create_entities', { entities: [entity] });
      const found = await graph.callTool('search_nodes', { query: entity.name });
      assert.match(JSON.stringify(found), /it works/);
    });

    await check('a result of five megabytes arrives whole', async (sub) => {
      const client = await open(sub, 'own');
      const bytes = 5 * 1024 * 1024;
      assert.equal(textOf(await client.callTool('big', { bytes })).length, bytes);
    });

    await check('two clients of one shared child see only their own results and progress', async (sub) => {
      const clients = [await open(sub, 'shared'), await open(sub, 'shared')];
      const runs = clients.flatMap((client, who) =>
        Array.from({ length: 20 }, async (_, turn) => {
          const tag = `${who}/${turn}`;
          const told: unknown[] = [];
          const result = await client.callTool(
            'progress',
            { n: 3, tag },
            { onprogress: (step) => told.push(step) },
          );
          assert.deepEqual(result.structuredContent, { n: 3, tag });
          assert.deepEqual(
            told,
            [1, 2, 3].map((progress) => ({ progress, total: 3, message: tag })),
          );
        }),
      );
      await Promise.all(runs);
      const [one, two] = await Promise.all(clients.map(whoami));
      assert.equal(one?.pid, two?.pid);
      assert.equal(one?.initialized, 1, 'the bridge initializes a shared child, once');
      assert.deepEqual(one?.capabilities, {});
    });

    await check("a cancellation on a shared child takes only the caller's call", async (sub) => {
      const [one, two] = [await open(sub, 'shared'), await open(sub, 'shared')];
      const abort = new AbortController();
      const mine = one.callTool('cancelable', { tag: `${version}-mine` }, { signal: abort.signal });
      const other = two.callTool('slow', { ms: 300, tag: 'other' });
      await untilListed(two, 'waiting', `${version}-mine`);
      abort.abort();
      await assert.rejects(mine);
      assert.equal((await other).structuredContent.tag, 'other');
      await untilListed(two, 'cancelled', `${version}-mine`);
    });

    await check('a shared child counts subscriptions, updates go to subscribers', async (sub) => {
      const [one, two] = [await open(sub, 'shared'), await open(sub, 'shared')];
      const uri = 'test://two';
      const counted = async (): Promise<number> => {
        const { contents } = await one.request('resources/read', { uri: 'test://subscriptions' });
        return JSON.parse(contents[0].text)[uri] ?? 0;
      };
      await one.request('resources/subscribe', { uri });
      await two.request('resources/subscribe', { uri });
      assert.equal(await counted(), 1, 'the child is subscribed once');
      await two.request('resources/unsubscribe', { uri });
      assert.equal(await counted(), 1, 'and stays so while one client is');
      await untilNotified(one, 'notifications/resources/updated', () =>
        two.callTool('notify', { what: 'updated', uri }),
      );
      assert.equal(notificationsOf(two, 'notifications/resources/updated').length, 0);
      await one.request('resources/unsubscribe', { uri });
      assert.equal(await counted(), 0);
      for (const client of [one, two, one]) {
        const refused = client.request('resources/subscribe', { uri: 'test://none' });
        await assert.rejects(refused, /Resource not found: test:\/\/none/);
      }
    });

    await check('a deleted session is unknown afterwards and its child is gone', async (sub) => {
      const client = await open(sub, 'own');
      const { pid } = await whoami(client);
      const session = client.sessionId ?? '';
      assert.match(session, /^[\x21-\x7e]{16,}$/);
      assert.equal((await rpc.call(bridge, 'own', 'ping', undefined, { session })).status, 200);
      await client.terminate();
      const answer = await rpc.call(bridge, 'own', 'ping', undefined, { session });
      assert.equal(answer.status, 404);
      assert.deepEqual(answer.body, {
        jsonrpc: '2.0',
        error: { code: -32001, message: 'Session not found' },
        id: null,
      });
      await until('the end of the child', () => !isAlive(pid));
    });

    await check('session isolation gives each session a child of its own', async (sub) => {
      const clients = [await open(sub, 'own', { name: 'first' }), await open(sub, 'own', { name: 'second' })];
      const [one, two] = await Promise.all(clients.map(whoami));
      assert.notEqual(one?.pid, two?.pid);
      assert.deepEqual([one?.clientInfo.name, two?.clientInfo.name], ['first', 'second']);
      assert.deepEqual([one?.initialized, two?.initialized], [1, 1]);
    });

    await check('principal isolation gives each principal one', async (sub) => {
      const mine = [await open(sub, 'personal'), await open(sub, 'personal')];
      const others = await open(sub, 'personal', { token: OTHER_TOKEN });
      const [one, two] = await Promise.all(mine.map(whoami));
      assert.equal(one?.pid, two?.pid);
      assert.notEqual(one?.pid, (await whoami(others)).pid);
    });

    await check('shared isolation gives all the same one', async (sub) => {
      const mine = await open(sub, 'shared');
      const others = await open(sub, 'shared', { token: OTHER_TOKEN });
      assert.equal((await whoami(mine)).pid, (await whoami(others)).pid);
    });
  }

  await t.test('one session is served whichever worker its requests land on', async () => {
    const session = await rpc.initialize(bridge, 'own');
    const texts = Array.from({ length: 40 }, (_, turn) => `turn ${turn}`);
    const answers = await Promise.all(
      texts.map((text) => rpc.callTool(bridge, 'own', 'echo', { text }, { session })),
    );
    assert.deepEqual(answers.map(textOf), texts);
    const { text: metrics } = await rpc.send(bridge, { path: '/metrics' });
    const forwarded = [...metrics.matchAll(/^mcp_bridge_forwarded_total\{.*\} (\d+)$/gm)].map(([, count]) =>
      Number(count),
    );
    assert.ok(forwarded.length > 0 && forwarded.every((count) => count > 0), 'some of them were relayed');
    assert.equal((await rpc.endSession(bridge, 'own', { session })).status, 200);
  });

  await t.test("another principal's session is unknown to this one", async () => {
    const session = await rpc.initialize(bridge, 'own');
    const answer = await rpc.call(bridge, 'own', 'ping', undefined, { session, token: OTHER_TOKEN });
    assert.equal(answer.status, 404);
    const elsewhere = await rpc.call(bridge, 'personal', 'ping', undefined, { session });
    assert.equal(elsewhere.status, 404);
    await rpc.endSession(bridge, 'own', { session });
  });

  await t.test('nothing is left behind when the bridge stops', async () => {
    const processes = bridge.processes();
    assert.ok(processes.length > 2);
    assert.equal(await bridge.stop(), 0);
    await until('the end of every process', () => !processes.some(isAlive));
  });
});
