/**
 * Bad bodies and clients that leave: too large, slow, cut in the middle, no UTF-8, gone before the answer.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { Bridge } from './harness/bridge.ts';
import { startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import {
  assertHttpError,
  assertNothingLeft,
  assertRpcError,
  assertServes,
  LEAK_ENV,
  metricsOf,
  sumOf,
} from './harness/expect.ts';
import { RawClient } from './harness/raw-client.ts';
import {
  begin,
  call,
  callTool,
  honest,
  initialize,
  post,
  postBridge,
  send,
  viaBridge,
} from './harness/rpc.ts';
import { echo } from './harness/servers.ts';
import { until } from './harness/until.ts';

const MAX_BODY_BYTES = 400_000;
const PING = '{"jsonrpc":"2.0","id":7,"method":"ping"}';
const pingOf = (bytes: number): string => {
  const frame = '{"jsonrpc":"2.0","id":7,"method":"ping","params":{"x":""}}';
  return frame.replace('""', `"${'x'.repeat(bytes - frame.length)}"`);
};

const headOf = (bridge: Bridge, more: readonly string[], path = '/mcp/own'): string =>
  [
    `POST ${path} HTTP/1.1`,
    ...Object.entries({ Host: `127.0.0.1:${bridge.port}`, ...honest(bridge) }).map((pair) => pair.join(': ')),
    ...more,
    '',
    '',
  ].join('\r\n');

const chunk = (bytes: string | Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(`${Buffer.byteLength(bytes).toString(16)}\r\n`),
    Buffer.from(bytes),
    Buffer.from('\r\n'),
  ]);

forEachEngine('bad bodies and clients that leave', async (t, engine) => {
  const bridge = await startBridge(t, {
    engine,
    env: { ...LEAK_ENV, MAX_BODY_BYTES: `${MAX_BODY_BYTES}`, STREAM_SESSION_TTL_MS: '3000' },
    config: {
      servers: {
        own: { ...echo(), timeoutMs: 3_000 },
        shared: { ...echo(), isolation: 'shared', timeoutMs: 3_000 },
      },
    },
  });
  const tooLarge = { status: 413, code: 'body_too_large', says: /larger than 400000 bytes.*MAX_BODY_BYTES/ };

  await t.test('a body at the limit is taken, one byte more is 413', async () => {
    assert.equal((await post(bridge, 'own', pingOf(MAX_BODY_BYTES))).status, 200);
    assertRpcError(await post(bridge, 'own', pingOf(MAX_BODY_BYTES + 1)), { ...tooLarge, rpc: -32603 });
    assertHttpError(await postBridge(bridge, pingOf(MAX_BODY_BYTES + 1)), tooLarge);
  });

  await t.test(
    'a length of more digits than a number holds exactly is refused, or what it says',
    async (t) => {
      for (const [digits, status] of [
        [`${PING.length}`.padStart(16, '0'), 200],
        [`${MAX_BODY_BYTES}`.padStart(16, '0'), 200],
        ['9999999999999999', 413],
      ] as const) {
        const client = await RawClient.open(t, bridge.port);
        await client.send(headOf(bridge, [`Content-Length: ${digits}`]));
        if (status === 200) await client.send(Number(digits) === PING.length ? PING : pingOf(Number(digits)));
        // uWebSockets.js reads such a length in a way of its own.
        assert.equal((await client.answer()).status, engine === 'uws' ? 400 : status, digits);
      }
      await assertServes(bridge, 'own');
    },
  );

  await t.test('a chunked body is refused where it passes the limit', async (t) => {
    const client = await RawClient.open(t, bridge.port);
    await client.send(headOf(bridge, ['Transfer-Encoding: chunked']));
    const piece = Buffer.alloc(50_000, 0x20);
    for (let sent = 0; sent < 600_000; sent += piece.length) await client.send(chunk(piece));
    await client.send('0\r\n\r\n');
    const { status, headers, body } = await client.answer();
    assert.equal(status, 413);
    const { error } = JSON.parse(body.toString());
    assert.equal(error.data.code, 'body_too_large');
    assert.equal(error.data.requestId, headers.get('x-request-id'));
  });

  await t.test('a body that is no UTF-8 is refused, small and large', async () => {
    for (const bytes of [
      Buffer.from([0x22, 0xff, 0xfe, 0x22]),
      Buffer.concat([
        Buffer.from('{"jsonrpc":"2.0","id":7,"method":"'),
        Buffer.from([0xc3]),
        Buffer.from('"}'),
      ]),
      Buffer.concat([Buffer.alloc(300_000, 0x20), Buffer.from([0x80])]),
      randomBytes(300_000),
    ]) {
      const raw = { method: 'POST', headers: honest(bridge), body: bytes };
      const says = /not valid UTF-8/;
      const answer = await send(bridge, { ...raw, path: '/mcp/own' });
      assertRpcError(answer, { status: 400, rpc: -32600, code: 'invalid_request', says });
      assertHttpError(await send(bridge, { ...raw, path: '/bridge' }), {
        status: 400,
        code: 'invalid_request',
        says,
      });
    }
  });

  await t.test('a body in a coding is 415, and told what is taken', async () => {
    const bodies = [PING, pingOf(300_000)];
    for (const bytes of [...bodies.map((text) => gzipSync(text, { level: 0 })), ...bodies]) {
      const headers = { ...honest(bridge), 'Content-Encoding': 'gzip' };
      const answer = await send(bridge, { method: 'POST', path: '/mcp/own', headers, body: bytes });
      const says = /without a Content-Encoding; found "gzip"/;
      assertRpcError(answer, { status: 415, rpc: -32603, code: 'unsupported_media_type', says });
      assert.equal(answer.headers['accept-encoding'], 'identity');
    }
  });

  await t.test('a body in no coding may say so', async () => {
    const headers = { ...honest(bridge), 'Content-Encoding': 'Identity' };
    const answer = await send(bridge, { method: 'POST', path: '/mcp/shared', headers, body: PING });
    assert.equal(answer.status, 200, answer.text);
  });

  await t.test('a large body that is no JSON, or no message, is refused as a small one is', async () => {
    const broken = await post(bridge, 'own', `{"x":"${'x'.repeat(300_000)}"`);
    assertRpcError(broken, { status: 400, rpc: -32700, code: 'parse_error', says: /not valid JSON/ });
    const shapeless = await post(
      bridge,
      'own',
      JSON.stringify({ jsonrpc: '2.0', id: 7, x: 'x'.repeat(300_000) }),
    );
    const says = /"method", "result" or "error"/;
    assertRpcError(shapeless, { status: 400, rpc: -32600, code: 'invalid_request', says, id: 7 });
  });

  await t.test('a body that comes byte by byte is served', async (t) => {
    const client = await RawClient.open(t, bridge.port);
    await client.send(headOf(bridge, [`Content-Length: ${PING.length}`]));
    client.socket.setNoDelay(true);
    for (const byte of PING) {
      await client.send(byte);
      await sleep(2);
    }
    const { status, body } = await client.answer();
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body.toString()), { jsonrpc: '2.0', id: 7, result: {} });
  });

  await t.test('clients that stop in the middle of a body hold up nobody', async (t) => {
    const stalled = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(t, bridge.port)));
    for (const client of stalled) await client.send(headOf(bridge, ['Content-Length: 1000']) + PING);
    await assertServes(bridge, 'own');
    for (const client of stalled) client.socket.destroy();
    await assertServes(bridge, 'own');
  });

  await t.test('a body that is cut in the middle is never passed on', async (t) => {
    const message = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'cancelable', arguments: { tag: 'cut' } },
    });
    for (const framing of ['Content-Length: 1000', 'Transfer-Encoding: chunked']) {
      const client = await RawClient.open(t, bridge.port);
      await client.send(headOf(bridge, [framing], '/mcp/shared'));
      await client.send(framing.startsWith('C') ? message : chunk(message));
      client.socket.end();
      client.socket.resume();
      await client.closed;
    }
    const { structuredContent } = await callTool(bridge, 'shared', 'cancelled');
    assert.deepEqual(structuredContent.waiting, []);
  });

  await t.test('bytes that are no HTTP end their own connection only', async (t) => {
    for (const bytes of [
      randomBytes(2_000),
      Buffer.from('GET\r\n\r\n'),
      Buffer.from('\u0016\u0003\u0001\u0002\u0000'),
    ]) {
      const client = await RawClient.open(t, bridge.port);
      await client.send(bytes);
      client.socket.end();
      client.socket.resume();
      await client.closed;
    }
    await assertServes(bridge, 'own');
  });

  await t.test('/bridge cancels what a client that left had asked for', async () => {
    const before = await cancelledIn(bridge, 'left-bridge');
    assert.equal(before, false);
    const body = JSON.stringify({
      serverPath: 'shared',
      method: 'tools/call',
      params: { name: 'cancelable', arguments: { tag: 'left-bridge' } },
    });
    await leave(bridge, { method: 'POST', path: '/bridge', headers: honest(bridge), body }, () =>
      waitsIn(bridge, 'left-bridge'),
    );
    await until('the cancellation to reach the server', () => cancelledIn(bridge, 'left-bridge'));
  });

  await t.test('a client that leaves a call on /mcp leaves its session usable', async () => {
    const session = await initialize(bridge, 'own');
    const message = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'cancelable', arguments: { tag: 'left' } },
    };
    const body = JSON.stringify(message);
    const waits = async (): Promise<boolean> => {
      const { structuredContent } = await callTool(bridge, 'own', 'cancelled', {}, { session });
      return structuredContent.waiting.some(({ tag }: { tag: string }) => tag === 'left');
    };
    await leave(
      bridge,
      { method: 'POST', path: '/mcp/own', headers: honest(bridge, { session }), body },
      waits,
    );
    assert.equal((await call(bridge, 'own', 'tools/list', {}, { session })).status, 200);
  });

  await t.test('fifty clients that disconnect at once leave nothing in hand', async (t) => {
    const slow = (id: number): string =>
      JSON.stringify({
        jsonrpc: '2.0',
        id,
        method: 'tools/call',
        params: { name: 'slow', arguments: { ms: 500 } },
      });
    const clients = await Promise.all(Array.from({ length: 50 }, () => RawClient.open(t, bridge.port)));
    const path = (i: number): string => (i % 2 === 0 ? '/mcp/own' : '/mcp/shared');
    await Promise.all(
      clients.map((client, i) =>
        client.send(headOf(bridge, [`Content-Length: ${slow(i).length}`], path(i)) + slow(i)),
      ),
    );
    for (const client of clients) client.socket.resetAndDestroy();
    const initializing = await Promise.all(Array.from({ length: 10 }, () => RawClient.open(t, bridge.port)));
    const message =
      '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}';
    await Promise.all(
      initializing.map((client) =>
        client.send(headOf(bridge, [`Content-Length: ${message.length}`]) + message),
      ),
    );
    for (const client of initializing) client.socket.resetAndDestroy();
    await assertServes(bridge, 'own');
    await assertServes(bridge, 'shared');
    await until(
      'no session to be left',
      async () => sumOf(await metricsOf(bridge), 'mcp_bridge_sessions') === 0,
    );
  });

  await t.test('connections that say nothing are let be', async (t) => {
    const idle = Array.from({ length: 50 }, () => connect(bridge.port, '127.0.0.1'));
    t.after(() => {
      for (const socket of idle) socket.destroy();
    });
    await assertServes(bridge, 'own');
  });

  await t.test('the bridge serves, and nothing is left', async () => {
    await assertServes(bridge, 'own');
    await assertNothingLeft(bridge, 2);
  });
});

/** Sends a request, waits until the server has it, and cuts the connection. */
async function leave(
  bridge: Bridge,
  raw: Parameters<typeof begin>[1],
  reached: () => Promise<boolean>,
): Promise<void> {
  const controller = new AbortController();
  const answer = begin(bridge, { ...raw, signal: controller.signal });
  await until('the request to reach the server', reached);
  controller.abort();
  await assert.rejects(answer, { name: 'AbortError' });
}

interface Tagged {
  readonly tag: string;
}

async function waitsIn(bridge: Bridge, tag: string): Promise<boolean> {
  return holds(await tagged(bridge), 'waiting', tag);
}

async function cancelledIn(bridge: Bridge, tag: string): Promise<boolean> {
  return holds(await tagged(bridge), 'cancelled', tag);
}

const holds = (lists: Readonly<Record<string, Tagged[]>>, list: string, tag: string): boolean =>
  (lists[list] ?? []).some((each) => each.tag === tag);

/** What the server's tool `cancelled` says, asked the same way. */
async function tagged(bridge: Bridge): Promise<Record<string, Tagged[]>> {
  return (await viaBridge(bridge, 'shared', 'cancelled')).body.structuredContent;
}
