/**
 * POST /bridge against a running bridge: what may run, for whom, one child for many calls, and how each failure of a
 * server is told.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LARGE_MESSAGE_BYTES } from '../src/protocol/large.ts';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import {
  assertHttpError,
  assertNothingLeft,
  LEAK_ENV,
  metricsOf,
  type Refusal,
  sumOf,
} from './harness/expect.ts';
import { type Answer, type Json, postBridge } from './harness/rpc.ts';
import { echo, misbehave } from './harness/servers.ts';
import { until } from './harness/until.ts';

interface Call {
  readonly serverPath: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly params?: object;
}

const TOKENS = {
  narrow: 'token-for-one-server-only-0001',
  careful: 'token-without-dangerous-tools-2',
  closed: 'token-without-the-bridge-000003',
};

const ask = (bridge: Bridge, call: Call, token = bridge.token): Promise<Answer> =>
  postBridge(bridge, { method: 'tools/list', ...call }, { token });

const tool = (name: string, args: object = {}) => ({
  method: 'tools/call',
  params: { name, arguments: args },
});

async function whoami(bridge: Bridge, call: Call): Promise<Json> {
  const answer = await ask(bridge, { ...call, ...tool('whoami') });
  assert.equal(answer.status, 200, answer.text);
  return answer.body.structuredContent;
}

const namesOf = ({ body }: Answer): string[] => body.tools.map(({ name }: { name: string }) => name);
const forbidden = (code: string, says: RegExp): Refusal => ({ status: 403, code, says });

forEachEngine('POST /bridge', async (t, engine) => {
  const { command, args } = echo();
  const script = String(args[0]);
  const bridge = await startBridge(t, {
    engine,
    env: LEAK_ENV,
    config: {
      servers: {
        named: echo(),
        flagged: echo('--slow-start=0'),
        filtered: { ...echo('--filtered'), tools: { allow: ['echo', 'slow', 'whoami'], deny: ['slow'] } },
        off: { ...echo('--off'), disabled: true },
        short: { ...echo('--short'), timeoutMs: 500 },
        dies: misbehave('dies-on-call'),
      },
      bridge: {
        allow: [
          [command, script, '--free=*'],
          [command, script, 'one', 'two'],
        ],
        env: ['GITHUB_*', 'NODE_OPTIONS', 'LD_PRELOAD', 'PATH', 'PYTHONPATH', 'npm_config_*', '*_OPTIONS'],
        urls: ['http://127.0.0.1:9'],
      },
      auth: {
        tokens: [
          { name: 'narrow', token: TOKENS.narrow, servers: ['named'] },
          { name: 'careful', token: TOKENS.careful, tools: { deny: ['exit', 'f*'] } },
          { name: 'closed', token: TOKENS.closed, bridge: false },
        ],
      },
    },
  });

  await t.test('a configured name and its equal command and arguments are the same child', async () => {
    const byName = await whoami(bridge, { serverPath: 'named' });
    const byCommand = await whoami(bridge, { serverPath: command, args: [script] });
    assert.equal(byName.pid, byCommand.pid);
    const other = await whoami(bridge, { serverPath: command, args: [script, '--slow-start=0'] });
    assert.notEqual(other.pid, byName.pid);
  });

  await t.test('what is not configured, or differs in any argument, is refused by name', async () => {
    for (const call of [
      { serverPath: 'nobody' },
      { serverPath: '__proto__' },
      { serverPath: 'off' },
      { serverPath: command },
      { serverPath: command, args: ['-e', 'process.exit()'] },
      { serverPath: command, args: [script, '--off'] },
      { serverPath: command, args: [script, '--slow-start=0', '--more'] },
      { serverPath: 'named', args: ['--more'] },
      { serverPath: `${command} ${script}` },
      { serverPath: 'npx', args: ['-c', 'id'] },
    ]) {
      const refusal = assertHttpError(
        await ask(bridge, call),
        forbidden(
          'command_not_allowed',
          /neither configured nor allowed by bridge\.allow; configured servers are named, flagged/,
        ),
      );
      assert.ok(refusal.error.startsWith(`"${call.serverPath.slice(0, 20)}`), refusal.error);
    }
  });

  await t.test('bridge.allow: as many elements as the call has, and a star within one word', async () => {
    for (const free of ['--free=x', '--free=a.b_c-9']) {
      assert.ok((await whoami(bridge, { serverPath: command, args: [script, free] })).pid > 0);
    }
    assert.ok((await whoami(bridge, { serverPath: command, args: [script, 'one', 'two'] })).pid > 0);
    for (const bad of [
      ['--free='],
      ['--free=a/b'],
      ['--free=@a'],
      ['--free=a:b'],
      ['--free=a b'],
      ['--free=a\n'],
      ['--free=a', 'b'],
      ['x--free=a'],
      ['one'],
      ['one', 'two', 'three'],
      ['one two'],
    ]) {
      const answer = await ask(bridge, { serverPath: command, args: [script, ...bad] });
      assertHttpError(answer, forbidden('command_not_allowed', /neither configured nor allowed/));
    }
  });

  await t.test('in the metrics all that is not configured is one server', async () => {
    const samples = await metricsOf(bridge);
    const requests = [...samples.keys()].filter((key) =>
      key.startsWith('mcp_bridge_upstream_requests_total'),
    );
    assert.ok(sumOf(samples, 'mcp_bridge_upstream_requests_total', 'server="adhoc"') >= 3);
    const servers = new Set(requests.map((key) => /server="([^"]*)"/.exec(key)?.[1]));
    assert.deepEqual([...servers].sort(), ['adhoc', 'flagged', 'named']);
  });

  await t.test('a URL outside of bridge.urls is refused by its origin', async () => {
    for (const url of [
      'http://127.0.0.1:8/mcp',
      'http://169.254.169.254/latest',
      'https://127.0.0.1:9/',
      'http://127.0.0.1:9@evil.example/',
      'http://localhost:9/',
    ]) {
      const answer = await ask(bridge, { serverPath: url });
      assertHttpError(answer, forbidden('url_not_allowed', /^"https?:\/\/[^/]+" is not among bridge\.urls/));
    }
    const dead = await ask(bridge, { serverPath: 'http://127.0.0.1:9/mcp' });
    assertHttpError(dead, { status: 502, code: 'server_start_failed', says: /./ });
  });

  await t.test('bridge.env: listed names reach the child, others do not, some never', async () => {
    const { env } = await whoami(bridge, {
      serverPath: 'named',
      env: { GITHUB_TOKEN: 'secret-of-the-call' },
    });
    assert.ok(env.includes('GITHUB_TOKEN'));
    assert.ok(!(await whoami(bridge, { serverPath: 'named' })).env.includes('GITHUB_TOKEN'));
    for (const name of [
      'HOME2',
      'GITLAB_TOKEN',
      'XGITHUB_A',
      'GITHUB',
      '',
      '__proto__',
      'NODE_OPTIONS',
      'node_options',
      'LD_PRELOAD',
      'PATH',
      'PYTHONPATH',
      'npm_config_registry',
      'NPM_CONFIG_x',
      'JAVA_TOOL_OPTIONS',
    ]) {
      const call = `{"serverPath":"named","method":"tools/list","env":{${JSON.stringify(name)}:"1"}}`;
      const { error } = assertHttpError(
        await postBridge(bridge, call),
        forbidden('command_not_allowed', /may not set the variable ".*"; bridge\.env allows GITHUB_\*/),
      );
      assert.ok(error.includes(`"${name}"`));
    }
  });

  await t.test('a token is held to its servers, its tools and to /bridge at all', async () => {
    assert.equal((await ask(bridge, { serverPath: 'named' }, TOKENS.narrow)).status, 200);
    for (const serverPath of ['flagged', 'short']) {
      const says = new RegExp(`may not use the server "${serverPath}"`);
      assertHttpError(
        await ask(bridge, { serverPath }, TOKENS.narrow),
        forbidden('server_not_allowed', says),
      );
    }
    for (const call of [
      { serverPath: command, args: [script, '--free=x'] },
      { serverPath: 'http://127.0.0.1:9/mcp' },
      { serverPath: 'nobody' },
    ]) {
      const says = /configured servers only/;
      assertHttpError(await ask(bridge, call, TOKENS.narrow), forbidden('server_not_allowed', says));
    }
    const closed = await ask(bridge, { serverPath: 'named' }, TOKENS.closed);
    assertHttpError(closed, forbidden('bridge_not_allowed', /may not use \/bridge/));

    const names = namesOf(await ask(bridge, { serverPath: 'named' }, TOKENS.careful));
    assert.ok(names.includes('echo') && !names.includes('exit') && !names.includes('fail'));
    for (const name of ['exit', 'fail']) {
      const answer = await ask(bridge, { serverPath: 'named', ...tool(name) }, TOKENS.careful);
      assertHttpError(answer, forbidden('tool_not_allowed', new RegExp(`Unknown tool: ${name}`)));
    }
  });

  await t.test("a server's tool filter holds on lists and calls, by name and by equal command", async () => {
    for (const call of [{ serverPath: 'filtered' }, { serverPath: command, args: [script, '--filtered'] }]) {
      assert.deepEqual(namesOf(await ask(bridge, call)).sort(), ['echo', 'whoami']);
      assert.equal((await ask(bridge, { ...call, ...tool('echo', { text: 'x' }) })).status, 200);
      for (const name of ['slow', 'exit', 'ECHO', 'echo ', '']) {
        assertHttpError(
          await ask(bridge, { ...call, ...tool(name) }),
          forbidden('tool_not_allowed', /Unknown tool/),
        );
      }
    }
  });

  await t.test('the answer is the result object itself, and a result with isError is one', async () => {
    const ok = await ask(bridge, { serverPath: 'named', ...tool('echo', { text: 'héllo' }) });
    assert.deepEqual(ok.body, {
      content: [{ type: 'text', text: 'héllo' }],
      structuredContent: { text: 'héllo' },
    });
    const failed = await ask(bridge, { serverPath: 'named', ...tool('fail', { message: 'no' }) });
    assert.equal(failed.status, 200);
    assert.equal(failed.body.isError, true);
    assert.deepEqual((await ask(bridge, { serverPath: 'named', method: 'ping' })).body, {});
  });

  await t.test("a server's own error: -32601 is 404, -32602 is 400, others 502, each with rpc", async () => {
    for (const [code, status, name] of [
      [-32601, 404, 'unknown_method'],
      [-32602, 400, 'invalid_params'],
      [-32603, 502, 'server_error'],
      [-32002, 502, 'server_error'],
      [17, 502, 'server_error'],
    ] as const) {
      const answer = await ask(bridge, {
        serverPath: 'named',
        ...tool('fail', { code, message: 'so there' }),
      });
      const { rpc } = assertHttpError(answer, {
        status,
        code: name,
        says: /answered with an error: so there/,
      });
      assert.deepEqual(rpc, { code, message: 'so there' });
    }
    const unknown = await ask(bridge, { serverPath: 'named', method: 'no/such' });
    assert.equal(
      assertHttpError(unknown, { status: 404, code: 'unknown_method', says: /no\/such/ }).rpc.code,
      -32601,
    );
  });

  await t.test('a server that dies is 502, one that is too slow 504', async () => {
    const death = await ask(bridge, { serverPath: 'dies', ...tool('call') });
    assertHttpError(death, {
      status: 502,
      code: 'server_died',
      says: /"dies" exited with code 4.*out of cheese/,
    });
    const slow = await ask(bridge, { serverPath: 'short', ...tool('slow', { ms: 5_000 }) });
    assertHttpError(slow, {
      status: 504,
      code: 'server_timeout',
      says: /"short" did not answer "tools\/call" within 500 ms/,
    });
  });

  await t.test('fifty concurrent first calls start one child, and CLIENT_CACHE_TTL_MS ends it', async () => {
    const call = { serverPath: command, args: [script, '--free=single-flight'] };
    const all = await Promise.all(Array.from({ length: 50 }, () => whoami(bridge, call)));
    const pids = new Set(all.map(({ pid }) => pid));
    assert.equal(pids.size, 1);
    assert.ok(all.every(({ initialized }) => initialized === 1));
    const [pid] = pids;
    await until('the idle child to end', () => !bridge.processes().includes(pid));
    assert.notEqual((await whoami(bridge, call)).pid, pid);
  });

  await t.test('principals do not share a child', async () => {
    const mine = await whoami(bridge, { serverPath: 'named' });
    const theirs = await ask(bridge, { serverPath: 'named', ...tool('whoami') }, TOKENS.narrow);
    assert.notEqual(theirs.body.structuredContent.pid, mine.pid);
  });

  await t.test('a large call is read, carried and refused as a small one, wherever it lands', async () => {
    const text = 'é'.repeat(LARGE_MESSAGE_BYTES);
    const large = JSON.stringify({ serverPath: 'named', ...tool('echo', { text, n: 1 }) }).replace(
      '"n":1',
      '"n":9007199254740993',
    );
    const post = (body: string): Promise<Answer> => postBridge(bridge, body);
    for (const answer of await Promise.all(Array.from({ length: 8 }, () => post(large)))) {
      assert.equal(answer.status, 200, answer.text.slice(0, 500));
      assert.equal(answer.body.content[0].text, text);
    }
    const keys = Array.from({ length: 100_001 }, (_, i) => `"${i}":0`).join();
    const refused = (body: string, says: RegExp) =>
      post(body).then((answer) => assertHttpError(answer, { status: 400, code: 'invalid_request', says }));
    await refused(large.slice(0, -1), /not valid JSON/);
    await refused(large.replace('"named"', '7'), /"serverPath" must be .*; found 7/);
    await refused(large.replace('"text"', `${keys},"text"`), /more than 100000 keys/);
    const unknown = await post(large.replace('"named"', '"nobody"'));
    assertHttpError(unknown, forbidden('command_not_allowed', /neither configured nor allowed/));
  });

  await t.test('nothing is left', () => assertNothingLeft(bridge, 2));
});

test('MAX_CHILDREN is exact over all workers: 503 with Retry-After, and room again when a child has ended', async (t) => {
  const names = Array.from({ length: 4 }, (_, i) => `server-${i}`);
  const bridge = await startBridge(t, {
    env: { ...LEAK_ENV, MAX_CHILDREN: '3' },
    config: { servers: Object.fromEntries(names.map((name) => [name, echo()])) },
  });
  const answers = await Promise.all(names.map((serverPath) => ask(bridge, { serverPath })));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 200, 503]);
  const refused = answers.find(({ status }) => status === 503);
  assert.ok(refused !== undefined);
  assertHttpError(refused, {
    status: 503,
    code: 'at_limit',
    says: /one more child than MAX_CHILDREN allows/,
  });
  const left = names[answers.indexOf(refused)] as string;
  await until(
    'room for one more child',
    async () => (await ask(bridge, { serverPath: left })).status === 200,
  );
  assert.ok(sumOf(await metricsOf(bridge), 'mcp_bridge_upstream_children') <= 3);
  await assertNothingLeft(bridge, 2);
});
