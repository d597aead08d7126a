/**
 * How a bridge ends, or does not begin: what is in flight finishes, nothing is left behind however it ends, and a
 * start that cannot be says why in words.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Bridge, ENTRY, startBridge } from './harness/bridge.ts';
import { callThrough, openDoor } from './harness/door.ts';
import { forEachEngine } from './harness/engines.ts';
import { assertHttpError, assertRpcError } from './harness/expect.ts';
import { freePort } from './harness/free-port.ts';
import { cleanEnvironment, isAlive, processesWith, run, runProgram } from './harness/process.ts';
import {
  type Answer,
  call,
  callTool,
  honest,
  initialize,
  initializeParams,
  type Json,
  listen,
  openStream,
  send,
  viaBridge,
} from './harness/rpc.ts';
import { echo, everything, misbehave } from './harness/servers.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { until } from './harness/until.ts';

const LIMIT = { timeout: 60_000 };
/** src/supervisor/rules.ts: two stop signals within a tenth of a second are one, since a terminal and npm both pass them on. */
const SAME_SIGNAL_MS = 100;

/** Servers that do not want to go: deaf to the end of stdin and to SIGTERM, and one with a child of its own. */
const config = {
  servers: {
    own: echo(),
    shared: { ...echo(), isolation: 'shared' },
    stubborn: misbehave('stubborn'),
    family: misbehave('grandchild'),
  },
};

/** Starts one of each server, and returns every process below the primary, the grandchild with them. */
async function crowd(bridge: Bridge): Promise<readonly number[]> {
  for (const server of ['own', 'shared', 'stubborn']) await initialize(bridge, server);
  const session = await initialize(bridge, 'family');
  const { content } = await callTool(bridge, 'family', 'call', {}, { session });
  const all = bridge.processes();
  assert.ok(all.includes(Number(content[0].text)), 'the grandchild is among them');
  assert.equal(all.length, 7, 'two workers, four servers and a grandchild');
  return all;
}

/** Where a worker blocks its event loop for ever on SIGPWR. */
const BLOCKABLE = { NODE_OPTIONS: `--require=${resolve('test/fixtures/worker-faults.cjs')}` };

const ledgersIn = ({ runtimeDir }: Bridge): string[] =>
  readdirSync(runtimeDir).filter((name) => name.endsWith('.ledger'));

const allGone = (pids: readonly number[]): Promise<true> =>
  until('every process to be gone', () => !pids.some(isAlive));

/**
 * How a new connection is received: a status, or the code of the error that there was instead. Under node:http the
 * primary accepts and hands on, and node:cluster keeps what it could hand to nobody, unanswered, until the process
 * ends: who comes in the very moment in which the last worker stops listening is let go here after a second.
 */
const knock = (bridge: Bridge): Promise<number | string> =>
  send(bridge, { path: '/ready', signal: AbortSignal.timeout(1_000) }).then(
    ({ status }) => status,
    ({ code }: NodeJS.ErrnoException) => String(code),
  );

const isTurnedAway = (received: number | string): boolean =>
  received === 503 || received === 'ECONNREFUSED' || received === 'ECONNRESET';

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  forEachEngine(
    `${signal} lets what is in flight finish, takes nothing new and leaves nothing behind`,
    async (t, engine) => {
      const bridge = await startBridge(t, { config, engine, env: { DRAIN_TIMEOUT_MS: '30000' } });
      const processes = await crowd(bridge);
      const session = await initialize(bridge, 'own', { capabilities: { sampling: {} } });
      const all = [...processes, ...bridge.processes()];
      const idle = await listen(bridge, 'own', { session });
      assert.equal(idle.status, 200);

      // It ends when the client says so: its server waits for an answer of the client.
      const call = {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'sample', arguments: { text: 'x' } },
      };
      const post = { method: 'POST', path: '/mcp/own', headers: honest(bridge, { session }) };
      const inFlight = await openStream(bridge, { ...post, body: JSON.stringify(call) });
      const question = await until('the question', () => inFlight.events[0]);
      const [door, other] = [await openDoor(bridge, () => true), await openDoor(bridge, () => true)];
      t.after(() => door.close());
      t.after(() => other.close());

      process.kill(bridge.pid, signal);
      await until('new connections to be turned away', async () => isTurnedAway(await knock(bridge)));
      await idle.ended;
      assert.deepEqual(inFlight.events, [question], 'the call is in flight still');

      const opening = { jsonrpc: '2.0', id: 7, method: 'initialize', params: initializeParams() };
      const refused = await other.send({
        method: 'POST',
        path: '/mcp/own',
        headers: honest(bridge),
        body: JSON.stringify(opening),
      });
      assertRpcError(refused, { status: 503, rpc: -32603, code: 'draining', says: /stopping/, id: 7 });
      assert.equal(refused.headers['retry-after'], '1');

      const message = {
        jsonrpc: '2.0',
        id: question.id,
        result: { role: 'assistant', text: 'the last word' },
      };
      const taken = await door.send({ ...post, body: JSON.stringify(message) });
      assert.equal(taken.status, 202, taken.text);
      const answer = await until('the answer of the call', () => inFlight.events[1]);
      assert.equal(answer.id, 1);
      assert.match(answer.result.content[0].text, /the last word/);
      await inFlight.ended;

      assert.equal(await bridge.ended, 0);
      assert.deepEqual(all.filter(isAlive), []);
      assert.deepEqual(processesWith(bridge.runtimeDir), []);
      await assertQuiet(bridge);
    },
  );
}

/** Nobody listens any more, and no process of this bridge runs. */
async function assertQuiet(bridge: Bridge): Promise<void> {
  assert.equal(await knock(bridge), 'ECONNREFUSED');
}

test('a slow call is answered during the drain', LIMIT, async (t) => {
  const bridge = await startBridge(t, { config });
  const session = await initialize(bridge, 'own');
  const slow = callRaw(bridge, session, 'slow', { ms: 1_000 });
  await until('the call to be at the server', async () => {
    const { structuredContent } = await callTool(bridge, 'own', 'whoami', {}, { session });
    return structuredContent.slow === 1;
  });
  process.kill(bridge.pid, 'SIGTERM');
  const answer = await slow;
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.body.result.content[0].text, 'slept 1000');
  assert.equal(await bridge.ended, 0);
});

/** Another call may come by a shorter way, so only the server can tell. */
const untilWaiting = (bridge: Bridge, session: string, calls: number): Promise<true> =>
  until('the calls to be at the server', async () => {
    const { structuredContent } = await callTool(bridge, 'own', 'cancelled', {}, { session });
    return structuredContent.waiting.length === calls;
  });

const callRaw = (bridge: Bridge, session: string, name: string, args: object): Promise<Answer> =>
  call(bridge, 'own', 'tools/call', { name, arguments: args }, { session });

forEachEngine('what does not finish by the deadline is told so, at whichever worker', async (t, engine) => {
  const bridge = await startBridge(t, { config, engine, env: { DRAIN_TIMEOUT_MS: '500' } });
  const session = await initialize(bridge, 'own');
  const workers = bridge.workers();
  assert.equal(workers.length, 2);
  const endless = { name: 'cancelable', arguments: { tag: 'endless' } };
  // One worker owns the session; the call that came to the other one has made a hop.
  const calls = workers.map((worker, id) =>
    callThrough(bridge, worker, 'own', { session, message: { id, method: 'tools/call', params: endless } }),
  );
  await untilWaiting(bridge, session, 2);
  const withoutSession = viaBridge(bridge, 'shared', 'cancelable', { tag: 'endless' });
  const atShared = async () => (await viaBridge(bridge, 'shared', 'cancelled', {})).body;
  await until('the call to be there', async () => (await atShared()).structuredContent.waiting.length === 1);
  process.kill(bridge.pid, 'SIGTERM');
  const answers = await Promise.all(calls);
  // The session is gone, but the call may have been carried out: 404 or 503 would invite to send it again.
  const cutOff = { status: 502, rpc: -32603, code: 'worker_died' };
  const told = answers.filter(({ text }) => text.includes('before there was an answer'));
  assert.ok(told.length > 0);
  for (const answer of told)
    assertRpcError(answer, { ...cutOff, says: /had to stop/, id: answers.indexOf(answer) });
  // Whoever carried the call may see its owner end before that has told it so.
  for (const answer of answers)
    if (!told.includes(answer)) assertRpcError(answer, { ...cutOff, says: /in hand/ });
  assertHttpError(await withoutSession, { status: 502, code: 'worker_died', says: /had to stop|in hand/ });
  assert.equal(await bridge.ended, 0);
});

test('a second signal stops at once, calls in flight or not', LIMIT, async (t) => {
  const bridge = await startBridge(t, { config, env: { DRAIN_TIMEOUT_MS: '600000' } });
  const processes = await crowd(bridge);
  const session = await initialize(bridge, 'own');
  const all = [...processes, ...bridge.processes()];
  const endless = callRaw(bridge, session, 'cancelable', { tag: 'endless' }).catch((error: Error) => error);
  await untilWaiting(bridge, session, 1);
  process.kill(bridge.pid, 'SIGTERM');
  await bridge.printed(/stopping: workers finish what is in flight/);
  await sleep(SAME_SIGNAL_MS + 100);
  process.kill(bridge.pid, 'SIGTERM');
  assert.equal(await bridge.ended, 0);
  assert.ok((await endless) instanceof Error, 'the call was cut');
  assert.deepEqual(all.filter(isAlive), []);
});

test('a killed primary takes its workers and every child with it', LIMIT, async (t) => {
  const bridge = await startBridge(t, { config });
  const processes = await crowd(bridge);
  const stream = await listen(bridge, 'own', { session: await initialize(bridge, 'own') });
  const all = [...new Set([...processes, ...bridge.processes()])];
  process.kill(bridge.pid, 'SIGKILL');
  assert.equal(await bridge.ended, 'SIGKILL');
  await stream.ended;
  await allGone(all);
  await assertQuiet(bridge);
});

test('workers that hang go with their killed primary, and so does every child', LIMIT, async (t) => {
  const bridge = await startBridge(t, { config, env: BLOCKABLE });
  const processes = await crowd(bridge);
  for (const pid of bridge.workers()) process.kill(pid, 'SIGPWR');
  process.kill(bridge.pid, 'SIGKILL');
  await allGone(processes);
  const told = /^The primary was killed; ended what it left: 2 workers, children of .*stubborn/;
  await until('the last words of the guardian', () => told.test(bridge.stderr()));
  await until('the guardian to be gone', () => processesWith(bridge.runtimeDir).length === 0);
  assert.deepEqual(ledgersIn(bridge), []);
});

test('what primary and workers leave that are killed together is ended too', LIMIT, async (t) => {
  const bridge = await startBridge(t, { config });
  const processes = await crowd(bridge);
  for (const pid of [bridge.pid, ...bridge.workers()]) process.kill(pid, 'SIGKILL');
  await allGone(processes);
});

test(
  'a guardian that was killed is replaced, and what both leave is ended by the next start',
  LIMIT,
  async (t) => {
    const bridge = await startBridge(t, { config });
    const processes = await crowd(bridge);
    const [first = 0] = processesWith(bridge.runtimeDir);
    process.kill(first, 'SIGKILL');
    const second = await until('another guardian', () =>
      processesWith(bridge.runtimeDir).find((pid) => pid !== first),
    );
    for (const pid of [second, bridge.pid, ...bridge.workers()]) process.kill(pid, 'SIGKILL');
    await startAgain(t, bridge).printed(/MCP Bridge on /);
    await allGone(processes);
  },
);

test('port and folder of a killed bridge are free for the next one', LIMIT, async (t) => {
  const bridge = await startBridge(t, { config: { servers: { own: echo() } } });
  process.kill(bridge.pid, 'SIGKILL');
  const next = startAgain(t, bridge);
  await next.printed(/MCP Bridge on /);
  assert.equal((await send(bridge, { path: '/ready' })).status, 200);
});

/** Another bridge with folder, port and environment of this one. */
function startAgain(t: TestContext, bridge: Bridge, env: Record<string, string> = {}) {
  return run(t, [ENTRY], {
    cwd: bridge.dir,
    env: {
      NODE_ENV: 'test',
      PORT: `${bridge.port}`,
      WORKERS: '1',
      ACCESS_TOKEN: bridge.token,
      RUNTIME_DIR: bridge.runtimeDir,
      ...env,
    },
  });
}

test(
  'a second bridge on the same port ends with 1, names the place, and disturbs nobody',
  LIMIT,
  async (t) => {
    const bridge = await startBridge(t, { config: { servers: { own: echo() } } });
    const session = await initialize(bridge, 'own');
    const place = `127.0.0.1:${bridge.port} is taken:`;
    for (const [env, who] of [
      [{}, `another bridge runs there (pid ${bridge.pid})`],
      [{ RUNTIME_DIR: join(bridge.dir, 'elsewhere') }, 'another program listens there'],
    ] as const) {
      const second = startAgain(t, bridge, env);
      assert.equal(await second.ended, 1);
      assert.equal(second.stderr(), `${place} ${who}. Stop it, or choose another PORT.\n`);
    }
    const { content } = await callTool(bridge, 'own', 'echo', { text: 'undisturbed' }, { session });
    assert.equal(content[0].text, 'undisturbed');
    assert.equal(await bridge.stop(), 0);
  },
);

test('a port that another program holds is named too', LIMIT, async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const bridge = run(t, [ENTRY, '--', process.execPath, '-e', ''], {
    env: { PORT: `${port}`, ACCESS_TOKEN: 'token-of-the-test-0123456789' },
  });
  assert.equal(await bridge.ended, 1);
  assert.match(
    bridge.stderr(),
    new RegExp(`^127\\.0\\.0\\.1:${port} is taken: .*Stop it, or choose another PORT\\.\\n$`),
  );
});

test('a bad configuration ends with 78 and one line for every fault', LIMIT, async (t) => {
  const dir = temporaryFolder(t);
  const file = [
    'servers:',
    '  one:',
    '    comand: node',
    '  two:',
    '    command: node',
    '    isolation: privat',
    '',
  ];
  writeFileSync(join(dir, 'mcp-servers.yaml'), file.join('\n'));
  const env = { NODE_ENV: 'production', PORT: '70000', WORKERS: 'many', LOG_LEVEL: 'loud' };
  for (const args of [[ENTRY], [ENTRY, '--check']]) {
    const bridge = run(t, args, { cwd: dir, env });
    assert.equal(await bridge.ended, 78);
    assert.equal(bridge.stdout(), '');
    const lines = bridge.stderr().trimEnd().split('\n');
    for (const fault of [
      /^environment PORT: found "70000"; allowed: /,
      /^environment WORKERS: found "many"; allowed: /,
      /^environment LOG_LEVEL: found "loud"; allowed: /,
      /^environment ACCESS_TOKEN: found nothing; production demands /,
      /^mcp-servers\.yaml:3:5 servers\.one\.comand: unknown key; did you mean "command"\?/,
      /^mcp-servers\.yaml:6:\d+ servers\.two\.isolation: found "privat"; allowed: session/,
    ]) {
      assert.equal(lines.filter((line) => fault.test(line)).length, 1, `${fault} in\n${bridge.stderr()}`);
    }
    for (const line of lines) assert.match(line, /^(environment|mcp-servers\.yaml:\d+:\d+) \S+: .+; .+/);
  }
});

test(
  'folders and addresses that cannot be had end with 78, and are found by the check too',
  LIMIT,
  async (t) => {
    const dir = temporaryFolder(t);
    const file = join(dir, 'file');
    writeFileSync(file, '');
    for (const [env, fault] of [
      [{ LOG_DIR: file }, /^environment LOG_DIR: found ".*file", .+; allowed: a folder that /],
      [{ LOG_DIR: join(file, 'logs') }, /^environment LOG_DIR: found ".*logs", .+; allowed: a folder that /],
      [{ RUNTIME_DIR: file }, /^environment RUNTIME_DIR: found ".*file", which is no folder; allowed: /],
      [{ HOST: '203.0.113.7' }, /^environment HOST: found "203\.0\.113\.7", .+; allowed: /],
    ] as const) {
      for (const check of [[], ['--check']]) {
        const bridge = run(t, [ENTRY, ...check, '--', process.execPath, '-e', ''], {
          cwd: dir,
          // Its RUNTIME_DIR, where none is set, is made here.
          env: {
            PORT: `${await freePort()}`,
            ACCESS_TOKEN: 'token-of-the-test-0123456789',
            TMPDIR: dir,
            ...env,
          },
        });
        assert.equal(await bridge.ended, 78);
        assert.deepEqual(readdirSync(dir), ['file']);
        assert.match(bridge.stderr(), fault);
        assert.equal(bridge.stderr().trimEnd().split('\n').length, 1, bridge.stderr());
      }
    }
  },
);

const several = 'access-token-of-today-0123456789,the-next-access-token-0123456789';

for (const [whose, token] of [
  ['a generated token', ''],
  ['a token of the environment', 'token-of-the-test-0123456789'],
  ['tokens in rotation', several],
] as const) {
  test(`the curl of the banner works as printed, with ${whose}`, LIMIT, async (t) => {
    const bridge = await startBridge(t, {
      workers: 1,
      config: { servers: { off: { ...echo(), disabled: true }, everything } },
      env: { ACCESS_TOKEN: token },
    });
    const [line] = await bridge.printed(/^curl .+$/m);
    if (token !== '')
      assert.ok(!bridge.stdout().includes(token.slice(0, 20)), 'no configured token is shown');
    assert.deepEqual(await pasted(line, { ACCESS_TOKEN: token }), {
      content: [{ type: 'text', text: 'Echo: hello' }],
    });
  });
}

test('SIGTERM to `npm start` reaches the bridge, which drains', LIMIT, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'bridge-npm-'));
  let primary = 0;
  t.after(() => {
    // Whom npm has left behind holds its output open.
    if (primary > 0 && isAlive(primary)) process.kill(primary, 'SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  // Without the build, which other tests read meanwhile.
  const npm = runProgram(t, 'npm', ['start', '--ignore-scripts', '--no-update-notifier'], {
    env: { PORT: `${await freePort()}`, WORKERS: '1', RUNTIME_DIR: join(dir, 'run') },
  });
  await npm.printed(/^curl .+$/m);
  primary = Number.parseInt(readFileSync(join(dir, 'run', 'bridge.pid'), 'utf8'), 10);
  npm.child.kill('SIGTERM');
  assert.equal(await npm.ended, 0);
  assert.ok(!isAlive(primary));
  assert.match(npm.stdout(), /"msg":"stopped"/);
});

test(
  'a generated token stands in no log: it is in a file that the curl reads, or on the terminal',
  LIMIT,
  async (t) => {
    const dir = temporaryFolder(t);
    writeFileSync(join(dir, 'mcp-servers.yaml'), JSON.stringify({ servers: { everything } }));
    const env = {
      NODE_ENV: 'development',
      PORT: `${await freePort()}`,
      WORKERS: '1',
      RUNTIME_DIR: join(dir, 'run'),
    };
    const start = `exec '${process.execPath}' '${ENTRY}' > log`;
    const log = (): string => (existsSync(join(dir, 'log')) ? readFileSync(join(dir, 'log'), 'utf8') : '');

    const silent = runProgram(t, 'sh', ['-c', start], { cwd: dir, env });
    const [line] = await until('the banner', () => /^curl .+\n/m.exec(log()) ?? undefined);
    const file = join(dir, 'run', 'access-token');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const token = readFileSync(file, 'utf8');
    assert.match(token, /^[\w-]{32}$/);
    assert.ok(!log().includes(token));
    assert.deepEqual(await pasted(line, {}), { content: [{ type: 'text', text: 'Echo: hello' }] });
    silent.child.kill('SIGTERM');
    assert.equal(await silent.ended, 0);
    assert.equal(existsSync(file), false);

    // A terminal of its own, which is its stderr.
    const seen = runProgram(t, 'script', ['-qec', `sh -c "${start}"`, '/dev/null'], { cwd: dir, env });
    const [, shown = ''] = await seen.printed(/Authorization: Bearer ([\w-]{32})/);
    await until('it to log', () => log() !== '');
    assert.ok(!log().includes(shown));
    // The end of its terminal would only be a SIGHUP to it.
    process.kill(Number.parseInt(readFileSync(join(dir, 'run', 'bridge.pid'), 'utf8'), 10), 'SIGTERM');
    assert.equal(await seen.ended, 0);
  },
);

/** What a shell makes of the line: its output, parsed. */
async function pasted(line: string, env: Record<string, string>): Promise<Json> {
  const { stdout } = await promisify(execFile)('sh', ['-c', line], {
    env: { ...cleanEnvironment(), ...env },
  });
  return JSON.parse(stdout);
}
