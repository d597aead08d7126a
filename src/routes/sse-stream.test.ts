import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createPrincipal } from '../http/principal.ts';
import { JSON_HEADERS, type Reply, SSE_HEADERS } from '../http/reply.ts';
import { SseStream } from './sse-stream.ts';

const principal = createPrincipal('access-token', { tools: {}, bridge: true });

/** A stream whose session is open; `listening` are the replies to its GETs, and what came of the client's stream. */
async function openStream(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const listening: Reply[] = [];
  const client = { ended: false };
  const exchange: Reply = {
    requestId: 'r',
    state: 'streaming',
    send: () => undefined,
    open: () => undefined,
    write: () => undefined,
    end: () => {
      client.ended = true;
    },
    onAbort: () => undefined,
  };
  const stream = new SseStream(
    exchange,
    { server: 'echo', principal },
    ({ verb }, _body, reply) => {
      if (verb === 'GET') listening.push(reply);
      if (verb === 'POST') reply.send(200, [['Mcp-Session-Id', 's']], '{}');
    },
    () => undefined,
  );
  stream.post('{}', undefined);
  assert.equal(listening.length, 1);
  /** How long after the end of what listens it listens again. */
  const again = async (): Promise<number> => {
    const before = listening.length;
    for (let ms = 50; ms <= 20_000; ms += 50) {
      t.mock.timers.tick(50);
      await turn();
      if (listening.length > before) return ms;
    }
    return Number.POSITIVE_INFINITY;
  };
  const last = (): Reply => listening.at(-1) as Reply;
  return { last, again, client };
}

test('a stream that is refused listens again less and less often, and soon after one that began', async (t) => {
  const { last, again } = await openStream(t);
  const waits: number[] = [];
  for (let i = 0; i < 9; i++) {
    last().send(503, JSON_HEADERS, '');
    waits.push(await again());
  }
  assert.deepEqual(waits, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  last().open(200, SSE_HEADERS);
  last().end();
  assert.equal(await again(), 50);
  last().send(503, JSON_HEADERS, '');
  assert.equal(await again(), 50);
});

test('a session that is gone ends the stream', async (t) => {
  const { last, again, client } = await openStream(t);
  last().send(404, JSON_HEADERS, '');
  assert.equal(client.ended, true);
  assert.equal(await again(), Number.POSITIVE_INFINITY);
});
