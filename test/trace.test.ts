/**
 * Distributed traces go through the bridge: headers of a request reach stdio servers in `_meta` and remote ones in
 * both forms, in every era and by every entrance.
 */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import { callModern } from './harness/modern.ts';
import { afterHandshake, type Incoming, json } from './harness/remote-servers.ts';
import * as rpc from './harness/rpc.ts';
import { echo } from './harness/servers.ts';

const TRACE = {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'vendor=1',
  baggage: 'user=alice',
};
const OWN = { traceparent: '00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-00' };

const CALL = { name: 'meta', arguments: {} };
const modernEcho = { command: process.execPath, args: [resolve('test/fixtures/servers/modern-echo.mjs')] };

interface Heard {
  readonly message: Incoming;
  readonly headers: IncomingHttpHeaders;
}

/** Calls over every entrance; each answers with the `_meta` that the server saw. */
const ENTRANCES: Readonly<
  Record<
    string,
    (bridge: Bridge, server: string, headers: Record<string, string>, meta?: object) => Promise<rpc.Json>
  >
> = {
  async 'a session'(bridge, server, headers, _meta) {
    const session = await rpc.initialize(bridge, server);
    const { body } = await rpc.call(bridge, server, 'tools/call', { ...CALL, _meta }, { session, headers });
    await rpc.endSession(bridge, server, { session });
    return body.result;
  },
  async 'a request without a session'(bridge, server, headers, _meta) {
    return (await rpc.call(bridge, server, 'tools/call', { ...CALL, _meta }, { headers })).body.result;
  },
  async 'a modern request'(bridge, server, headers, meta) {
    return (await callModern(bridge, server, 'tools/call', CALL, { headers, ...(meta && { meta }) })).body
      .result;
  },
  async '/bridge'(bridge, server, headers, _meta) {
    const call = { serverPath: server, method: 'tools/call', params: { ...CALL, _meta } };
    return (await rpc.postBridge(bridge, call, { headers })).body;
  },
};

async function recordingServer(t: TestContext): Promise<{ url: string; heard: Heard[] }> {
  const heard: Heard[] = [];
  const url = await afterHandshake(t, (message, response, { headers }) => {
    heard.push({ message, headers });
    if (message.id === undefined) response.writeHead(202).end();
    else json(response, 200, { jsonrpc: '2.0', id: message.id, result: { content: [] } });
  });
  return { url, heard };
}

const traceOf = ({ traceparent, tracestate, baggage }: rpc.Json) => ({ traceparent, tracestate, baggage });

forEachEngine('a trace goes on behind the bridge', async (t, engine) => {
  const remote = await recordingServer(t);
  const bridge = await startBridge(t, {
    engine,
    config: { servers: { legacy: echo(), modern: modernEcho, remote: { url: remote.url } } },
  });

  for (const [entrance, call] of Object.entries(ENTRANCES)) {
    for (const server of ['legacy', 'modern']) {
      await t.test(`${entrance}: a stdio server of the ${server} era finds it in _meta`, async () => {
        const metaOf = ({ content }: rpc.Json) => JSON.parse(content[0].text);
        // On several connections, some of which make a hop.
        for (let turn = 0; turn < 4; turn++) {
          assert.deepEqual(traceOf(metaOf(await call(bridge, server, TRACE))), TRACE);
        }
        const { baggage } = TRACE;
        const mixed = traceOf(metaOf(await call(bridge, server, TRACE, OWN)));
        assert.deepEqual(mixed, { traceparent: OWN.traceparent, tracestate: undefined, baggage });
        const none = traceOf(metaOf(await call(bridge, server, {})));
        assert.deepEqual(none, { traceparent: undefined, tracestate: undefined, baggage: undefined });
      });
    }

    await t.test(`${entrance}: a remote server finds it in headers and _meta`, async () => {
      remote.heard.length = 0;
      await call(bridge, 'remote', TRACE);
      await call(bridge, 'remote', {}, OWN);
      await call(bridge, 'remote', {});
      const calls = remote.heard.filter(({ message }) => message.method === 'tools/call');
      const seen = calls.map(({ message, headers }) => [
        headers['traceparent'],
        headers['baggage'],
        (message.params?.['_meta'] as rpc.Json)?.traceparent,
      ]);
      const { traceparent, baggage } = TRACE;
      assert.deepEqual(seen, [
        [traceparent, baggage, traceparent],
        [OWN.traceparent, undefined, OWN.traceparent],
        [undefined, undefined, undefined],
      ]);
    });
  }
});
