import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Chunk, HeaderPairs } from '../http/engine.ts';
import type { Reply } from '../http/reply.ts';
import type { ServeRelayed } from './owned-stream.ts';
import { Relay, socketPath } from './relay.ts';

/** The client's side of a call: keeps what it is sent, and can go away. */
class Client implements Reply {
  readonly requestId = 'request-1';
  state: Reply['state'] = 'open';
  status = 0;
  headers: HeaderPairs = [];
  readonly parts: Buffer[] = [];
  readonly ended: Promise<void>;
  #resolveEnded: () => void = () => undefined;
  #onAbort: (() => void) | undefined;
  #wrote: (() => void) | undefined;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get body(): Buffer {
    return Buffer.concat(this.parts);
  }

  send(status: number, headers: HeaderPairs, body: Chunk | readonly Chunk[]): void {
    this.open(status, headers);
    this.write(body);
    this.end();
  }

  open(status: number, headers: HeaderPairs): void {
    assert.equal(this.state, 'open', 'an answer begins once');
    this.state = 'streaming';
    this.status = status;
    this.headers = headers;
  }

  write(chunk: Chunk | readonly Chunk[]): void {
    const parts = typeof chunk === 'string' || chunk instanceof Uint8Array ? [chunk] : chunk;
    for (const part of parts) this.parts.push(Buffer.from(part as string));
    this.#wrote?.();
  }

  end(): void {
    assert.equal(this.state, 'streaming', 'an answer ends once');
    this.state = 'done';
    this.#resolveEnded();
  }

  onAbort(listener: () => void): void {
    this.#onAbort = listener;
    if (this.state === 'done') listener();
  }

  leave(): void {
    this.state = 'done';
    this.#onAbort?.();
  }

  /** Resolves when at least `bytes` have come. */
  async received(bytes: number): Promise<void> {
    while (this.body.length < bytes) {
      await new Promise<void>((resolve) => {
        this.#wrote = resolve;
      });
    }
  }
}

const pattern = (bytes: number): Buffer => Buffer.alloc(bytes, 'The quick brown fox. ');
const FIVE_MB = 5_000_000;

interface Call {
  readonly head?: string;
  readonly body?: Chunk;
  readonly client?: Client;
}

/** Two workers: `ask` is called at the one, `serve` answers at the other. */
async function pair(t: TestContext, serve: ServeRelayed) {
  const runtimeDir = mkdtempSync(join(tmpdir(), 'relay-'));
  const directions: string[] = [];
  const forwarded = (direction: string): void => void directions.push(direction);
  const [asker, owner] = ['asker', 'owner'].map((id) => new Relay({ runtimeDir, id, forwarded }));
  assert.ok(asker && owner);
  owner.register('route', serve);
  await Promise.all([asker.listen(), owner.listen()]);
  t.after(async () => {
    await Promise.all([asker.close(), owner.close()]);
    rmSync(runtimeDir, { recursive: true, force: true });
  });
  return {
    asker,
    owner,
    runtimeDir,
    directions,
    ask({ head = '', body = '', client = new Client() }: Call = {}) {
      const lost: boolean[] = [];
      let tellLost: () => void = () => undefined;
      const wasLost = new Promise<void>((resolve) => {
        tellLost = resolve;
      });
      asker.forward('owner', 'route', {
        head,
        body,
        reply: client,
        lost: (served) => {
          lost.push(served);
          tellLost();
        },
      });
      return { client, lost, wasLost };
    },
  };
}

test('a small call and its answer are carried whole: head, body, request id, status, headers', async (t) => {
  const { ask, directions } = await pair(t, (head, body, reply) => {
    const seen = JSON.stringify([head, Buffer.from(body).toString(), reply.requestId]);
    reply.send(207, [['X-One', 'é, "1"']], ['seen ', Buffer.from(seen)]);
  });
  const { client } = ask({ head: '{"a": "b c"}', body: 'é😀' });
  await client.ended;
  assert.equal(client.body.toString(), 'seen ["{\\"a\\": \\"b c\\"}","é😀","request-1"]');
  assert.deepEqual([client.status, client.headers], [207, [['X-One', 'é, "1"']]]);
  assert.deepEqual(directions, ['out', 'in']);
});

test('bodies and answers of every size around the limits of a frame and a window arrive as they were', async (t) => {
  const { ask } = await pair(t, (_head, body, reply) => reply.send(200, [], body));
  for (const bytes of [0, 1, 65_535, 65_536, 65_537, 131_072, 262_144, 262_145, 1_000_001]) {
    const { client } = ask({ body: pattern(bytes) });
    await client.ended;
    assert.ok(client.body.equals(pattern(bytes)), `${bytes} bytes`);
  }
});

test('5 MB go both ways at once', async (t) => {
  const { ask } = await pair(t, (_head, body, reply) => reply.send(200, [], body));
  const calls = [1, 2, 3].map(() => ask({ body: pattern(FIVE_MB) }));
  for (const { client } of calls) {
    await client.ended;
    assert.ok(client.body.equals(pattern(FIVE_MB)));
  }
});

test('a large body is handed over in memory of its own, which may be given away', async (t) => {
  const { ask } = await pair(t, (_head, body, reply) => {
    reply.send(200, [], `${body.byteOffset} ${body.buffer.byteLength - body.byteLength}`);
  });
  const { client } = ask({ body: pattern(200_000) });
  await client.ended;
  assert.equal(client.body.toString(), '0 0');
});

test('the parts of a stream arrive one by one, before it ends', async (t) => {
  let reply: Reply | undefined;
  const { ask } = await pair(t, (_head, _body, given) => {
    reply = given;
    given.open(200, [['Content-Type', 'text/event-stream']]);
    given.write('data: 1\n\n');
  });
  const { client } = ask();
  await client.received(9);
  assert.equal(client.state, 'streaming');
  reply?.write(['data: ', Buffer.from('2'), '\n\n']);
  await client.received(18);
  reply?.end();
  reply?.write('after the end');
  await client.ended;
  assert.equal(client.body.toString(), 'data: 1\n\ndata: 2\n\n');
});

test('many streams share the socket; one that is large does not hold up the small ones', async (t) => {
  const order: string[] = [];
  const { ask } = await pair(t, (head, _body, reply) => reply.send(200, [], pattern(Number(head))));
  const large = ask({ head: `${FIVE_MB}` });
  const small = Array.from({ length: 50 }, (_, i) => ask({ head: `${i * 100}` }));
  await Promise.all([
    large.client.ended.then(() => order.push('large')),
    ...small.map(({ client }, i) =>
      client.ended.then(() => {
        order.push('small');
        assert.ok(client.body.equals(pattern(i * 100)));
      }),
    ),
  ]);
  assert.ok(large.client.body.equals(pattern(FIVE_MB)));
  assert.equal(order.at(-1), 'large');
});

test('a client that leaves is told to the owner once, and its answer is thrown away', async (t) => {
  const aborted: string[] = [];
  let tell: () => void = () => undefined;
  const told = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const { ask } = await pair(t, (head, _body, reply) => {
    if (head === 'other') {
      reply.send(200, [], 'fine');
      return;
    }
    reply.open(200, []);
    reply.write('first');
    reply.onAbort(() => {
      aborted.push(reply.state);
      reply.write('nobody hears this');
      reply.end();
      tell();
    });
  });
  const { client } = ask();
  await client.received(5);
  client.leave();
  await told;
  const other = ask({ head: 'other' });
  await other.client.ended;
  assert.deepEqual(aborted, ['done']);
  assert.equal(client.body.toString(), 'first');
});

test('a call whose client has left before is not carried at all', async (t) => {
  const served: string[] = [];
  const { ask } = await pair(t, (head, _body, reply) => {
    served.push(head);
    reply.send(200, [], '');
  });
  const gone = new Client();
  gone.leave();
  ask({ head: 'gone', client: gone });
  await ask({ head: 'here' }).client.ended;
  assert.deepEqual(served, ['here']);
});

test('a stream whose reader takes nothing is cut off by its owner at a bound', async (t) => {
  let aborted = false;
  let refused: () => void = () => undefined;
  const cutOff = new Promise<void>((resolve) => {
    refused = resolve;
  });
  const { asker, ask } = await pair(t, (_head, _body, reply) => {
    reply.onAbort(() => {
      aborted = true;
      refused();
    });
    reply.open(200, []);
    // All in one turn: no credit can come back meanwhile.
    for (let i = 0; i < 20; i++) reply.write(pattern(1_000_000));
    assert.equal(reply.state, 'done');
  });
  const { client, lost } = ask();
  await Promise.all([client.ended, cutOff]);
  assert.equal(aborted, true);
  assert.deepEqual(lost, [], 'its answer had begun');
  assert.ok(asker);
});

test('a call to a worker that is not there is lost before it was served', async (t) => {
  const { asker } = await pair(t, () => undefined);
  const client = new Client();
  const served = await new Promise<boolean>((resolve) => {
    asker.forward('nobody', 'route', { head: '', body: '', reply: client, lost: resolve });
  });
  assert.equal(served, false);
  assert.equal(client.state, 'open', 'still to be answered');
});

test('when the owner dies, unanswered calls are lost, streams end, and later calls reach its successor', async (t) => {
  const { asker, runtimeDir } = await pair(t, () => undefined);
  const sockets: Socket[] = [];
  let arrived: () => void = () => undefined;
  const connected = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const mute = createServer((socket) => {
    sockets.push(socket);
    socket.once('data', () => arrived());
  });
  await new Promise<void>((resolve) => mute.listen(socketPath(runtimeDir, 'mute'), resolve));
  const lost = [1, 2].map(
    () =>
      new Promise<boolean>((resolve) => {
        asker.forward('mute', 'route', {
          head: '',
          body: pattern(FIVE_MB),
          reply: new Client(),
          lost: resolve,
        });
      }),
  );
  await connected;
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => mute.close(resolve));
  assert.deepEqual(await Promise.all(lost), [true, true]);

  const successor = new Relay({ runtimeDir, id: 'mute', forwarded: () => undefined });
  successor.register('route', (_head, _body, reply) => reply.send(200, [], 'back'));
  await successor.listen();
  t.after(() => successor.close());
  const client = new Client();
  asker.forward('mute', 'route', { head: '', body: '', reply: client, lost: () => assert.fail('lost') });
  await client.ended;
  assert.equal(client.body.toString(), 'back');
});

test('a stream whose owner dies in the middle just ends', async (t) => {
  const { owner, ask } = await pair(t, (_head, _body, reply) => {
    reply.open(200, []);
    reply.write('half');
  });
  const { client, lost } = ask();
  await client.received(4);
  await owner.close();
  await client.ended;
  assert.deepEqual(lost, []);
  assert.equal(client.body.toString(), 'half');
});

test('when the asking worker dies, the owner is told that its clients are gone', async (t) => {
  let tell: () => void = () => undefined;
  const told = new Promise<void>((resolve) => {
    tell = resolve;
  });
  let arrived: () => void = () => undefined;
  const serving = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const { asker, ask } = await pair(t, (_head, _body, reply) => {
    reply.onAbort(tell);
    arrived();
  });
  ask();
  await serving;
  await asker.close();
  await told;
});
