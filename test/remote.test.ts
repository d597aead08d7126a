/**
 * Remote upstreams against real servers: server-everything over Streamable HTTP and SSE, a WebSocket server, and
 * servers that fail in every way we could think of.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import { remoteServer } from './harness/definitions.ts';
import { freePort } from './harness/free-port.ts';
import { run } from './harness/process.ts';
import { openPeer } from './harness/remote-peer.ts';
import {
  afterHandshake,
  bodyOf,
  EVERYTHING,
  initialized,
  json,
  remoteEverything,
  remoteWebSocket,
  SECRET,
  serveHttp,
} from './harness/remote-servers.ts';
import { until } from './harness/until.ts';

for (const transport of ['http', 'sse'] as const) {
  test(`${transport}: server-everything answers calls, reports progress and asks the client`, async (t) => {
    const port = await remoteEverything(t, transport === 'http' ? 'streamableHttp' : 'sse');
    const path = transport === 'http' ? 'mcp' : 'sse';
    const peer = openPeer(t, remoteServer(`http://127.0.0.1:${port}/${path}`, { transport }));

    const { result } = await peer.initialize();
    assert.equal(result.serverInfo.name, 'mcp-servers/everything');
    const echoed = await peer.request('tools/call', { name: 'echo', arguments: { message: 'grüße' } });
    assert.equal(echoed.result.content[0].text, 'Echo: grüße');

    await peer.request('tools/call', {
      name: 'trigger-long-running-operation',
      arguments: { duration: 0.2, steps: 2 },
      _meta: { progressToken: 'p' },
    });
    const progress = peer.texts.filter((text) => text.includes('notifications/progress'));
    assert.deepEqual(
      progress.map((text) => JSON.parse(text).params),
      [1, 2].map((step) => ({ progress: step, total: 2, progressToken: 'p' })),
    );

    const asked = await until('roots/list from the server', () =>
      peer.received.find((message) => message.method === 'roots/list'),
    );
    peer.transport.send(
      JSON.stringify({ jsonrpc: '2.0', id: asked.id, result: { roots: [{ uri: 'file:///tmp' }] } }),
    );
    const roots = await peer.request('tools/call', { name: 'echo', arguments: { message: 'still there' } });
    assert.equal(roots.result.content[0].text, 'Echo: still there');
    assert.equal(peer.transport.backlog, 0);

    await peer.transport.close();
    assert.equal(peer.closings.length, 1);
    peer.notify('notifications/cancelled', {});
    assert.equal(peer.transport.backlog, 0, 'nothing is taken after the end');
  });
}

test('http: the end of the connection ends the session on the server', async (t) => {
  const methods: (string | undefined)[] = [];
  const url = await afterHandshake(t, (_message, response, request) => {
    methods.push(`${request.method} ${request.headers['mcp-session-id']}`);
    response.writeHead(200).end();
  });
  const peer = openPeer(t, remoteServer(url));
  await peer.initialize();
  await peer.transport.close();
  assert.deepEqual(methods, ['DELETE abc']);
});

test('http: the headers of the definition, the session and the negotiated version are on every request', async (t) => {
  const seen: IncomingMessage['headers'][] = [];
  const url = await afterHandshake(t, (message, response, request) => {
    seen.push(request.headers);
    json(response, 200, { jsonrpc: '2.0', id: message.id, result: {} });
  });
  const peer = openPeer(t, remoteServer(url, { headers: { Authorization: SECRET } }));
  await peer.initialize();
  await peer.request('ping');
  assert.equal(seen[0]?.authorization, SECRET);
  assert.equal(seen[0]?.['mcp-session-id'], 'abc');
  assert.equal(seen[0]?.['mcp-protocol-version'], '2025-06-18');
});

test('http: nothing overtakes notifications/initialized', async (t) => {
  const order: (string | undefined)[] = [];
  const url = await serveHttp(t, async (request, response) => {
    const message = await bodyOf(request);
    if (request.method === 'GET') return response.writeHead(405).end();
    if (message.method === 'notifications/initialized') {
      setTimeout(() => {
        order.push(message.method);
        response.writeHead(202).end();
      }, 50);
      return;
    }
    order.push(message.method);
    json(response, 200, initialized(message.id));
  });
  const peer = openPeer(t, remoteServer(url));
  await peer.initialize();
  await peer.request('tools/list');
  assert.deepEqual(order, ['initialize', 'notifications/initialized', 'tools/list']);
});

test('websocket: a server answers calls', async (t) => {
  const port = await remoteWebSocket(t);
  const server = remoteServer(`ws://127.0.0.1:${port}`, {
    transport: 'ws',
    headers: { Authorization: SECRET },
  });
  const peer = openPeer(t, server);
  await peer.initialize();
  const { result } = await peer.request('tools/call', { name: 'headers' });
  assert.equal(result.content[0].text, SECRET);
  peer.transport.send(['{"jsonrpc":"2.0","id":"big",', Buffer.from('"method":"tools/list"}')]);
  await until('an answer to a message in parts', () => peer.received.find(({ id }) => id === 'big'));
  await peer.transport.close();
  assert.equal(peer.closings.length, 1);
});

test('websocket: large integers stay exact in both directions', async (t) => {
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  t.after(() => sockets.close());
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(String(data).replace(/"method":.*"n"/, '"result":{"n"')));
  });
  await once(sockets, 'listening');
  const { port } = sockets.address() as AddressInfo;
  const peer = openPeer(t, remoteServer(`ws://127.0.0.1:${port}`, { transport: 'ws' }));
  peer.transport.send('{"jsonrpc":"2.0","id":1,"method":"x","params":{"n":12345678901234567890}}');
  await until('the answer', () => peer.texts.length > 0);
  assert.equal(peer.texts[0], '{"jsonrpc":"2.0","id":1,"result":{"n":12345678901234567890}}');
});

test('websocket: a server that cuts the connection is told as dead', async (t) => {
  const port = await remoteWebSocket(t);
  const peer = openPeer(t, remoteServer(`ws://127.0.0.1:${port}`, { transport: 'ws' }));
  await peer.initialize();
  await assert.rejects(peer.request('tools/call', { name: 'drop' }), {
    code: 'server_died',
    message: `Server "far" at ws://127.0.0.1:${port} closed the connection (code 1006).`,
  });
});

for (const transport of ['http', 'sse', 'ws'] as const) {
  test(`${transport}: a refused connection names server, address and cause`, async (t) => {
    const port = await freePort();
    const scheme = transport === 'ws' ? 'ws' : 'http';
    const peer = openPeer(t, remoteServer(`${scheme}://127.0.0.1:${port}/?key=hidden`, { transport }));
    await assert.rejects(peer.initialize(), {
      code: 'server_start_failed',
      message: `Server "far" at ${scheme}://127.0.0.1:${port} could not be reached (ECONNREFUSED).`,
    });
    await peer.transport.close();
    assert.equal(peer.closings.length, 1);
  });

  test(`${transport}: a redirect to elsewhere is not followed and headers do not leak to it`, async (t) => {
    let visited = 0;
    const elsewhere = await serveHttp(t, (_request, response) => {
      visited++;
      response.end();
    });
    const url = await serveHttp(t, (_request, response) =>
      response.writeHead(307, { Location: elsewhere }).end(),
    );
    const peer = openPeer(
      t,
      remoteServer(transport === 'ws' ? url.replace('http', 'ws') : url, {
        transport,
        headers: { Authorization: SECRET },
      }),
    );
    await assert.rejects(peer.initialize(), { code: 'server_start_failed', message: /HTTP 307/ });
    assert.equal(visited, 0);
    assert.ok(!peer.log().includes(SECRET));
  });

  test(`${transport}: HTTP 500 at the start means that it cannot be started, without the page's text`, async (t) => {
    const url = await serveHttp(t, (_request, response) => response.writeHead(500).end(`oops ${SECRET}`));
    const peer = openPeer(
      t,
      remoteServer(transport === 'ws' ? url.replace('http', 'ws') : url, { transport }),
    );
    await assert.rejects(peer.initialize(), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'server_start_failed');
      assert.match(error.message, /^Server "far" at .* answered with HTTP 500\.$/);
      return true;
    });
    assert.ok(!peer.log().includes(SECRET));
  });

  test(`${transport}: a header that HTTP does not allow is named, its value is not`, async (t) => {
    const server = remoteServer('http://127.0.0.1:1/', {
      transport,
      headers: { 'X-Key': `${SECRET}\r\nX: y` },
    });
    const peer = openPeer(t, server);
    const reason = await peer.closed();
    assert.equal(reason.code, 'server_start_failed');
    assert.match(reason.message, /X-Key/);
    assert.ok(!reason.message.includes('s3cr3t'));
  });
}

test('http: HTTP 500 on one request is the answer to it, and the next request is served', async (t) => {
  let calls = 0;
  const url = await afterHandshake(t, (message, response) => {
    if (++calls === 1) response.writeHead(500).end('<html>');
    else json(response, 200, { jsonrpc: '2.0', id: message.id, result: { ok: true } });
  });
  const peer = openPeer(t, remoteServer(url));
  await peer.initialize();
  const { error } = await peer.request('tools/list');
  assert.deepEqual(error, {
    code: -32603,
    message: 'Server "far" answered with HTTP 500.',
    data: { code: 'server_error' },
  });
  assert.deepEqual((await peer.request('tools/list')).result, { ok: true });
});

test("http: a JSON-RPC error with an HTTP status is the server's own answer", async (t) => {
  const url = await afterHandshake(t, (_message, response) => {
    json(response, 400, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Bad', data: [1] } });
  });
  const peer = openPeer(t, remoteServer(url));
  await peer.initialize();
  assert.deepEqual((await peer.request('x')).error, { code: -32000, message: 'Bad', data: [1] });
});

test('http: a session that the server no longer knows ends the connection', async (t) => {
  const url = await afterHandshake(t, (_message, response) => {
    json(response, 404, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } });
  });
  const peer = openPeer(t, remoteServer(url));
  await peer.initialize();
  await assert.rejects(peer.request('tools/list'), {
    code: 'server_died',
    message: /no longer knows the session/,
  });
});

test('http: an unknown method answered with 404 does not end the connection', async (t) => {
  const url = await afterHandshake(t, (message, response) => {
    json(response, 404, { jsonrpc: '2.0', id: message.id, error: { code: -32601, message: 'No such' } });
  });
  const peer = openPeer(t, remoteServer(url));
  await peer.initialize();
  assert.equal((await peer.request('x')).error.code, -32601);
  assert.equal(peer.closings.length, 0);
});

test('http: a connection closed before or in the middle of an answer fails that request alone', async (t) => {
  const endings: ((response: ServerResponse) => void)[] = [
    (response) => response.destroy(),
    (response) => {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '100' });
      response.write('{"jsonrpc":');
      setImmediate(() => response.destroy());
    },
    (response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write('event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message"');
      setImmediate(() => response.destroy());
    },
    (response) => response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end(),
    (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>'),
    (response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end('[1,'),
  ];
  const url = await afterHandshake(t, (_message, response) => endings.shift()?.(response));
  const peer = openPeer(t, remoteServer(url));
  await peer.initialize();
  while (endings.length > 0) {
    const { error } = await peer.request('tools/list');
    assert.equal(error.data.code, 'server_error', JSON.stringify(error));
  }
  assert.equal(peer.closings.length, 0);
  assert.equal(peer.transport.backlog, 0);
});

test('http: a server that falls silent keeps its bytes in the backlog until the request is cancelled', async (t) => {
  let gone = false;
  let cancelled: unknown;
  const url = await afterHandshake(t, (message, response) => {
    if (message.method === 'notifications/cancelled') {
      cancelled = message.params?.['requestId'];
      response.writeHead(202).end();
    } else response.on('close', () => (gone = true));
  });
  const peer = openPeer(t, remoteServer(url));
  await peer.initialize();
  peer.transport.send('{"jsonrpc":"2.0","id":77,"method":"tools/call"}');
  assert.ok(peer.transport.backlog > 0);
  peer.notify('notifications/cancelled', { requestId: 77 });
  await until('the connection of the cancelled request to be let go', () => gone);
  assert.equal(cancelled, 77);
  await until('an empty backlog', () => peer.transport.backlog === 0);
  assert.ok(!peer.received.some(({ id }) => id === 77), 'nobody is told about a cancelled request');
});

test('http: a server that goes away between two requests is told as dead', async (t) => {
  const port = await freePort();
  const server = run(t, [EVERYTHING, 'streamableHttp'], { env: { PORT: `${port}` } });
  await server.printed(/listening on port/);
  const peer = openPeer(t, remoteServer(`http://localhost:${port}/mcp`));
  await peer.initialize();
  server.child.kill('SIGKILL');
  await server.ended;
  await assert.rejects(peer.request('tools/list'), { code: 'server_died', message: /ECONNREFUSED/ });
});

test('sse: an event stream that ends is told as dead, and no second session is opened', async (t) => {
  const port = await freePort();
  const server = run(t, [EVERYTHING, 'sse'], { env: { PORT: `${port}` } });
  await server.printed(/running on port/);
  const peer = openPeer(t, remoteServer(`http://127.0.0.1:${port}/sse`, { transport: 'sse' }));
  await peer.initialize();
  server.child.kill('SIGKILL');
  assert.equal(
    (await peer.closed()).message,
    `Server "far" at http://127.0.0.1:${port} ended its event stream.`,
  );
});

test('a server that hangs does not hold up the close', async (t) => {
  const url = await serveHttp(t, () => undefined);
  for (const transport of ['http', 'sse', 'ws'] as const) {
    const peer = openPeer(
      t,
      remoteServer(transport === 'ws' ? url.replace('http', 'ws') : url, { transport }),
    );
    peer.notify('ping');
    await peer.transport.close();
    assert.equal(peer.closings.length, 1);
  }
});

test('http: a message without end is cut off at the bound, not kept', async (t) => {
  const endless = await afterHandshake(t, (_message, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write('data: ');
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(1_048_576)));
    };
    response.on('drain', more);
    more();
  });
  const peer = openPeer(t, remoteServer(endless));
  await peer.initialize();
  const { error } = await peer.request('tools/call');
  assert.equal(error.data.code, 'server_error');
});
