/**
 * A worker that has no file descriptor left: what needs one is refused, everything else goes on, and afterwards all is
 * as before. `prlimit` of util-linux takes the descriptors away from a worker that runs.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBridge } from './harness/bridge.ts';
import { openDoor } from './harness/door.ts';
import { forEachEngine } from './harness/engines.ts';
import { type Answer, callTool, honest } from './harness/rpc.ts';
import { echo } from './harness/servers.ts';
import { until } from './harness/until.ts';

/** More than a heartbeat, for which the worker reads how much memory it has. */
const HEARTBEAT_MS = 2_500;
const NOT_LINUX = process.platform !== 'linux' && 'prlimit is Linux only';

const limitTo = (pid: number, files: number): void =>
  void execFileSync('prlimit', ['--pid', `${pid}`, `--nofile=${files}:`]);

/** What is open stays open. */
function takeDescriptors(pid: number): void {
  const open = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let lowestFree = 0;
  while (open.has(lowestFree)) lowestFree++;
  limitTo(pid, lowestFree);
}

forEachEngine('a worker without a free file descriptor starts nothing, and goes on', async (t, engine) => {
  if (NOT_LINUX) return t.skip(NOT_LINUX);
  const config = { servers: { here: echo(), other: echo() } };
  const bridge = await startBridge(t, { engine, workers: 1, config });
  await callTool(bridge, 'here', 'echo', { text: 'started' });
  const door = await openDoor(bridge, () => true);
  const call = (server: string, name: string, args: object): Promise<Answer> => {
    const params = { name, arguments: args };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
    return door.send({ method: 'POST', path: `/mcp/${server}`, headers: honest(bridge), body });
  };
  const textOf = async (name: string, args: object): Promise<unknown> =>
    (await call('here', name, args)).body.result?.content[0].text;
  takeDescriptors(door.pid);

  const refused = await call('other', 'echo', { text: 'x' });
  assert.equal(refused.status, 502, refused.text);
  assert.match(refused.body.error.message, /Server "other" could not be started: .*EMFILE/);
  // Both ways a message that a thread would read, if one could be started.
  const large = 'x'.repeat(300_000);
  assert.equal(await textOf('big', { bytes: large.length }), large);
  assert.equal(await textOf('echo', { text: large }), large);
  await sleep(HEARTBEAT_MS);
  assert.equal(await textOf('echo', { text: 'still there' }), 'still there');

  limitTo(door.pid, 1_024);
  await until('the other server', async () => (await call('other', 'echo', { text: 'x' })).status === 200);
  assert.deepEqual(bridge.logged({ msg: 'worker died' }), []);
  door.close();
});

const LIMIT = { skip: NOT_LINUX, timeout: 60_000 };

test('node: connections without end leave descriptors to everything else', LIMIT, async (t) => {
  const files = 200;
  const bridge = await startBridge(t, {
    engine: 'node',
    workers: 1,
    config: { servers: { here: echo() } },
    env: {
      NODE_OPTIONS: `--require=${resolve('test/fixtures/few-descriptors.cjs')}`,
      FEW_DESCRIPTORS: `${files}`,
    },
  });
  const sockets = Array.from({ length: files }, () =>
    connect(bridge.port, '127.0.0.1').on('error', () => undefined),
  );
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  const areClosed = (): boolean => sockets.filter(({ closed }) => closed).length >= files / 4;
  await until('the last of them to be closed', areClosed);
  for (const socket of sockets.slice(0, 10)) socket.destroy();
  await until('a server to be started', async () => {
    const result = await callTool(bridge, 'here', 'echo', { text: 'x' }).catch(() => undefined);
    return result?.content[0].text === 'x';
  });
});

test(
  'node: a client that sends half a head and never closes does not keep its connection',
  LIMIT,
  async (t) => {
    const bridge = await startBridge(t, { engine: 'node', workers: 1, config: { servers: {} } });
    const { pid } = (await (await fetch(`${bridge.url}/health`)).json()) as { pid: number };
    const open = (): number => readdirSync(`/proc/${pid}/fd`).length;
    const few = open() + 10;
    const sockets = Array.from({ length: 20 }, () =>
      connect({ port: bridge.port, host: '127.0.0.1', allowHalfOpen: true }),
    );
    t.after(() => {
      for (const socket of sockets) socket.destroy();
    });
    for (const socket of sockets) socket.on('error', () => undefined).write('GET /health HTTP/1.1\r\nHost');
    await until('them to be open', () => open() >= few);
    // After 15 s.
    await Promise.all(sockets.map((socket) => once(socket.resume(), 'end')));
    await until('them to be closed', () => open() < few);
  },
);
