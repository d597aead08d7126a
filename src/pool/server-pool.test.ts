import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import pino from 'pino';
import { stdioServer } from '../../test/harness/definitions.ts';
import { until } from '../../test/harness/until.ts';
import type { StdioServer } from '../config/settings.ts';
import { Deadlines } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import { type Message, parsePayload } from '../protocol/message.ts';
import { createTasks } from '../tasks.ts';
import type { ChildOwner } from './child.ts';
import { ServerPool, type ServerPoolDeps } from './server-pool.ts';

const fixture = (file: string, ...args: readonly string[]): Partial<StdioServer> => ({
  args: [resolve('test/fixtures/servers', file), ...args],
});

interface Options {
  readonly server?: Partial<StdioServer>;
  readonly limit?: number;
  readonly deps?: Partial<ServerPoolDeps>;
}

function create(t: TestContext, { server = fixture('echo.mjs'), limit = 100, deps = {} }: Options = {}) {
  const tasks = createTasks(1);
  const deadlines = new Deadlines();
  const counted = { taken: 0, started: 0, exited: 0 };
  const silent = () => undefined;
  const pool = new ServerPool(stdioServer({ isolation: 'principal', ...server }), {
    log: pino({ enabled: false }) as unknown as ServerPoolDeps['log'],
    tasks,
    deadlines,
    baseEnvironment: { PATH: process.env['PATH'] ?? '' },
    started: () => void counted.started++,
    exited: () => void counted.exited++,
    recorder: { finished: silent, queued: silent, started: silent, restarted: silent },
    acquireChild: async () => counted.taken < limit && ++counted.taken > 0,
    releaseChild: () => void counted.taken--,
    maxShared: 1,
    maxSpares: 0,
    ...deps,
  });
  t.after(async () => {
    await pool.close();
    deadlines.close();
    await tasks.close();
  });
  return { pool, counted };
}

const owner = (received: (message: Message) => void = () => undefined): ChildOwner => ({
  received,
  closed: () => undefined,
});

const refusedWith = (code: string) => (error: unknown) => error instanceof BridgeError && error.code === code;

test('all who ask a scope at once wait for the same child', async (t) => {
  const { pool, counted } = create(t);
  const children = await Promise.all([1, 2, 3].map(async () => pool.scope('p').acquire()));
  assert.equal(new Set(children).size, 1);
  assert.equal(counted.started, 1);
  assert.equal((await pool.scope('p').facts()).protocolVersion, '2025-11-25');
  assert.equal(await pool.scope('p').acquire(), children[0], 'later ones get it at once');
});

test('two scopes have children of their own', async (t) => {
  const { pool } = create(t);
  const [one, other] = await Promise.all([pool.scope('p').acquire(), pool.scope('q').acquire()]);
  assert.notEqual(one.connection.pid, other.connection.pid);
  assert.deepEqual([...pool.scopeKeys].sort(), ['p', 'q']);
});

test('a shared server grows to its limit while its children are busy, and calls go to the least busy', async (t) => {
  const server = { ...fixture('echo.mjs'), isolation: 'shared', maxConcurrent: 1 } as const;
  const { pool } = create(t, { server, deps: { maxShared: 2 } });
  const scope = pool.scope('');
  const first = await scope.acquire();
  const answers = [
    first.ask('tools/call', { name: 'cancelable', arguments: { tag: 'x' } }).catch(() => undefined),
  ];
  assert.equal(await scope.acquire(), first, 'nobody waits for the second one');
  const second = await until('a second child', async () => {
    const child = await scope.acquire();
    return child !== first && child;
  });
  answers.push(
    second.ask('tools/call', { name: 'cancelable', arguments: { tag: 'y' } }).catch(() => undefined),
  );
  await scope.acquire();
  assert.equal(pool.status().children.starting, 0, 'and no third one');
  await pool.close();
  await Promise.all(answers);
});

test('a child that dies is taken off the books, and the next call gets another one', async (t) => {
  const { pool, counted } = create(t);
  const first = await pool.scope('p').acquire();
  await assert.rejects(first.ask('tools/call', { name: 'exit', arguments: {} }), refusedWith('server_died'));
  const second = await pool.scope('p').acquire();
  assert.notEqual(second, first);
  await until('the first to be counted off', () => counted.taken === 1);
  assert.equal(counted.exited, 1);
});

test('at the limit of the bridge a start is refused, and is possible again when a child is gone', async (t) => {
  const { pool } = create(t, { limit: 1 });
  const child = await pool.lease(owner());
  await assert.rejects(pool.lease(owner()), refusedWith('at_limit'));
  await child.close();
  await until('a place', () => pool.lease(owner()).catch(() => undefined));
});

test('a server that cannot start is backed off with its own words, whoever asks', async (t) => {
  const { pool, counted } = create(t, { server: fixture('misbehave.mjs', 'no-start') });
  for (let i = 0; i < 3; i++) {
    await assert.rejects(async () => pool.scope('p').acquire(), refusedWith('server_start_failed'));
  }
  await assert.rejects(
    async () => pool.scope('q').acquire(),
    (error) => refusedWith('server_backing_off')(error) && /no API key was given/.test(String(error)),
  );
  assert.equal(pool.status().breaker, 'open');
  await until('every child to be counted off', () => counted.taken === 0);
  assert.deepEqual([counted.started, counted.exited], [3, 3]);
});

test('a server that refuses to initialize is ended', async (t) => {
  const { pool, counted } = create(t, { server: fixture('misbehave.mjs', 'wrong-init') });
  await assert.rejects(
    async () => pool.scope('p').acquire(),
    (error) => refusedWith('server_start_failed')(error) && /not today/.test(String(error)),
  );
  await until('it to be gone', () => counted.taken === 0);
});

test('spares are started ahead, handed out, and replaced', async (t) => {
  const { pool, counted } = create(t, { deps: { maxSpares: 2 } });
  await until('two spares', () => counted.started === 2 && pool.inFlight === 0);
  const [one, two] = [await pool.lease(owner()), await pool.lease(owner())];
  assert.notEqual(one, two);
  await until('two new spares', () => counted.started === 4 && pool.inFlight === 0);
  const facts = parsePayload(
    await one.ask('initialize', { protocolVersion: '2025-06-18', capabilities: {} }),
  );
  assert.equal(facts['protocolVersion'], '2025-06-18', 'nobody has initialised it before');
});

test("a child that was given back serves the same client's next call, and nobody else's", async (t) => {
  const { pool } = create(t);
  const first = await pool.borrow('p', { roots: {} }, owner());
  pool.giveBack('p', first);
  const other = await pool.borrow('q', { roots: {} }, owner());
  assert.notEqual(other, first);
  assert.equal(await pool.borrow('p', { roots: {} }, owner()), first);
});

test('a child that died after it was given back is not handed out again', async (t) => {
  const { pool } = create(t);
  const first = await pool.borrow('p', {}, owner());
  pool.giveBack('p', first);
  process.kill(first.connection.pid ?? 0, 'SIGKILL');
  await until('its end to be seen', () => first.connection.isClosed);
  const second = await pool.borrow('p', {}, owner());
  assert.equal(second.state, 'ready');
});

test('a child that still works on something is not kept for another call', async (t) => {
  const { pool, counted } = create(t);
  const child = await pool.borrow('p', {}, owner());
  const working = child.ask('tools/call', { name: 'cancelable', arguments: { tag: 'x' } });
  pool.giveBack('p', child);
  await assert.rejects(working);
  await until('it to be gone', () => counted.taken === 0);
});

test('what is idle is ended, what is in use stays', async (t) => {
  const { pool, counted } = create(t);
  const listener = { notified: () => undefined };
  await pool.scope('idle').acquire();
  await pool.scope('used').acquire();
  pool.scope('used').attach(listener);
  pool.maintain(-1);
  await until('the idle one to be gone', () => counted.taken === 1);
  assert.deepEqual(pool.scopeKeys, ['used']);
  pool.scope('used').detach(listener);
  pool.maintain(-1);
  await until('both to be gone', () => counted.taken === 0);
  assert.equal(pool.isEmpty, true);
});

test('subscriptions are counted, and told to the child that takes over', async (t) => {
  const { pool } = create(t);
  const scope = pool.scope('p');
  const counts = async (): Promise<unknown> => {
    const child = await scope.acquire();
    const answer = await child.ask('resources/read', { uri: 'test://subscriptions' });
    const [first] = parsePayload(answer)['contents'] as { text: string }[];
    return JSON.parse(first?.text ?? '');
  };
  const both = await Promise.all([scope.subscribe('test://one'), scope.subscribe('test://one')]);
  assert.deepEqual(both, [undefined, undefined]);
  assert.deepEqual(await counts(), { 'test://one': 1 });

  const child = await scope.acquire();
  await child.close();
  assert.notEqual(await scope.acquire(), child);
  assert.deepEqual(await counts(), { 'test://one': 1 });
  await scope.unsubscribe('test://one');
  assert.deepEqual(await counts(), { 'test://one': 1 });
  await scope.unsubscribe('test://one');
  assert.deepEqual(await counts(), { 'test://one': 0 });
});

test('nobody behind a shared child: its questions are refused, its ping is answered', async (t) => {
  const { pool } = create(t, { server: fixture('misbehave.mjs', 'asks-nobody') });
  const child = await pool.scope('p').acquire();
  const heard = await until('both answers', async () => {
    const { content } = parsePayload(await child.ask('tools/call', {})) as { content: { text: string }[] };
    const list = JSON.parse(content[0]?.text ?? '[]') as {
      id: string;
      error?: { code: number };
      result?: object;
    }[];
    return list.length === 2 && list;
  });
  assert.deepEqual(
    heard.map(({ id, error, result }) => [id, error?.code, result]),
    [
      ['q1', -32601, undefined],
      ['q2', undefined, {}],
    ],
  );
});

test('a closed pool leaves nothing behind and starts nothing', async (t) => {
  const { pool, counted } = create(t, { deps: { maxSpares: 1 } });
  const starting = pool.scope('p').acquire();
  await Promise.all([pool.close(), Promise.resolve(starting).catch(() => undefined)]);
  await assert.rejects(pool.lease(owner()), refusedWith('draining'));
  await until('everything to be counted off', () => counted.taken === 0);
  assert.equal(counted.started, counted.exited);
});
