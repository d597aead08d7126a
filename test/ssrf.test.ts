/**
 * Nobody makes the bridge call what only the bridge can reach: neither with a URL of POST /bridge, nor with a name that
 * leads elsewhere than it did, nor with a redirect (CVE-2026-26118, CVE-2026-27826). Addresses one by one:
 * src/upstream/reach.test.ts.
 */
import assert from 'node:assert/strict';
import { isIP, type LookupFunction } from 'node:net';
import { test } from 'node:test';
import { startBridge } from './harness/bridge.ts';
import { remoteServer } from './harness/definitions.ts';
import { forEachEngine } from './harness/engines.ts';
import { assertHttpError } from './harness/expect.ts';
import { openPeer } from './harness/remote-peer.ts';
import { afterHandshake, json, serveHttp } from './harness/remote-servers.ts';
import { postBridge } from './harness/rpc.ts';
import { echo } from './harness/servers.ts';

const portOf = (url: string): string => new URL(url).port;

/** Answers with each of these addresses in turn, the last one from then on; `asked` counts. */
function resolver(...addresses: readonly string[]): { lookup: LookupFunction; asked: () => number } {
  let asked = 0;
  const lookup: LookupFunction = (_name, _options, callback) => {
    const address = addresses[Math.min(asked++, addresses.length - 1)] ?? '';
    setImmediate(() => callback(null, [{ address, family: isIP(address) }]));
  };
  return { lookup, asked: () => asked };
}

for (const transport of ['http', 'sse', 'ws'] as const) {
  test(`${transport}: a name that leads to this machine is not called`, async (t) => {
    let visits = 0;
    const inside = await serveHttp(t, (_request, response) => {
      visits++;
      response.end();
    });
    const url = `${transport === 'ws' ? 'ws' : 'http'}://evil.example:${portOf(inside)}/mcp`;
    const server = remoteServer(url, { transport, reach: [new URL(url).origin] });
    const peer = openPeer(t, server, resolver('127.0.0.1').lookup);
    await assert.rejects(peer.initialize(), {
      code: 'server_start_failed',
      message: /"evil\.example" is no address of the Internet/,
    });
    assert.equal(visits, 0);
  });
}

test('a name that led to a good address is checked again for the next connection', async (t) => {
  const url = await afterHandshake(t, ({ id }, response) =>
    json(response, 200, { jsonrpc: '2.0', id, result: {} }, { Connection: 'close' }),
  );
  const port = portOf(url);
  const { lookup, asked } = resolver('127.0.0.1', '127.0.0.1', '127.0.0.1', '169.254.169.254');
  const server = remoteServer(`http://turns.example:${port}/mcp`, { reach: [`http://127.0.0.1:${port}`] });
  const peer = openPeer(t, server, lookup);
  await peer.initialize();
  let refused: unknown;
  for (let i = 0; i < 8 && refused === undefined; i++) {
    const { error } = await peer.request('ping');
    refused = error;
  }
  assert.match(JSON.stringify(refused), /no address of the Internet/);
  assert.ok(asked() >= 4);
});

test('a redirect is followed to no address that would not be called', async (t) => {
  let visits = 0;
  const url = await serveHttp(t, (request, response) => {
    visits++;
    const location = request.url === '/mcp' ? '/inside' : '/mcp';
    response.writeHead(307, { Location: location, Connection: 'close' }).end();
  });
  const port = portOf(url);
  const server = remoteServer(`http://turns.example:${port}/mcp`, { reach: [`http://127.0.0.1:${port}`] });
  const peer = openPeer(t, server, resolver('127.0.0.1', '10.0.0.1').lookup);
  await assert.rejects(peer.initialize(), /no address of the Internet/);
  assert.equal(visits, 1);
});

forEachEngine('POST /bridge calls nothing inside that is not listed', async (t, engine) => {
  const visits: string[] = [];
  const inside = await serveHttp(t, (request, response) => {
    visits.push(String(request.headers.host));
    response.writeHead(500).end();
  });
  const port = portOf(inside);
  const bridge = await startBridge(t, {
    engine,
    workers: 1,
    config: {
      servers: { echo: echo() },
      bridge: { allow: 'any', urls: [`http://127.0.0.2:${port}`] },
    },
  });
  const ask = (serverPath: string) => postBridge(bridge, { serverPath, method: 'tools/list' });
  for (const host of [
    '127.0.0.1',
    '2130706433',
    '0x7f.1',
    '0177.1',
    '0',
    '[::1]',
    '[::ffff:7f00:1]',
    '10.0.0.1',
    '169.254.169.254',
  ]) {
    assertHttpError(await ask(`http://${host}:${port}/mcp`), {
      status: 403,
      code: 'url_not_allowed',
      says: /no address of the Internet/,
    });
  }
  for (const scheme of ['http', 'ws']) {
    assertHttpError(await ask(`${scheme}://localhost:${port}/mcp`), {
      status: 502,
      code: 'server_start_failed',
      says: /"localhost" is no address of the Internet/,
    });
  }
  assert.deepEqual(visits, []);
  // What is listed is called: 127.0.0.2 is the same machine, and nobody listens there.
  assertHttpError(await ask(`http://127.0.0.2:${port}/mcp`), {
    status: 502,
    code: 'server_start_failed',
    says: /ECONNREFUSED/,
  });
});
