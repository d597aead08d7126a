/** MAX_SESSIONS_PER_PRINCIPAL: one who opens all the sessions he can leaves room for others. */
import assert from 'node:assert/strict';
import { startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import { assertRpcError } from './harness/expect.ts';
import { call, endSession, initializeParams } from './harness/rpc.ts';
import { echo, misbehave } from './harness/servers.ts';
import { until } from './harness/until.ts';

const OTHER_TOKEN = 'token-of-somebody-else-0123456789';

forEachEngine(
  'a principal has so many sessions over all workers, and room again when one ends',
  async (t, engine) => {
    const bridge = await startBridge(t, {
      engine,
      env: { MAX_SESSIONS_PER_PRINCIPAL: '3' },
      config: {
        servers: {
          shared: { ...echo(), isolation: 'shared' },
          own: echo(),
          broken: misbehave('no-start'),
        },
        auth: { tokens: [{ name: 'other', token: OTHER_TOKEN }] },
      },
    });
    const open = (server = 'shared', token = bridge.token) =>
      call(bridge, server, 'initialize', initializeParams(), { token });

    // Those that do not open give their place back.
    for (let i = 0; i < 4; i++) assert.ok((await open('broken')).status >= 502);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => open(i % 2 === 0 ? 'shared' : 'own')),
    );
    const opened = answers.filter(({ status }) => status === 200);
    assert.equal(opened.length, 3, answers.map(({ status }) => status).join(' '));
    for (const refused of answers.filter(({ status }) => status !== 200)) {
      assertRpcError(refused, {
        status: 503,
        rpc: -32603,
        code: 'at_limit',
        says: /MAX_SESSIONS_PER_PRINCIPAL/,
        id: refused.body.id,
      });
    }
    for (let i = 0; i < 3; i++) assert.equal((await open('shared', OTHER_TOKEN)).status, 200);
    assert.equal((await open('shared', OTHER_TOKEN)).status, 503);

    const [first] = opened;
    const session = String(first?.headers['mcp-session-id']);
    const server = answers.indexOf(first as (typeof answers)[number]) % 2 === 0 ? 'shared' : 'own';
    assert.equal((await endSession(bridge, server, { session })).status, 200);
    await until('room for one more', async () => (await open()).status === 200);
    assert.equal((await open()).status, 503);
  },
);
