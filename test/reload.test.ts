/**
 * The configuration changes while the bridge runs: by the watched file, by SIGHUP, server by server. A child is
 * told from its successor by its pid, and by the names of the variables that its definition gives it.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Bridge, type BridgeOptions, startBridge } from './harness/bridge.ts';
import { isAlive } from './harness/process.ts';
import {
  call,
  callTool,
  endSession,
  type Headers,
  honest,
  initialize,
  listen,
  openStream,
  postBridge,
  type RawRequest,
  send,
} from './harness/rpc.ts';
import { echo, misbehave } from './harness/servers.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { until } from './harness/until.ts';

const LIMIT = { timeout: 60_000 };

/** With all workers: one that joins takes over keys, and with them starts children of its own. */
async function start(t: TestContext, options: BridgeOptions): Promise<Bridge> {
  const bridge = await startBridge(t, options);
  const { workers = 2 } = options;
  await until('all workers', async () => {
    const { body } = await send(bridge, { path: '/ready' });
    return body?.workers?.ready === workers;
  });
  return bridge;
}

/** The echo server with one variable of this name. */
const marked = (mark: string, more: object = {}) => ({ ...echo(), env: { [mark]: '1' }, ...more });

function rewrite(bridge: Bridge, config: object | string, file = 'mcp-servers.yaml'): void {
  const text = typeof config === 'string' ? config : JSON.stringify(config, undefined, 2);
  writeFileSync(join(bridge.dir, 'next'), text);
  renameSync(join(bridge.dir, 'next'), join(bridge.dir, file));
}

const logged = (bridge: Bridge, message: RegExp) =>
  bridge.lines().filter(({ msg }) => typeof msg === 'string' && message.test(msg));

/** The nth (from 1) line with this message. */
const nthLine = (bridge: Bridge, message: RegExp, nth = 1) =>
  until(`line ${nth} with ${message}`, () => logged(bridge, message)[nth - 1]);

/** Writes the file, and waits until the bridge serves by it. */
async function reload(bridge: Bridge, config: object): Promise<Record<string, unknown>> {
  const nth = logged(bridge, /^configuration reloaded$/).length + 1;
  rewrite(bridge, config);
  return nthLine(bridge, /^configuration reloaded$/, nth);
}

interface Child {
  readonly pid: number;
  readonly env: readonly string[];
}

async function whoami(bridge: Bridge, server: string, how: Headers = {}): Promise<Child> {
  return (await callTool(bridge, server, 'whoami', {}, how)).structuredContent;
}

const gone = (pid: number) => until(`child ${pid} to end`, () => !isAlive(pid));

test('each server is changed for itself: unchanged, changed, added and removed', LIMIT, async (t) => {
  const bridge = await start(t, {
    config: {
      servers: {
        stays: marked('ONE'),
        changes: marked('ONE'),
        pooled: marked('ONE', { isolation: 'principal' }),
        shared: marked('ONE', { isolation: 'shared', instances: 1 }),
        goes: marked('ONE'),
      },
    },
  });
  const names = ['stays', 'changes', 'pooled', 'shared', 'goes'];
  const sessions = new Map<string, string>();
  const before = new Map<string, Child>();
  for (const name of names) {
    const session = await initialize(bridge, name);
    sessions.set(name, session);
    before.set(name, await whoami(bridge, name, { session }));
  }
  const stateless = await whoami(bridge, 'stays');
  const statelessOfChanged = await whoami(bridge, 'changes');

  const line = await reload(bridge, {
    servers: {
      comes: marked('NEW'),
      stays: marked('ONE'),
      changes: marked('TWO'),
      pooled: marked('TWO', { isolation: 'principal' }),
      shared: marked('TWO', { isolation: 'shared', instances: 1 }),
    },
  });
  assert.deepEqual(line['changed'], ['changes', 'pooled', 'shared']);
  assert.deepEqual([line['added'], line['removed'], line['refused']], [['comes'], ['goes'], []]);

  for (const name of names) {
    const child = await whoami(bridge, name, { session: sessions.get(name) ?? '' });
    assert.equal(child.pid, before.get(name)?.pid, `the open session of ${name} keeps its child`);
  }
  assert.equal((await whoami(bridge, 'stays')).pid, stateless.pid);
  for (const name of ['changes', 'pooled', 'shared']) {
    assert.ok(
      (await whoami(bridge, name)).env.includes('TWO'),
      `a stateless call of ${name} is served by the new`,
    );
    const session = await initialize(bridge, name);
    assert.ok(
      (await whoami(bridge, name, { session })).env.includes('TWO'),
      `so is a new session of ${name}`,
    );
    const old = before.get(name)?.pid ?? 0;
    assert.ok(isAlive(old));
    assert.equal((await endSession(bridge, name, { session: sessions.get(name) ?? '' })).status, 200);
    await gone(old);
  }
  await gone(statelessOfChanged.pid);
  assert.ok((await whoami(bridge, 'comes')).env.includes('NEW'));

  const session = sessions.get('goes') ?? '';
  assert.equal((await call(bridge, 'goes', 'tools/list')).status, 404);
  assert.equal((await postBridge(bridge, { serverPath: 'goes', method: 'tools/list' })).status, 403);
  await assert.rejects(initialize(bridge, 'goes'), /404/);
  const { body } = await send(bridge, { path: '/servers', headers: honest(bridge) });
  assert.deepEqual(
    body.servers.map(({ name }: { name: string }) => name),
    ['comes', 'stays', 'changes', 'pooled', 'shared'],
  );
  assert.equal((await endSession(bridge, 'goes', { session })).status, 200);
  await gone(before.get('goes')?.pid ?? 0);
  assert.equal((await call(bridge, 'goes', 'tools/list', undefined, { session })).status, 404);
});

test('a definition that cannot start leaves the old one serving and says why', LIMIT, async (t) => {
  const bridge = await start(t, { config: { servers: { a: marked('ONE'), b: marked('ONE') } } });
  const line = await reload(bridge, {
    servers: { a: misbehave('no-start'), b: marked('TWO'), c: { command: 'no-such-command-at-all' } },
  });
  assert.deepEqual(line['changed'], ['b']);
  const errors = await until('both errors', () => {
    const found = bridge.lines().filter(({ level, reason }) => level === 'error' && reason !== undefined);
    return found.length >= 2 && found;
  });
  assert.deepEqual(errors.map(({ server }) => server).sort(), ['a', 'c']);
  assert.match(
    String(errors.find(({ server }) => server === 'a')?.['reason']),
    /fatal: no API key was given/,
  );
  assert.ok((await whoami(bridge, 'a')).env.includes('ONE'));
  assert.ok((await whoami(bridge, 'b')).env.includes('TWO'));
  assert.equal((await call(bridge, 'c', 'tools/list')).status, 404);

  await reload(bridge, { servers: { a: marked('TWO'), b: marked('TWO') } });
  assert.ok((await whoami(bridge, 'a')).env.includes('TWO'));
});

test('an invalid file changes nothing, and every fault is told with its place', LIMIT, async (t) => {
  const bridge = await start(t, { config: { servers: { a: marked('ONE') } } });
  const child = await whoami(bridge, 'a');
  rewrite(bridge, 'servers:\n  a:\n    comand: node\n  b:\n    url: 7\n    timeoutMs: soon\n');
  await nthLine(bridge, /^configuration not reloaded/, 3);
  const faults = logged(bridge, /^configuration not reloaded/).map(({ fault }) => String(fault));
  assert.ok(faults.some((fault) => fault.startsWith('mcp-servers.yaml:3:5 servers.a.comand: unknown key')));
  assert.ok(faults.some((fault) => fault.startsWith('mcp-servers.yaml:6:16 servers.b.timeoutMs')));
  assert.equal((await whoami(bridge, 'a')).pid, child.pid);
  assert.equal((await call(bridge, 'b', 'tools/list')).status, 404);

  rmSync(join(bridge.dir, 'mcp-servers.yaml'));
  await nthLine(bridge, /^the servers file is gone/);
  assert.equal((await whoami(bridge, 'a')).pid, child.pid);
});

test('a ConfigMap that is swapped is applied', LIMIT, async (t) => {
  const folder = temporaryFolder(t);
  const put = (version: string, config: object): void => {
    mkdirSync(join(folder, `..${version}`));
    writeFileSync(join(folder, `..${version}`, 'servers.yaml'), JSON.stringify(config));
    symlinkSync(`..${version}`, join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  };
  put('1', { servers: { a: marked('ONE') } });
  symlinkSync(join('..data', 'servers.yaml'), join(folder, 'servers.yaml'));
  const bridge = await start(t, {
    config: { servers: {} },
    env: { MCP_SERVERS_FILE: join(folder, 'servers.yaml') },
  });
  assert.ok((await whoami(bridge, 'a')).env.includes('ONE'));
  put('2', { servers: { a: marked('TWO') } });
  rmSync(join(folder, '..1'), { recursive: true });
  await nthLine(bridge, /^configuration reloaded$/);
  assert.ok((await whoami(bridge, 'a')).env.includes('TWO'));
});

test('SIGHUP reads everything again, and names once what needs a new start', LIMIT, async (t) => {
  const bridge = await start(t, { workers: 1, config: { servers: { a: marked('ONE') } } });
  process.kill(bridge.pid, 'SIGHUP');
  await nthLine(bridge, /nothing to apply/);
  writeFileSync(join(bridge.dir, '.env'), 'MAX_BODY_BYTES=1000\nMAX_SESSIONS=7\nREQUEST_TIMEOUT_MS=55000\n');
  const before = await whoami(bridge, 'a');
  process.kill(bridge.pid, 'SIGHUP');
  const line = await nthLine(bridge, /^configuration reloaded$/);
  assert.deepEqual([line['because'], line['changed']], ['SIGHUP', ['a']]);
  assert.notEqual((await whoami(bridge, 'a')).pid, before.pid);
  process.kill(bridge.pid, 'SIGHUP');
  await nthLine(bridge, /nothing to apply/, 2);
  const warnings = logged(bridge, /when the bridge is started anew/);
  assert.deepEqual(
    warnings.map(({ msg }) => msg),
    ['These take effect when the bridge is started anew: MAX_BODY_BYTES, MAX_SESSIONS.'],
  );
});

test('a removed token stops working, and what it had open ends', LIMIT, async (t) => {
  const token = (name: string, more: object = {}) => ({ name, token: `${name}-0123456789`, ...more });
  const servers = { a: marked('ONE'), b: marked('ONE') };
  const bridge = await start(t, {
    config: { servers, auth: { tokens: [token('leaves'), token('stays'), token('shrinks')] } },
  });
  const open = async (name: string) => {
    const how = { token: `${name}-0123456789` };
    const session = await initialize(bridge, 'a', how);
    const stream = await listen(bridge, 'a', { ...how, session });
    t.after(() => stream.close());
    return { ...how, session, stream, child: await whoami(bridge, 'a', { ...how, session }) };
  };
  const [leaves, stays, shrinks] = [await open('leaves'), await open('stays'), await open('shrinks')];
  const line = await reload(bridge, {
    servers,
    auth: { tokens: [token('stays'), token('shrinks', { servers: ['b'] })] },
  });
  assert.deepEqual([line['changed'], line['adjusted']], [[], []]);
  for (const { stream, child } of [leaves, shrinks]) {
    await stream.ended;
    await gone(child.pid);
  }
  const list = (how: Headers) => call(bridge, 'a', 'tools/list', undefined, how);
  assert.equal((await list(leaves)).status, 401);
  assert.equal((await list(shrinks)).status, 403);
  assert.equal((await whoami(bridge, 'a', stays)).pid, stays.child.pid);
  const metrics = await send(bridge, { path: '/metrics' });
  assert.match(metrics.text, /sessions_closed_total\{server="a",reason="revoked"\} 2/);
});

test('other tools and another policy of /bridge need no new children', LIMIT, async (t) => {
  const { command, args } = echo('--adhoc');
  const bridge = await start(t, { config: { servers: { a: marked('ONE') } } });
  const session = await initialize(bridge, 'a');
  const before = await whoami(bridge, 'a', { session });
  const adhoc = { serverPath: command, args, method: 'tools/list' };
  assert.equal((await postBridge(bridge, adhoc)).status, 403);

  const line = await reload(bridge, {
    servers: { a: marked('ONE', { tools: { deny: ['ech*'] } }) },
    bridge: { allow: [[command, ...args]] },
  });
  assert.deepEqual([line['changed'], line['adjusted']], [[], ['a']]);
  const denied = await call(bridge, 'a', 'tools/call', { name: 'echo', arguments: {} }, { session });
  assert.equal(denied.body.error.code, -32602);
  assert.equal((await whoami(bridge, 'a', { session })).pid, before.pid);
  assert.equal((await postBridge(bridge, adhoc)).status, 200);
  assert.equal((await postBridge(bridge, { ...adhoc, serverPath: 'a', args: [] })).status, 200);
});

test('a worker that is forked later serves by the new configuration', LIMIT, async (t) => {
  const bridge = await start(t, { workers: 1, config: { servers: { a: marked('ONE') } } });
  await reload(bridge, { servers: { a: marked('TWO') } });
  process.kill(bridge.pid, 'SIGUSR2');
  await nthLine(bridge, /^worker ready$/, 2);
  assert.ok((await whoami(bridge, 'a')).env.includes('TWO'));
});

test('a listen of a changed server ends with its result, and may be begun again', LIMIT, async (t) => {
  const bridge = await start(t, {
    workers: 1,
    config: { servers: { a: marked('ONE'), b: marked('ONE') } },
  });
  const begin = async (server: string) => {
    const stream = await openStream(bridge, listenTo(bridge, server));
    t.after(() => stream.close());
    await until('the acknowledgement', () => stream.events.length > 0);
    return stream;
  };
  const [changing, staying] = [await begin('a'), await begin('b')];
  await reload(bridge, { servers: { a: marked('TWO'), b: marked('ONE') } });
  await changing.ended;
  assert.equal(changing.events.at(-1).result.resultType, 'complete');
  await begin('a');
  assert.equal(staying.events.length, 1);
});

/** A client of MCP 2026-07-28 that wants to hear of other tools. */
function listenTo(bridge: Bridge, server: string): RawRequest {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const params = { notifications: { toolsListChanged: true }, _meta };
  return {
    method: 'POST',
    path: `/mcp/${server}`,
    headers: honest(bridge, {
      headers: { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'subscriptions/listen' },
    }),
    body: JSON.stringify({ jsonrpc: '2.0', id: 'l', method: 'subscriptions/listen', params }),
  };
}

test('until the new children are ready the old ones serve', LIMIT, async (t) => {
  const bridge = await start(t, { workers: 1, config: { servers: { a: marked('ONE') } } });
  const starts = join(bridge.dir, 'starts');
  const release = join(bridge.dir, 'release');
  const script = join(bridge.dir, 'second-waits.mjs');
  const [entry] = echo().args;
  // The first start is the trial; the second one waits.
  writeFileSync(
    script,
    `import { appendFileSync, existsSync, readFileSync } from 'node:fs';
    import { setTimeout } from 'node:timers/promises';
    const [starts, release] = ${JSON.stringify([starts, release])};
    appendFileSync(starts, 'x');
    while (readFileSync(starts, 'utf8').length > 1 && !existsSync(release)) await setTimeout(20);
    await import(${JSON.stringify(entry)});`,
  );
  await whoami(bridge, 'a');
  rewrite(bridge, { servers: { a: { command: process.execPath, args: [script], env: { TWO: '1' } } } });
  await until('the second start', () => existsSync(starts) && readFileSync(starts, 'utf8') === 'xx');
  assert.ok((await whoami(bridge, 'a')).env.includes('ONE'));
  writeFileSync(release, '');
  await nthLine(bridge, /^configuration reloaded$/);
  assert.ok((await whoami(bridge, 'a')).env.includes('TWO'));
});

test('under load no request fails, and none is answered wrongly', LIMIT, async (t) => {
  const config = (mark: string) => ({
    servers: {
      unchanged: marked('ONE', { isolation: 'shared' }),
      changed: marked(mark, { isolation: 'shared' }),
      personal: { ...echo('--slow-start=300'), isolation: 'principal', env: { [mark]: '1' } },
    },
  });
  const bridge = await start(t, { config: config('ONE') });
  const load = startLoad(t, bridge, ['unchanged', 'changed', 'personal']);
  const unchanged = await whoami(bridge, 'unchanged');
  for (const mark of ['TWO', 'THREE', 'FOUR']) {
    await load.more(100);
    await reload(bridge, config(mark));
    assert.ok((await whoami(bridge, 'changed')).env.includes(mark));
    assert.ok((await whoami(bridge, 'personal')).env.includes(mark));
  }
  await load.more(100);
  const { asked, wrong } = await load.end();
  assert.deepEqual(wrong, []);
  assert.ok(asked > 400, `${asked} requests`);
  assert.ok(isAlive(unchanged.pid));
});

/** Eight clients that ask without a pause, half of them in a session; what each is answered must be what it sent. */
function startLoad(t: TestContext, bridge: Bridge, servers: readonly string[]) {
  const wrong: string[] = [];
  let asked = 0;
  let isOver = false;
  const ask = async (server: string, how: Headers): Promise<void> => {
    const text = `question ${asked++}`;
    try {
      const { structuredContent } = await callTool(bridge, server, 'echo', { text }, how);
      if (structuredContent.text !== text) wrong.push(`${server}: ${text} got ${structuredContent.text}`);
    } catch (error) {
      wrong.push(`${server}: ${error}`);
    }
  };
  const client = async (nth: number): Promise<void> => {
    const server = servers[nth % servers.length] ?? '';
    while (!isOver) {
      const how = nth % 2 === 0 ? {} : { session: await initialize(bridge, server) };
      for (let i = 0; i < 10 && !isOver; i++) await ask(server, how);
      if ('session' in how) await endSession(bridge, server, how);
    }
  };
  const clients = Promise.all(Array.from({ length: 8 }, (_, nth) => client(nth))).catch((error: unknown) => {
    wrong.push(String(error));
  });
  t.after(() => {
    isOver = true;
  });
  return {
    more: (count: number) => {
      const end = asked + count;
      return until(`${count} more requests`, () => asked >= end || wrong.length > 0);
    },
    async end() {
      isOver = true;
      await clients;
      return { asked, wrong };
    },
  };
}
