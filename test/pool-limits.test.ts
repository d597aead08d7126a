/** What a pool does at its limits, as a client sees it: who waits, who is refused, and how a server recovers. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { assertHttpError, assertRpcError, metricsOf, sumOf } from './harness/expect.ts';
import { type Answer, call, callTool, initialize, type Json, post, send, toolCall } from './harness/rpc.ts';
import { echo } from './harness/servers.ts';
import { until } from './harness/until.ts';

const LIMIT = { timeout: 60_000 };
/** src/upstream/connection.ts: so many may wait for each that may be in flight. */
const QUEUE_FACTOR = 8;

const seriesOf = async (bridge: Bridge, server: string) => {
  const samples = await metricsOf(bridge);
  return (name: string, ...labels: readonly string[]): number =>
    sumOf(samples, `mcp_bridge_upstream_${name}`, `server="${server}"`, ...labels);
};

test('calls of a busy server wait; past the queue there is 503 with Retry-After', LIMIT, async (t) => {
  const narrow = { ...echo(), isolation: 'shared', maxConcurrent: 1 };
  const bridge = await startBridge(t, { workers: 1, config: { servers: { narrow } } });
  const session = await initialize(bridge, 'narrow');
  const endless = post(bridge, 'narrow', toolCall(0, 'cancelable', { tag: 'x' }), { session }).catch(
    (error: Error) => error,
  );
  // One more and one more, until one finds no place; those before it are answered or wait.
  const asked: Promise<Answer>[] = [];
  let refused: Answer | undefined;
  for (let id = 1; refused === undefined; id++) {
    const answer = post(bridge, 'narrow', toolCall(id, 'echo', { text: `${id}` }), { session });
    asked.push(answer);
    void answer.then((settled) => {
      if (settled.status === 503) refused ??= settled;
    });
    await sleep(5);
  }
  const says = /"narrow" has 1 requests in flight and 8 waiting; no more are taken/;
  assertRpcError(refused, { status: 503, rpc: -32603, code: 'at_limit', says, id: refused.body.id });

  const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 0 } };
  await post(bridge, 'narrow', cancelled, { session });
  const answers = await Promise.all(asked);
  await endless;
  for (const { status, body, text } of answers) {
    if (status !== 503) assert.equal(body.result?.content[0].text, `${body.id}`, text);
  }
  const of = await seriesOf(bridge, 'narrow');
  assert.ok(of('queue_seconds_count') >= QUEUE_FACTOR, 'those who waited are counted');
  assert.equal(of('start_seconds_count'), 1);
  assert.ok(of('memory_bytes') > 1_000_000, 'the memory of its child');
});

test(
  'a server that cannot start answers at once with its last words, and recovers by itself',
  LIMIT,
  async (t) => {
    const bridge = await startBridge(t, {
      workers: 1,
      config: { servers: { mended: { command: process.execPath, args: ['mended.mjs'] } } },
    });
    const [entry] = echo().args;
    writeFileSync(
      join(bridge.dir, 'mended.mjs'),
      `import { existsSync } from 'node:fs';
    if (!existsSync('key')) {
      console.error('fatal: there is no key');
      process.exit(3);
    }
    await import(${JSON.stringify(entry)});`,
    );
    const ask = (): Promise<Answer> => call(bridge, 'mended', 'tools/list');
    const refusal = await until('the breaker to open', async () => {
      const answer = await ask();
      return answer.status === 503 && answer;
    });
    const says = /"mended" is not started again for \d+ ms\. .*exited with code 3.* fatal: there is no key/;
    const id = refusal.body.id;
    assertRpcError(refusal, { status: 503, rpc: -32603, code: 'server_backing_off', says, id });
    const open = await seriesOf(bridge, 'mended');
    assert.equal(open('breaker', 'state="closed"'), 0);
    assert.ok(open('restarts_total', 'reason="start_failed"') >= 3);
    const unready = await send(bridge, { path: '/ready?server=mended' });
    assertHttpError(unready, { status: 503, code: 'server_backing_off', says: /does not start/ });
    assert.deepEqual((await send(bridge, { path: '/ready' })).body.degraded, ['mended']);

    writeFileSync(join(bridge.dir, 'key'), '');
    await until('a try after the back-off', async () => (await ask()).status === 200);
    const closed = await seriesOf(bridge, 'mended');
    assert.equal(closed('breaker', 'state="closed"'), 1);
    assert.equal((await send(bridge, { path: '/ready?server=mended' })).status, 200);
    const headers = { Authorization: `Bearer ${bridge.token}` };
    const { servers } = (await send(bridge, { path: '/servers', headers })).body;
    const [{ state, lastError, children }]: Json[] = servers;
    assert.deepEqual([state, lastError, children.ready], ['ready', null, 1]);

    // A server that had been ready is started again at once when it dies.
    const died = await callTool(bridge, 'mended', 'exit', { code: 9 }).catch((error: Error) => error);
    assert.match(String(died), /exited with code 9/);
    assert.equal((await ask()).status, 200);
    assert.equal((await seriesOf(bridge, 'mended'))('restarts_total', 'reason="died"'), 1);
  },
);
