/**
 * Four workers as one bridge: whichever of them a connection leads to, every session, stream and pooled child is
 * found, over one hop at most, and the death of a worker costs only what lived in it.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { callThrough, type Door, openDoor, openSessionThrough, throughWorker } from './harness/door.ts';
import { forEachEngine } from './harness/engines.ts';
import { eventReader } from './harness/event-reader.ts';
import {
  assertNoSession,
  assertNothingLeft,
  assertRpcError,
  LEAK_ENV,
  metricsOf,
  sumOf,
} from './harness/expect.ts';
import { descendants, isAlive } from './harness/process.ts';
import {
  type Answer,
  call,
  callTool,
  endSession,
  honest,
  initialize,
  type Json,
  post,
} from './harness/rpc.ts';
import { echo, misbehave } from './harness/servers.ts';
import { until } from './harness/until.ts';

const WORKERS = 4;
const OTHER_TOKEN = 'another-principal-0123456789';
const LARGE_BYTES = 5 * 1024 * 1024;
const COUNTER = /^mcp_bridge_\w+_(?:total|count|sum|bucket)\b/;

interface Session {
  readonly server: string;
  readonly id: string;
}

async function openSessions(bridge: Bridge, server: string, count: number): Promise<Session[]> {
  const ids = await Promise.all(Array.from({ length: count }, () => initialize(bridge, server)));
  return ids.map((id) => ({ server, id }));
}

async function pidOfChild(bridge: Bridge, { server, id }: Session): Promise<number> {
  return (await callTool(bridge, server, 'whoami', {}, { session: id })).structuredContent.pid;
}

const workersOf = (bridge: Bridge): Promise<number[]> =>
  until('every worker to be known', () => {
    const alive = bridge.workers().filter(isAlive);
    return alive.length === WORKERS && alive;
  });

/** The worker that holds the child of a session. */
async function ownerOf(bridge: Bridge, session: Session): Promise<number> {
  const child = await pidOfChild(bridge, session);
  const owner = (await workersOf(bridge)).find((pid) => descendants(pid).includes(child));
  assert.ok(owner !== undefined, 'the child belongs to a worker');
  return owner;
}

async function othersThan(bridge: Bridge, owner: number): Promise<[number, number, number]> {
  const [one = 0, two = 0, three = 0] = (await workersOf(bridge)).filter((pid) => pid !== owner);
  return [one, two, three];
}

const toolCall = (id: number | string, name: string, args: object = {}, more: object = {}) => ({
  id,
  method: 'tools/call',
  params: { name, arguments: args, ...more },
});

/** The GET stream of a session through `door`: what has come so far. */
async function listenThrough(bridge: Bridge, door: Door, { server, id }: Session): Promise<Json[]> {
  const headers = honest(bridge, { session: id, headers: { Accept: 'text/event-stream' } });
  const stream = await door.begin({ path: `/mcp/${server}`, headers });
  assert.equal(stream.statusCode, 200);
  return collect(stream);
}

function collect(stream: NodeJS.ReadableStream): Json[] {
  const events: Json[] = [];
  stream.setEncoding('utf8').on(
    'data',
    eventReader(({ data }) => data !== '' && events.push(JSON.parse(data))),
  );
  return events;
}

async function forwarded(bridge: Bridge): Promise<{ in: number; out: number }> {
  const samples = await metricsOf(bridge);
  const of = (direction: string): number =>
    sumOf(samples, 'mcp_bridge_forwarded_total', `direction="${direction}"`);
  return { in: of('in'), out: of('out') };
}

forEachEngine('four workers', async (t, engine) => {
  const folder = mkdtempSync(join(tmpdir(), 'bridge-record-'));
  const record = join(folder, 'record');
  const script = join(folder, 'script');
  const calls = 200;
  const recorded = '{"jsonrpc":"2.0","id":ID_OF_THE_REQUEST,"result":{"content":[]}}';
  writeFileSync(script, Array<string>(calls).fill(recorded).join('\n'));

  const bridge = await startBridge(t, {
    engine,
    workers: WORKERS,
    env: { ...LEAK_ENV, MAX_BODY_BYTES: `${2 * LARGE_BYTES}` },
    config: {
      servers: {
        own: echo(),
        shared: { ...echo(), isolation: 'shared' },
        recorder: {
          ...echo(),
          args: ['test/fixtures/servers/recorder.mjs', record, script],
          cwd: process.cwd(),
          isolation: 'shared',
          instances: 1,
        },
      },
      auth: { tokens: [{ name: 'other', token: OTHER_TOKEN }] },
    },
  });
  t.after(() => rmSync(folder, { recursive: true, force: true }));

  await t.test(
    'forty sessions over fresh connections: every answer is right and from the same child',
    async () => {
      const own = await openSessions(bridge, 'own', 20);
      const shared = await openSessions(bridge, 'shared', 20);
      const sessions = [...own, ...shared];
      const children = await Promise.all(sessions.map((session) => pidOfChild(bridge, session)));
      assert.equal(new Set(children.slice(0, own.length)).size, own.length);
      assert.ok(new Set(children.slice(own.length)).size <= WORKERS);

      // Every session asks under the same ids, round by round, all of a round at once.
      for (let round = 0; round < 8; round++) {
        await Promise.all(
          sessions.map(async ({ server, id: session }, i) => {
            const args = { text: `${round} of ${i}`, of: session };
            const message = { jsonrpc: '2.0', ...toolCall(round, 'echo', args) };
            const answer = await post(bridge, server, message, { session });
            assert.equal(answer.status, 200, answer.text);
            assert.deepEqual(answer.body.id, round);
            assert.deepEqual(answer.body.result.structuredContent, args);
          }),
        );
      }
      assert.deepEqual(await Promise.all(sessions.map((session) => pidOfChild(bridge, session))), children);

      const ended = await Promise.all(
        sessions.map(({ server, id: session }) => endSession(bridge, server, { session })),
      );
      for (const answer of ended) assert.equal(answer.status, 200, answer.text);
    },
  );

  await t.test('a call reaches its server once, whichever worker it came to', async () => {
    const sessions = await openSessions(bridge, 'recorder', 4);
    const texts = Array.from({ length: calls }, (_, i) => `call ${i}`);
    const answers = await Promise.all(
      texts.map((text, i) =>
        call(
          bridge,
          'recorder',
          'tools/call',
          { name: 'x', arguments: { text } },
          {
            ...(i % 5 > 0 && { session: String(sessions[i % 4]?.id) }),
          },
        ),
      ),
    );
    for (const answer of answers) assert.deepEqual(answer.body.result, { content: [] });
    const reached = readFileSync(record, 'utf8')
      .split('\n')
      .flatMap((line) => (line.includes('"tools/call"') ? [JSON.parse(line).params.arguments.text] : []));
    assert.deepEqual(reached.sort(), texts.sort());
    for (const { id: session } of sessions) await endSession(bridge, 'recorder', { session });
  });

  await t.test('a hop is counted where it begins and where it ends, and nothing else is', async () => {
    const [session] = (await openSessions(bridge, 'own', 1)) as [Session];
    const owner = await ownerOf(bridge, session);
    const count = async (worker: number, times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        const message = toolCall(i, 'echo', { text: `${i}` });
        const answer = await callThrough(bridge, worker, 'own', { session: session.id, message });
        assert.equal(answer.body.result.content[0].text, `${i}`);
      }
    };
    const before = await forwarded(bridge);
    await count(owner, 3);
    assert.deepEqual(await forwarded(bridge), before);
    for (const worker of await othersThan(bridge, owner)) await count(worker, 2);
    assert.deepEqual(await forwarded(bridge), { in: before.in + 6, out: before.out + 6 });
    await endSession(bridge, 'own', { session: session.id });
  });

  for (const server of ['own', 'shared']) {
    await t.test(`POST and GET of one session meet, wherever they land (${server})`, async () => {
      const [session] = (await openSessions(bridge, server, 1)) as [Session];
      const owner = await ownerOf(bridge, session);
      const [listener] = await othersThan(bridge, owner);
      await throughWorker(bridge, listener, async (door) => {
        const events = await listenThrough(bridge, door, session);
        for (const poster of await workersOf(bridge)) {
          const seen = events.length;
          const message = toolCall(poster, 'notify', { what: 'tools' });
          await callThrough(bridge, poster, server, { session: session.id, message });
          await until('the notification on the stream', () => events.length > seen);
        }
        const notification = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' };
        assert.deepEqual(events, Array<Json>(WORKERS).fill(notification));
      });
      await endSession(bridge, server, { session: session.id });
    });
  }

  await t.test('what a server asks in a call is answered through any other worker', async () => {
    const id = await initialize(bridge, 'own', { capabilities: { sampling: {} } });
    const owner = await ownerOf(bridge, { server: 'own', id });
    const [caller, answerer] = await othersThan(bridge, owner);
    const request = { jsonrpc: '2.0', ...toolCall(1, 'sample', { text: 'a haiku' }) };
    await throughWorker(bridge, caller, async (door) => {
      const stream = await door.begin({
        method: 'POST',
        path: '/mcp/own',
        headers: honest(bridge, { session: id }),
        body: JSON.stringify(request),
      });
      const events = collect(stream);
      const question = await until('the question', () => events[0]);
      assert.equal(question.method, 'sampling/createMessage');
      const message = { id: question.id, result: { role: 'assistant', text: 'old pond' } };
      const taken = await callThrough(bridge, answerer, 'own', { session: id, message });
      assert.equal(taken.status, 202);
      const answer = await until('the answer of the call', () => events[1]);
      assert.equal(answer.id, 1);
      assert.equal(JSON.parse(answer.result.content[0].text).text, 'old pond');
    });
    await endSession(bridge, 'own', { session: id });
  });

  await t.test('DELETE from any worker ends a session on all of them, and its child', async () => {
    const sessions = await openSessions(bridge, 'own', WORKERS);
    const workers = await workersOf(bridge);
    for (const [i, session] of sessions.entries()) {
      const child = await pidOfChild(bridge, session);
      const owner = await ownerOf(bridge, session);
      const [other] = (await othersThan(bridge, owner)).slice(i % (WORKERS - 1));
      const answer = await throughWorker(bridge, Number(other), (door) =>
        door.send({
          method: 'DELETE',
          path: '/mcp/own',
          headers: honest(bridge, { session: session.id }),
        }),
      );
      assert.equal(answer.status, 200, answer.text);
      for (const worker of workers) {
        const message = { id: 1, method: 'ping' };
        assertNoSession(await callThrough(bridge, worker, 'own', { session: session.id, message }));
      }
      await until('its child to end', () => !isAlive(child));
    }
  });

  await t.test(
    'calls without a session and /bridge share one child per principal over all workers',
    async () => {
      const workers = await workersOf(bridge);
      const pids = new Map<string, Set<number>>();
      for (const token of [bridge.token, OTHER_TOKEN]) {
        const headers = honest(bridge, { token });
        const { id, ...tool } = toolCall(1, 'whoami');
        const single = JSON.stringify({ serverPath: 'own', ...tool });
        const stateless = JSON.stringify({ jsonrpc: '2.0', id, ...tool });
        const asked = Array.from({ length: 5 }, () => workers).flat();
        const children = await Promise.all(
          asked.flatMap((worker) => [
            throughWorker(bridge, worker, (door) =>
              door.send({ method: 'POST', path: '/bridge', headers, body: single }),
            ).then(({ body }) => body.structuredContent.pid),
            throughWorker(bridge, worker, (door) =>
              door.send({ method: 'POST', path: '/mcp/own', headers, body: stateless }),
            ).then(({ body }) => body.result.structuredContent.pid),
          ]),
        );
        pids.set(token, new Set<number>(children));
      }
      assert.deepEqual(
        [...pids.values()].map(({ size }) => size),
        [1, 1],
      );
      assert.notDeepEqual(pids.get(bridge.token), pids.get(OTHER_TOKEN));
    },
  );

  await t.test('five megabytes pass a hop as they are, either way', async () => {
    const [session] = (await openSessions(bridge, 'own', 1)) as [Session];
    const [other] = await othersThan(bridge, await ownerOf(bridge, session));
    const ask = (message: object): Promise<Answer> =>
      callThrough(bridge, other, 'own', { session: session.id, message });

    const big = await ask(toolCall(1, 'big', { bytes: LARGE_BYTES }));
    assert.equal(big.status, 200);
    assert.equal(big.body.id, 1);
    assert.ok(big.body.result.content[0].text === 'x'.repeat(LARGE_BYTES), 'the result is whole');

    // Characters of one to four bytes, so that no cut between two frames goes unseen.
    const text = 'aä€😀'.repeat(LARGE_BYTES / 10);
    assert.ok(Buffer.byteLength(text) >= LARGE_BYTES - 10);
    const back = await ask(toolCall('two', 'echo', { text }));
    assert.equal(back.status, 200);
    assert.equal(back.body.id, 'two');
    assert.ok(back.body.result.content[0].text === text, 'the request is whole');
    assert.ok(back.body.result.structuredContent.text === text);
    await endSession(bridge, 'own', { session: session.id });
  });

  await t.test('the C library of a worker gives large memory back when it is freed', async (t) => {
    if (process.platform !== 'linux') return t.skip('the environment of a process is read in /proc');
    for (const pid of await workersOf(bridge)) {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      assert.ok(environment.includes('MALLOC_MMAP_THRESHOLD_=1048576'));
    }
  });

  await t.test('progress and cancellation pass a hop', async () => {
    const [session] = (await openSessions(bridge, 'own', 1)) as [Session];
    const [caller, canceller, asker] = await othersThan(bridge, await ownerOf(bridge, session));
    const how = (message: object) => ({ session: session.id, message });
    const steps = toolCall(5, 'progress', { n: 20, tag: 'mine' }, { _meta: { progressToken: 'p' } });
    const { events } = await callThrough(bridge, caller, 'own', how(steps));
    assert.deepEqual(
      events.slice(0, -1).map(({ params }) => params),
      Array.from({ length: 20 }, (_, i) => ({
        progressToken: 'p',
        progress: i + 1,
        total: 20,
        message: 'mine',
      })),
    );
    assert.equal(events.at(-1).id, 5);

    const listed = (list: 'cancelled' | 'waiting') =>
      until(`the call among the ${list}`, async () => {
        const answer = await callThrough(bridge, asker, 'own', how(toolCall(6, 'cancelled')));
        return answer.body.result.structuredContent[list].some(
          ({ tag }: { tag: string }) => tag === 'endless',
        );
      });
    const door = await openDoor(bridge, (pid) => pid === caller);
    const endless = door
      .send({
        method: 'POST',
        path: '/mcp/own',
        headers: honest(bridge, { session: session.id }),
        body: JSON.stringify({ jsonrpc: '2.0', ...toolCall(7, 'cancelable', { tag: 'endless' }) }),
      })
      .catch((error: Error) => error);
    await listed('waiting');
    const cancel = { method: 'notifications/cancelled', params: { requestId: 7, reason: 'enough' } };
    assert.equal((await callThrough(bridge, canceller, 'own', how(cancel))).status, 202);
    await listed('cancelled');
    // MCP 2025-06-18, "Cancellation": nobody gets an answer to it; the connection is free again.
    const ended = await endless;
    assert.ok(!(ended instanceof Error), String(ended));
    assert.equal(ended.body?.result, undefined);
    door.close();
    await endSession(bridge, 'own', { session: session.id });
  });

  await t.test('nothing is left', () => assertNothingLeft(bridge, WORKERS));
});

test('the death of a worker costs the sessions that it owned, and no other', {
  timeout: 120_000,
}, async (t) => {
  const bridge = await startBridge(t, {
    workers: WORKERS,
    config: {
      servers: {
        own: echo(),
        shared: { ...echo(), isolation: 'shared' },
        stubborn: misbehave('stubborn'),
        family: misbehave('grandchild'),
      },
    },
  });
  const workers = await workersOf(bridge);
  const [victim = 0, ...survivors] = workers;
  const opened = await Promise.all(
    workers.map(async (worker) => ({
      own: await openThrough(bridge, worker, 'own'),
      shared: await openThrough(bridge, worker, 'shared'),
    })),
  );
  const [lost, ...kept] = opened.map(({ own }) => own) as [Session, ...Session[]];
  const resumed = opened[0]?.shared as Session;
  const childrenKept = await Promise.all(kept.map((session) => pidOfChild(bridge, session)));
  await openThrough(bridge, victim, 'stubborn');
  const family = await openThrough(bridge, victim, 'family');
  const grandchild = await callTool(bridge, 'family', 'call', {}, { session: family.id });
  const doomed = descendants(victim);
  assert.equal(doomed.length, 5, 'two echoes, the stubborn one, and a parent with its own');
  assert.ok(doomed.includes(Number(grandchild.content[0].text)));

  // Calls that the victim has in hand: for another worker's client, and for one of its own.
  const endless = (worker: number) => toolCall(worker, 'cancelable', { tag: 'endless' });
  const pending = (session: Session, worker: number): Promise<Answer | Error> =>
    callThrough(bridge, worker, session.server, { session: session.id, message: endless(worker) }).catch(
      (error: Error) => error,
    );
  const relayed = [lost, resumed].map((session, i) => pending(session, survivors[i] ?? 0));
  const direct = pending(lost, victim);
  for (const [session, count] of [
    [lost, 2],
    [resumed, 1],
  ] as const) {
    await until('the calls to be at their child', async () => {
      const { server, id } = session;
      const { structuredContent } = await callTool(bridge, server, 'cancelled', {}, { session: id });
      return structuredContent.waiting.length === count;
    });
  }

  const counters = watchCounters(bridge);
  await counters.looked();
  process.kill(victim, 'SIGKILL');

  for (const [i, answer] of (await Promise.all(relayed)).entries()) {
    assert.ok(!(answer instanceof Error), String(answer));
    const expected = { status: 502, rpc: -32603, code: 'worker_died', says: /worker .* died/ };
    assertRpcError(answer, { ...expected, id: survivors[i] ?? 0 });
  }
  assert.equal(((await direct) as NodeJS.ErrnoException).code, 'ECONNRESET');

  for (const worker of survivors) {
    const ask = (session: Session, message: object): Promise<Answer> =>
      callThrough(bridge, worker, session.server, { session: session.id, message });
    assertNoSession(await ask(lost, { id: 2, method: 'ping' }));
    const answer = await ask(resumed, toolCall(3, 'echo', { text: 'still here' }));
    assert.equal(answer.body?.result?.content[0].text, 'still here', answer.text);
  }
  assert.deepEqual(await Promise.all(kept.map((session) => pidOfChild(bridge, session))), childrenKept);

  const replacement = (await workersOf(bridge)).find((pid) => !workers.includes(pid));
  assert.ok(replacement !== undefined);
  const fresh = await openThrough(bridge, replacement, 'own');
  assert.equal(await ownerOf(bridge, fresh), replacement);
  const message = { id: 2, method: 'ping' };
  assertNoSession(await callThrough(bridge, replacement, 'own', { session: lost.id, message }));

  await until('everything below the dead worker to end', () => !doomed.some(isAlive));
  await counters.looked();
  assert.deepEqual(await counters.stop(), []);
  assert.equal(await bridge.stop(), 0);
});

/** Opens a session at that worker. */
async function openThrough(bridge: Bridge, worker: number, server: string): Promise<Session> {
  return { server, id: await openSessionThrough(bridge, worker, server) };
}

/** Scrapes again and again; a worker that dies may take a scrape with it. */
function watchCounters(bridge: Bridge) {
  const highest = new Map<string, number>();
  const wentBack: string[] = [];
  let scrapes = 0;
  let isStopped = false;
  const look = async (): Promise<void> => {
    const samples = await metricsOf(bridge).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET') throw error;
    });
    if (samples === undefined) return;
    for (const [key, before] of highest) {
      const value = samples.get(key) ?? 0;
      // Sums of seconds are added up in another order when a worker is gone.
      if (value < before - 1e-6) wentBack.push(`${key}: ${before}, then ${value}`);
    }
    for (const [key, value] of samples) if (COUNTER.test(key)) highest.set(key, value);
    scrapes++;
  };
  const watching = (async () => {
    while (!isStopped) await look();
  })();
  return {
    /** Resolves when a scrape that began from now on has been looked at. */
    async looked(): Promise<void> {
      const before = scrapes;
      await until('two more scrapes', () => scrapes >= before + 2);
    },
    async stop(): Promise<readonly string[]> {
      isStopped = true;
      await watching;
      return wentBack;
    },
  };
}
