/** RATE_LIMIT_MAX in front of a real bridge: one count for the whole bridge, whichever worker is asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import { send } from './harness/rpc.ts';
import { echo } from './harness/servers.ts';
import { until } from './harness/until.ts';

const ping = (token: string) => ({
  method: 'POST',
  path: '/mcp/echo',
  headers: {
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
  },
  body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
});

/** A key's owner may change when a worker joins, and its count starts anew. */
const wholeFleet = (bridge: Bridge) =>
  until('both workers', async () => (await send(bridge, { path: '/ready' })).body.workers?.ready === 2);

forEachEngine('a token has its requests over all workers, then 429', async (t, engine) => {
  const max = 40;
  const bridge = await startBridge(t, {
    engine,
    config: {
      servers: { echo: echo() },
      auth: { tokens: [{ name: 'other', token: 'other-token-0123456789' }] },
    },
    env: { RATE_LIMIT_MAX: String(max), RATE_LIMIT_WINDOW_MS: '600000' },
  });
  await wholeFleet(bridge);
  const answers = await Promise.all(Array.from({ length: max + 20 }, () => send(bridge, ping(bridge.token))));
  const refused = answers.filter(({ status }) => status === 429);
  assert.equal(answers.filter(({ status }) => status === 200).length, max);
  assert.equal(refused.length, 20);
  for (const { headers, body } of refused) {
    assert.ok(Number(headers['retry-after']) > 500);
    assert.equal(headers['ratelimit-policy'], `"requests";q=${max};w=600`);
    assert.match(String(headers['ratelimit']), /^"requests";r=0;t=\d+$/);
    assert.equal(body.error.data.code, 'rate_limited');
  }
  assert.equal((await send(bridge, ping('other-token-0123456789'))).status, 200, 'another token has its own');
  const servers = { path: '/servers', headers: { Authorization: `Bearer ${bridge.token}` } };
  assert.equal((await send(bridge, servers)).status, 200, 'another route has its own');

  const metrics = (await send(bridge, { path: '/metrics' })).text;
  assert.match(metrics, /^mcp_bridge_rate_limited_total 20$/m);
});

forEachEngine('requests without a good token count for their address', async (t, engine) => {
  const bridge = await startBridge(t, {
    engine,
    config: { servers: { echo: echo() } },
    env: { RATE_LIMIT_MAX: '5', RATE_LIMIT_WINDOW_MS: '600000', TRUST_PROXY: 'true' },
  });
  await wholeFleet(bridge);
  const from = async (address: string) => {
    const { headers, ...raw } = ping('wrong');
    return (await send(bridge, { ...raw, headers: { ...headers, 'X-Forwarded-For': address } })).status;
  };
  for (let i = 0; i < 5; i++) assert.equal(await from(`2001:db8::${i}`), 401);
  assert.equal(await from('2001:db8::ffff:ffff:ffff:ffff'), 429, 'a network counts as one');
  assert.equal(await from('2001:db8:0:1::'), 401);
  assert.equal(await from('192.0.2.7'), 401);

  const statuses: number[] = [];
  for (let i = 0; i < 8; i++) statuses.push((await send(bridge, ping('wrong'))).status);
  assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
  assert.equal((await send(bridge, ping(bridge.token))).status, 200, 'a good token is not held up by them');
  assert.equal(
    (await send(bridge, { ...ping(bridge.token), headers: { Authorization: `Bearer ${bridge.token}` } }))
      .status,
    415,
  );
});

test('a large limit is counted in blocks, and right within 5%', async (t) => {
  const max = 2_000;
  const bridge = await startBridge(t, {
    config: { servers: { echo: echo() } },
    env: { RATE_LIMIT_MAX: String(max), RATE_LIMIT_WINDOW_MS: '600000' },
  });
  await wholeFleet(bridge);
  const servers = { path: '/servers', headers: { Authorization: `Bearer ${bridge.token}` } };
  let served = 0;
  for (let sent = 0; sent < max + 200; sent += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => send(bridge, servers)));
    served += answers.filter(({ status }) => status === 200).length;
  }
  assert.ok(served <= max && served >= max * 0.95, `${served} of ${max}`);
  assert.equal((await send(bridge, servers)).status, 429);
});
