/** Who made the bridge start something that its file does not name is to be found in the log afterwards. */
import assert from 'node:assert/strict';
import { startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import { postBridge } from './harness/rpc.ts';
import { echo } from './harness/servers.ts';
import { until } from './harness/until.ts';

const OTHER_TOKEN = 'token-of-somebody-else-0123456789';
const SECRET = 'a-secret-in-an-argument';

forEachEngine(
  'every ad-hoc start is one audit line, at any log level, without a value',
  async (t, engine) => {
    const { command, args } = echo('--api-key', SECRET);
    const bridge = await startBridge(t, {
      engine,
      env: { LOG_LEVEL: 'ERROR', TRUST_PROXY: '127.0.0.1' },
      config: {
        servers: { echo: echo() },
        bridge: { allow: [[command, ...args]], env: ['CALL_*'], urls: ['http://127.0.0.1:9'] },
        auth: { tokens: [{ name: 'other', token: OTHER_TOKEN }] },
      },
    });
    const headers = { 'X-Forwarded-For': '203.0.113.7' };
    const ask = async (call: object, token = bridge.token): Promise<number> =>
      (await postBridge(bridge, { method: 'tools/list', ...call }, { token, headers })).status;
    const adhoc = { serverPath: command, args, env: { CALL_TOKEN: SECRET } };
    const lines = (count: number) =>
      until(`${count} audit lines`, () => {
        const found = bridge.logged({ audit: 'adhoc' });
        return found.length >= count && found;
      });

    for (let i = 0; i < 6; i++) assert.equal(await ask(adhoc), 200);
    const [first] = await lines(1);
    assert.ok(first !== undefined);
    assert.equal(first['principal'], 'access-token');
    assert.equal(first['address'], '203.0.113.7');
    assert.equal(first['command'], `${command} ${args[0]} --api-key ****`);
    assert.deepEqual(first['variables'], ['CALL_TOKEN']);
    assert.match(String(first['requestId']), /./);
    assert.equal(first['level'], 'info');

    assert.equal(await ask(adhoc, OTHER_TOKEN), 200);
    const second = (await lines(2))[1];
    assert.equal(second?.['principal'], 'token:other', 'another principal has a child of its own');

    const death = { ...adhoc, method: 'tools/call', params: { name: 'exit', arguments: { code: 0 } } };
    assert.equal(await ask(death), 502);
    assert.equal(await ask(adhoc), 200);
    await lines(3);

    assert.equal(await ask({ serverPath: `http://127.0.0.1:9/mcp?key=${SECRET}` }), 502);
    const remote = (await lines(4))[3];
    assert.equal(remote?.['command'], 'http://127.0.0.1:9/mcp?key=****');

    assert.equal(await ask({ serverPath: 'echo' }), 200);
    assert.equal(await ask({ serverPath: 'npx', args: ['-c', 'id'] }), 403);
    await bridge.stop();
    assert.equal(bridge.logged({ audit: 'adhoc' }).length, 4, 'what is configured or refused is no start');
    assert.ok(!bridge.stdout().includes(SECRET));
  },
);
