/**
 * What operators see of a running bridge: health, readiness, servers, metrics, request ids, limits, and a log without
 * secrets.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import { assertHttpError, assertRpcError, LEAK_ENV, metricsOf, sumOf } from './harness/expect.ts';
import {
  type Answer,
  call,
  callTool,
  endSession,
  initialize,
  initializeParams,
  listen,
  post,
  postBridge,
  send,
} from './harness/rpc.ts';
import { echo, misbehave } from './harness/servers.ts';
import { until } from './harness/until.ts';

const NARROW_TOKEN = 'token-for-one-server-only-0001';
const METRICS_TOKEN = 'token-of-the-scraper-000000001';
const SECRETS = {
  env: 'secret-value-of-a-servers-env-1',
  callEnv: 'secret-value-of-a-calls-env-002',
  argument: 'secret-argument-of-a-tool-00003',
  header: 'Bearer secret-wrong-token-000004',
  query: 'secret-in-a-query-string-000005',
};

const get = (bridge: Bridge, path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  send(bridge, { path, headers });

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

forEachEngine('operations', async (t, engine) => {
  const bridge = await startBridge(t, {
    engine,
    env: { ...LEAK_ENV, METRICS_TOKEN, LOG_DIR: 'logs' },
    config: {
      servers: {
        fine: { ...echo(), env: { SERVER_SECRET: SECRETS.env } },
        shared: { ...echo(), isolation: 'shared' },
        broken: misbehave('no-start'),
        off: { ...echo(), disabled: true },
      },
      bridge: { env: ['CALL_*'] },
      auth: { tokens: [{ name: 'narrow', token: NARROW_TOKEN, servers: ['fine'] }] },
    },
  });
  const answers: Answer[] = [];
  const ask = async (path: string, headers?: Record<string, string>): Promise<Answer> => {
    const answer = await get(bridge, path, headers);
    answers.push(answer);
    return answer;
  };

  await t.test('/health says that this process lives', async () => {
    const { status, body } = await ask('/health');
    assert.equal(status, 200);
    assert.equal(body.status, 'ok');
    assert.equal(body.engine, engine);
    assert.ok(bridge.processes().includes(body.pid));
  });

  await t.test('/ready is for the bridge; a degraded server is named and does not fail it', async () => {
    assert.equal((await ask('/ready')).body.status, 'ready');
    for (let i = 0; i < 40; i++) await call(bridge, 'broken', 'tools/list');
    const degraded = await until('the broken server to be named', async () => {
      const { status, body } = await ask('/ready');
      assert.equal(status, 200);
      return body.degraded.length > 0 && body.degraded;
    });
    assert.deepEqual(degraded, ['broken']);
    assert.equal((await ask('/ready?server=fine')).status, 200);
    // Anybody may ask: what the server printed is for those who have a token.
    const says = /^Server "broken" does not start; GET \/servers says why\.$/;
    assertHttpError(await ask('/ready?server=broken'), { status: 503, code: 'server_backing_off', says });
    for (const name of ['nobody', 'off', '', '__proto__']) {
      const answer = await ask(`/ready?server=${name}`);
      assertHttpError(answer, { status: 404, code: 'unknown_server', says: new RegExp(`"${name}"`) });
    }
  });

  await t.test('/servers shows the servers of the token, and never a session', async () => {
    assertHttpError(await ask('/servers'), { status: 401, code: 'unauthorized', says: /bearer token/ });
    const sessions = [await initialize(bridge, 'fine'), await initialize(bridge, 'shared')];
    const all = await ask('/servers', bearer(bridge.token));
    const byName = new Map<string, Record<string, unknown>>(
      all.body.servers.map((server: Record<string, unknown>) => [server['name'], server]),
    );
    assert.deepEqual([...byName.keys()], ['fine', 'shared', 'broken', 'off']);
    assert.equal(byName.get('fine')?.['state'], 'ready');
    assert.equal(byName.get('fine')?.['sessions'], 1);
    assert.equal(byName.get('shared')?.['isolation'], 'shared');
    assert.equal(byName.get('off')?.['state'], 'disabled');
    assert.match(String(byName.get('broken')?.['lastError']), /no API key was given/);
    for (const session of sessions) assert.ok(!all.text.includes(session));
    const narrow = await ask('/servers', bearer(NARROW_TOKEN));
    assert.deepEqual(
      narrow.body.servers.map(({ name }: { name: string }) => name),
      ['fine'],
    );
    await endSession(bridge, 'fine', { session: String(sessions[0]) });
    await endSession(bridge, 'shared', { session: String(sessions[1]) });
  });

  await t.test('/metrics has a token of its own', async () => {
    for (const headers of [{}, bearer(bridge.token), bearer('wrong')]) {
      const answer = await ask('/metrics', headers);
      assertHttpError(answer, { status: 401, code: 'unauthorized', says: /their own bearer token/ });
      assert.match(String(answer.headers['www-authenticate']), /^Bearer /);
    }
    assert.equal((await ask('/metrics', bearer(METRICS_TOKEN))).status, 200);
  });

  await t.test('promtool has nothing to say of a busy bridge', async (t) => {
    const session = await initialize(bridge, 'fine');
    const stream = await listen(bridge, 'fine', { session });
    await Promise.all([
      callTool(bridge, 'fine', 'progress', { n: 3 }, { session }),
      callTool(bridge, 'shared', 'echo', { text: 'x' }),
      call(bridge, 'fine', 'no/such', {}, { session }),
      postBridge(bridge, { serverPath: 'fine', method: 'tools/list' }),
      ask('/nowhere'),
    ]);
    const { text } = await ask('/metrics', bearer(METRICS_TOKEN));
    const samples = await metricsOf(bridge, bearer(METRICS_TOKEN));
    assert.equal(sumOf(samples, 'mcp_bridge_sessions', 'server="fine"', 'era="legacy"'), 1);
    assert.equal(sumOf(samples, 'mcp_bridge_workers', 'state="ready"'), 2);
    assert.ok(sumOf(samples, 'mcp_bridge_auth_failures_total') >= 3);
    assert.ok(sumOf(samples, 'mcp_bridge_http_requests_total', 'status="404"') >= 1);
    stream.close();
    await endSession(bridge, 'fine', { session });
    if (spawnSync('promtool', ['--version']).error !== undefined) {
      assert.ok(!process.env['CI'], 'promtool is not installed, and CI must not skip its check');
      t.skip('promtool is not installed (Debian: apt install prometheus): exposition not checked');
      return;
    }
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    });
    assert.equal(stdout + stderr, '');
    assert.equal(status, 0);
  });

  await t.test('what clients invent does not become a label', async () => {
    await call(bridge, 'fine', 'invented/method');
    await ask('/invented-path');
    await post(bridge, 'invented-server', '{}');
    await send(bridge, { method: 'INVENT', path: '/health' }).catch(() => undefined); // node:http cuts it off
    const { text } = await ask('/metrics', bearer(METRICS_TOKEN));
    assert.doesNotMatch(text, /invent/i);
  });

  await t.test('every answer has an X-Request-Id; a good one of the client is kept', async () => {
    for (const { headers } of answers)
      assert.match(String(headers['x-request-id']), /^[A-Za-z0-9._-]{1,64}$/);
    for (const path of [
      '/health',
      '/ready',
      '/metrics',
      '/servers',
      '/nowhere',
      '/mcp/fine',
      '/mcp/nobody',
      '/bridge',
    ]) {
      const { headers } = await get(bridge, path, { 'X-Request-Id': 'mine-1.2_3' });
      assert.equal(headers['x-request-id'], 'mine-1.2_3');
      for (const bad of ['a b', 'x'.repeat(65), '"', 'é']) {
        const own = String(
          (await get(bridge, path, { 'X-Request-Id': Buffer.from(bad).toString('latin1') })).headers[
            'x-request-id'
          ],
        );
        assert.match(own, /^[A-Za-z0-9._-]{1,64}$/);
      }
    }
    const { headers } = await post(bridge, 'fine', '{', { headers: { 'X-Request-Id': 'mine-2' } });
    assert.equal(headers['x-request-id'], 'mine-2');
    const ids = new Set(answers.map(({ headers }) => headers['x-request-id']));
    assert.equal(ids.size, answers.length);
  });

  await t.test('a preflight is answered without a token, for allowed origins only', async () => {
    const preflight = (origin: string): Promise<Answer> =>
      send(bridge, {
        method: 'OPTIONS',
        path: '/mcp/fine',
        headers: {
          Origin: origin,
          'Access-Control-Request-Method': 'POST',
          'Access-Control-Request-Headers': 'authorization, mcp-session-id',
        },
      });
    const good = await preflight('http://localhost:5173');
    assert.equal(good.status, 204);
    assert.equal(good.headers['access-control-allow-origin'], 'http://localhost:5173');
    assert.match(String(good.headers['access-control-allow-methods']), /POST.*GET.*DELETE/);
    assert.match(String(good.headers['access-control-allow-headers']), /Authorization.*Mcp-Session-Id/);
    assert.match(String(good.headers['x-request-id']), /./);
    const bad = await preflight('https://evil.example');
    assert.equal(bad.status, 403);
    assert.equal(bad.headers['access-control-allow-origin'], undefined);
    const answer = await get(bridge, '/health', { Origin: 'http://localhost:5173' });
    assert.match(String(answer.headers['access-control-expose-headers']), /Mcp-Session-Id/);
  });

  await t.test(
    'the log is one JSON line per event, and holds no token, argument or value of an environment',
    async () => {
      const { argument, callEnv, header, query } = SECRETS;
      const session = await initialize(bridge, 'fine');
      await callTool(bridge, 'fine', 'echo', { text: argument }, { session });
      await call(bridge, 'fine', 'tools/call', {
        name: 'fail',
        arguments: { code: -32603, message: argument },
      });
      await post(
        bridge,
        'fine',
        `{"jsonrpc":"2.0","id":"${argument}","method":"tools/call","params":["${argument}"]}`,
      );
      await post(bridge, 'fine', `{"text":"${argument}`);
      for (const method of ['tools/list', 'no/such']) {
        const env = { CALL_SECRET: callEnv };
        await postBridge(bridge, { serverPath: 'fine', env, method, params: { cursor: argument } });
      }
      await get(bridge, `/servers?token=${query}`, { Authorization: header });
      await call(
        bridge,
        'fine',
        'tools/call',
        { name: 'exit', arguments: { code: 9, text: argument } },
        { session },
      );
      await until('the death to be logged', () => bridge.logged({ msg: 'a server ended' }).length > 0);
      assert.equal(await bridge.stop(), 0);

      // Outside of production a banner for the developer comes first; after it, JSON only.
      const lines = bridge
        .stdout()
        .split('\n')
        .filter((line) => line !== '');
      const others = lines.filter((line) => !line.startsWith('{"'));
      assert.equal(bridge.lines().length, lines.length - others.length);
      assert.deepEqual(
        others.filter(
          (line) => !/^(MCP Bridge on | {2}workers | {2}servers | {2}token |Try it:|curl )/.test(line),
        ),
        [],
      );
      for (const line of bridge.lines())
        for (const key of ['level', 'time', 'msg'])
          assert.equal(typeof line[key], 'string', JSON.stringify(line));
      const [audit] = bridge.logged({ audit: 'adhoc' });
      assert.deepEqual(audit?.['variables'], ['CALL_SECRET']);
      assert.equal(audit?.['principal'], 'access-token');

      const files = readdirSync(join(bridge.dir, 'logs')).map((file) =>
        readFileSync(join(bridge.dir, 'logs', file), 'utf8'),
      );
      assert.ok(files.length >= 2);
      const written = [bridge.stdout(), bridge.stderr(), ...files].join('\n');
      for (const secret of [...Object.values(SECRETS), bridge.token, NARROW_TOKEN, METRICS_TOKEN, session]) {
        assert.ok(!written.includes(secret), `the log holds ${secret}`);
      }
    },
  );
});

test('MAX_SESSIONS is exact over all workers: the fourth of three gets 503, and room again after a DELETE', async (t) => {
  const bridge = await startBridge(t, {
    env: { ...LEAK_ENV, MAX_SESSIONS: '3' },
    config: {
      servers: { own: echo(), shared: { ...echo(), isolation: 'shared' }, broken: misbehave('no-start') },
    },
  });
  const message = { jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() };
  const open = (server: string): Promise<Answer> => post(bridge, server, message);
  const isFull = (answer: Answer): void => {
    assertRpcError(answer, { status: 503, rpc: -32603, code: 'at_limit', says: /MAX_SESSIONS/, id: 1 });
  };

  // Those that do not open give their place back.
  for (let i = 0; i < 8; i++) assert.ok((await open('broken')).status >= 502);

  const servers = Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? 'own' : 'shared'));
  const answers = await Promise.all(servers.map(open));
  const opened = answers.flatMap(({ status, headers }, i) =>
    status === 200 ? [{ server: servers[i] as string, session: String(headers['mcp-session-id']) }] : [],
  );
  assert.equal(opened.length, 3);
  for (const answer of answers) if (answer.status !== 200) isFull(answer);
  isFull(await open('own'));

  for (const { server, session } of opened) {
    assert.equal((await endSession(bridge, server, { session })).status, 200);
    const next = await until('the place to be free', async () => {
      const answer = await open('own');
      return answer.status === 200 && answer;
    });
    isFull(await open('shared'));
    const how = { session: String(next.headers['mcp-session-id']) };
    assert.equal((await endSession(bridge, 'own', how)).status, 200);
    await until('the place to be taken again', async () => (await open('own')).status === 200);
  }
  assert.equal(sumOf(await metricsOf(bridge), 'mcp_bridge_sessions'), 3);
  assert.equal(await bridge.stop(), 0);
});
