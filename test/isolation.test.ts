/**
 * Who shares a child with whom, as `isolation` says: and that those who share one never get anything of each other,
 * though they use the same ids and the same progress tokens at the same time.
 */
import assert from 'node:assert/strict';
import type { Bridge } from './harness/bridge.ts';
import { startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import { assertNothingLeft, LEAK_ENV } from './harness/expect.ts';
import { callTool, endSession, type Headers, initialize, type Json, post, viaBridge } from './harness/rpc.ts';
import { echo } from './harness/servers.ts';
import { until } from './harness/until.ts';

const WORKERS = 2;
const ADA = 'token-of-ada-0123456789';
const GRACE = 'token-of-grace-0123456789';
const ROTATED = 'the-next-access-token-0123456789';

/** Over fresh connections, so that the workers take turns. */
const TURNS = 6;

async function childrenOf(bridge: Bridge, server: string, how: Headers): Promise<Set<number>> {
  const answers = Array.from({ length: TURNS }, () => callTool(bridge, server, 'whoami', {}, how));
  return new Set((await Promise.all(answers)).map(({ structuredContent }) => structuredContent.pid));
}

async function theChildOf(bridge: Bridge, server: string, how: Headers): Promise<number> {
  const [child = 0, ...others] = await childrenOf(bridge, server, how);
  assert.deepEqual(others, [], `one child behind ${server}`);
  return child;
}

async function childOfBridgeCall(bridge: Bridge, serverPath: string, token: string): Promise<number> {
  const answer = await viaBridge(bridge, serverPath, 'whoami', {}, { token });
  assert.equal(answer.status, 200, answer.text);
  return answer.body.structuredContent.pid;
}

forEachEngine('isolation', async (t, engine) => {
  const bridge = await startBridge(t, {
    engine,
    workers: WORKERS,
    env: { ...LEAK_ENV, ACCESS_TOKEN: `access-token-of-today-0123456789,${ROTATED}` },
    config: {
      servers: {
        own: echo(),
        personal: { ...echo(), isolation: 'principal' },
        shared: { ...echo(), isolation: 'shared', instances: 1 },
        many: { ...echo(), isolation: 'shared' },
      },
      auth: {
        tokens: [
          { name: 'ada', token: ADA },
          { name: 'grace', token: GRACE },
        ],
      },
    },
  });
  const open = async (
    server: string,
    token: string,
  ): Promise<Required<Pick<Headers, 'session' | 'token'>>> => ({
    token,
    session: await initialize(bridge, server, { token }),
  });
  const close = (server: string, ...sessions: Headers[]): Promise<unknown> =>
    Promise.all(sessions.map((how) => endSession(bridge, server, how)));

  await t.test('session: a child for each session, one per principal for calls without', async () => {
    const sessions = [await open('own', ADA), await open('own', ADA), await open('own', GRACE)];
    const children = await Promise.all(
      [...sessions, { token: ADA }, { token: GRACE }].map((how) => theChildOf(bridge, 'own', how)),
    );
    assert.equal(new Set(children).size, children.length);
    assert.equal(await childOfBridgeCall(bridge, 'own', ADA), children[3]);
    assert.equal(await childOfBridgeCall(bridge, 'own', GRACE), children[4]);
    await close('own', ...sessions);
  });

  await t.test('principal: one child for all that a principal does, none for two of them', async () => {
    const ada = [await open('personal', ADA), await open('personal', ADA)];
    const grace = [await open('personal', GRACE)];
    for (const [token, sessions] of [
      [ADA, ada],
      [GRACE, grace],
    ] as const) {
      const child = await theChildOf(bridge, 'personal', { token });
      for (const how of sessions) assert.equal(await theChildOf(bridge, 'personal', how), child);
      assert.equal(await childOfBridgeCall(bridge, 'personal', token), child);
    }
    assert.notEqual(
      await theChildOf(bridge, 'personal', { token: ADA }),
      await theChildOf(bridge, 'personal', { token: GRACE }),
    );
    await close('personal', ...ada, ...grace);
  });

  await t.test('principal: the values of ACCESS_TOKEN are one, so that rotation keeps sessions', async () => {
    const [today = ''] = bridge.token.split(',');
    const session = await initialize(bridge, 'personal', { token: today });
    assert.equal(
      await theChildOf(bridge, 'personal', { session, token: today }),
      await theChildOf(bridge, 'personal', { session, token: ROTATED }),
    );
    await close('personal', { session, token: ROTATED });
  });

  await t.test('shared: one child for all, or at most one per worker', async () => {
    const sessions = [await open('shared', ADA), await open('shared', GRACE)];
    const everyone = [...sessions, { token: ADA }, { token: GRACE }];
    const children = await Promise.all(everyone.map((how) => theChildOf(bridge, 'shared', how)));
    assert.equal(new Set(children).size, 1);
    assert.equal(await childOfBridgeCall(bridge, 'shared', GRACE), children[0]);
    await close('shared', ...sessions);

    const ofMany = [await open('many', ADA), await open('many', GRACE), { token: ADA }, { token: GRACE }];
    const seen = await Promise.all(ofMany.map((how) => childrenOf(bridge, 'many', how)));
    assert.ok(new Set(seen.flatMap((each) => [...each])).size <= WORKERS);
    await close('many', ...ofMany.slice(0, 2));
  });

  for (const server of ['shared', 'many']) {
    await t.test(`hundreds of calls under equal ids and tokens never mix (${server})`, async () => {
      const clients = [await open(server, ADA), await open(server, GRACE), { token: ADA }, { token: GRACE }];
      // Of both kinds, and such that a bridge that forgets the type of an id or a token takes one for another.
      const ids = Array.from({ length: 50 }, (_, i) => [i, `${i}`]).flat();
      await Promise.all(
        ids.flatMap((id) => clients.map((how, client) => assertOwn(bridge, server, how, { id, client }))),
      );
      await close(server, ...clients.slice(0, 2));
    });
  }

  await t.test("a client's cancellation reaches its own call among equal ids", async () => {
    const [ada, grace] = [await open('shared', ADA), await open('shared', GRACE)];
    const endless = (tag: string) => ({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'cancelable', arguments: { tag } },
    });
    const listed = async (list: string): Promise<string[]> => {
      const { structuredContent } = await callTool(bridge, 'shared', 'cancelled', {}, ada);
      return structuredContent[list].map(({ tag }: { tag: string }) => tag).sort();
    };
    const pending = [
      post(bridge, 'shared', endless('ada'), ada),
      post(bridge, 'shared', endless('grace'), grace),
    ];
    await until('both calls at the child', async () => (await listed('waiting')).length === 2);
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };
    await post(bridge, 'shared', cancel, grace);
    await until('one to be cancelled', async () => (await listed('cancelled')).length === 1);
    assert.deepEqual(await listed('cancelled'), ['grace']);
    assert.deepEqual(await listed('waiting'), ['ada']);
    await post(bridge, 'shared', cancel, ada);
    await until('the other too', async () => (await listed('cancelled')).length === 2);
    for (const answer of await Promise.all(pending)) assert.equal(answer.body?.result, undefined);
    await close('shared', ada, grace);
  });

  await t.test('nothing is left', () => assertNothingLeft(bridge, WORKERS));
});

interface Which {
  readonly id: number | string;
  readonly client: number;
}

/** Whose it is stands in every payload; the token is the same for all clients. */
async function assertOwn(bridge: Bridge, server: string, how: Headers, { id, client }: Which): Promise<void> {
  const tag = `${typeof id} ${id} of client ${client}`;
  const steps = (Number(id) % 3) + 1;
  const withProgress = Number(id) % 2 === 0;
  const args = withProgress ? { n: steps, tag } : { ms: (Number(id) * 7) % 40, tag };
  const message = {
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: withProgress ? 'progress' : 'slow', arguments: args, _meta: { progressToken: id } },
  };
  const answer = await post(bridge, server, message, how);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.body.id, id);
  assert.deepEqual(answer.body.result.structuredContent, args);
  const progress = answer.events.slice(0, -1).map(({ params }: Json) => params);
  assert.deepEqual(
    progress,
    withProgress
      ? Array.from({ length: steps }, (_, i) => ({
          progressToken: id,
          progress: i + 1,
          total: steps,
          message: tag,
        }))
      : [],
  );
}
