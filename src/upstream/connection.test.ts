import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import pino from 'pino';
import { Deadlines, type Expirable } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import type { Chunk } from '../http/engine.ts';
import { type Message, rewrite } from '../protocol/message.ts';
import { readMessage } from '../protocol/read-message.ts';
import { type Asker, Connection, type ConnectionDeps } from './connection.ts';
import type { Transport, TransportListener } from './transport.ts';

function read(text: string): Message {
  const message = readMessage(text);
  if (message.kind === 'malformed') assert.fail(message.reason);
  return message;
}

// biome-ignore lint/suspicious/noExplicitAny: what was sent is looked into by assertions only
type Json = any;

/** A server in memory: what it was sent, and a hand that answers. */
class MemoryServer implements Transport {
  readonly pid = undefined;
  backlog = 0;
  isClosed = false;
  readonly sent: Json[] = [];
  readonly listener: TransportListener;

  constructor(listener: TransportListener) {
    this.listener = listener;
  }

  send(message: Chunk | readonly Chunk[]): void {
    this.sent.push(JSON.parse(message as string));
  }

  async close(): Promise<void> {
    this.die();
  }

  say(text: string): void {
    this.listener.message(read(text));
  }

  answer(id: number | string, result: unknown = {}): void {
    this.say(JSON.stringify({ jsonrpc: '2.0', id, result }));
  }

  progress(token: number | string): void {
    this.say(
      JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token } }),
    );
  }

  die(reason = new BridgeError('server_died', 'It died.')): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.listener.closed(reason);
  }
}

/** Time passes by hand: what was set first ends first. */
class HandDeadlines extends Deadlines {
  readonly #waiting = new Map<Expirable, number>();

  override set(entry: Expirable, lengthMs: number): void {
    this.#waiting.delete(entry);
    this.#waiting.set(entry, lengthMs);
  }

  override cancel(entry: Expirable): void {
    this.#waiting.delete(entry);
  }

  /** The lengths that were asked for, of those that have not ended. */
  get lengths(): number[] {
    return [...this.#waiting.values()];
  }

  expireFirst(): void {
    const [first] = this.#waiting.keys();
    assert.ok(first, 'nothing has a deadline');
    this.#waiting.delete(first);
    first.expire();
  }
}

class Recorder implements Asker {
  readonly heard: string[] = [];
  answer: Message | undefined;
  error: BridgeError | undefined;

  answered(message: Message): void {
    this.answer = message;
    this.heard.push(message.kind);
  }

  progressed(message: Message): void {
    this.heard.push(`progress ${message.token}`);
  }

  failed(error: BridgeError): void {
    this.error = error;
    this.heard.push(error.code);
  }
}

function connect(t: TestContext, options: Partial<ConnectionDeps> = {}) {
  const deadlines = new HandDeadlines();
  t.after(() => deadlines.close());
  const outcomes: string[] = [];
  const received: Message[] = [];
  const closed: BridgeError[] = [];
  const queued: number[] = [];
  let server: MemoryServer | undefined;
  const connection = new Connection(
    {
      server: 'one',
      log: pino({ enabled: false }) as unknown as ConnectionDeps['log'],
      deadlines,
      timeoutMs: 60_000,
      maxConcurrent: 8,
      received: (message) => received.push(message),
      closed: (reason) => closed.push(reason),
      finished: (method, outcome) => outcomes.push(`${method} ${outcome}`),
      queued: (seconds) => queued.push(seconds),
      ...options,
    },
    (listener) => {
      server = new MemoryServer(listener);
      return server;
    },
  );
  assert.ok(server);
  return { connection, server, deadlines, outcomes, received, closed, queued };
}

const request = (id: number | string, method = 'tools/call', token?: number | string): Message =>
  read(
    JSON.stringify({
      jsonrpc: '2.0',
      id,
      method,
      params: token === undefined ? {} : { _meta: { progressToken: token } },
    }),
  );

test('requests with the same id get ids of their own, and each asker its own answer', (t) => {
  const { connection, server, outcomes } = connect(t);
  const [a, b] = [new Recorder(), new Recorder()];
  connection.request(request('same'), a);
  connection.request(request('same'), b);
  const [first, second] = server.sent;
  assert.notEqual(first.id, second.id);
  server.answer(second.id, 'for b');
  server.answer(first.id, 'for a');
  assert.equal(
    rewrite(a.answer as Message, '"same"', undefined),
    '{"jsonrpc":"2.0","id":"same","result":"for a"}',
  );
  assert.equal(
    rewrite(b.answer as Message, '"same"', undefined),
    '{"jsonrpc":"2.0","id":"same","result":"for b"}',
  );
  assert.deepEqual(outcomes, ['tools/call ok', 'tools/call ok']);
  assert.equal(connection.inFlight, 0);
});

test("a server's error is an answer", (t) => {
  const { connection, server, outcomes } = connect(t);
  const asker = new Recorder();
  connection.request(request(1), asker);
  server.say(`{"jsonrpc":"2.0","error":{"code":-1,"message":"no"},"id":${server.sent[0].id}}`);
  assert.deepEqual(asker.heard, ['error']);
  assert.deepEqual(outcomes, ['tools/call error']);
});

test('answers that nobody waits for are dropped: of unknown ids, of another type, a second time', (t) => {
  const { connection, server, received } = connect(t);
  const asker = new Recorder();
  connection.request(request(1), asker);
  const { id } = server.sent[0];
  server.answer(id + 1);
  server.answer(`${id}`);
  server.say('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}');
  assert.deepEqual(asker.heard, []);
  server.answer(id);
  server.answer(id);
  assert.deepEqual(asker.heard, ['result']);
  assert.deepEqual(received, []);
});

test('progress finds its call under a token of ours, and nobody else hears it', (t) => {
  const { connection, server } = connect(t);
  const [asks, asksNot] = [new Recorder(), new Recorder()];
  connection.request(request(1, 'tools/call', 'same'), asks);
  connection.request(request(2), asksNot);
  const [first, second] = server.sent;
  const token = first.params._meta.progressToken;
  assert.notEqual(token, 'same');
  for (const each of [token, second.id, 999, `${token}`, 'same']) server.progress(each);
  assert.deepEqual(asks.heard, [`progress ${token}`]);
  assert.deepEqual(asksNot.heard, []);
  server.answer(first.id);
  server.progress(token);
  assert.deepEqual(asks.heard, [`progress ${token}`, 'result'], 'nothing after the answer');
});

test('a request without an answer in time fails, and the server is told that it is cancelled', (t) => {
  const { connection, server, deadlines, outcomes } = connect(t, { timeoutMs: 20 });
  const asker = new Recorder();
  connection.request(request(1), asker);
  const { id } = server.sent[0];
  assert.deepEqual(deadlines.lengths, [20]);
  deadlines.expireFirst();
  assert.equal(asker.error?.code, 'server_timeout');
  assert.match(asker.error?.message ?? '', /"one" did not answer "tools\/call" within 20 ms/);
  assert.equal(server.sent[1].method, 'notifications/cancelled');
  assert.equal(server.sent[1].params.requestId, id);
  assert.deepEqual(outcomes, ['tools/call timeout']);
  server.answer(id);
  assert.deepEqual(asker.heard, ['server_timeout'], 'a late answer is dropped');
});

test('an initialize that takes too long is not cancelled upstream, which MCP forbids', (t) => {
  const { connection, server, deadlines } = connect(t);
  const asker = new Recorder();
  connection.request(request(1, 'initialize'), asker);
  deadlines.expireFirst();
  assert.deepEqual(asker.heard, ['server_timeout']);
  connection.cancel(connection.request(request(2, 'initialize'), new Recorder()), 'left');
  assert.deepEqual(
    server.sent.map(({ method }) => method),
    ['initialize', 'initialize'],
  );
});

test('progress gives a request its whole time again, an answer ends it', (t) => {
  const { connection, server, deadlines } = connect(t);
  const [busy, silent] = [new Recorder(), new Recorder()];
  connection.request(request(1, 'tools/call', 'p'), busy);
  connection.request(request(2), silent);
  server.progress(server.sent[0].id);
  deadlines.expireFirst();
  assert.deepEqual([busy.error?.code, silent.error?.code], [undefined, 'server_timeout']);
  server.answer(server.sent[0].id);
  assert.deepEqual(deadlines.lengths, []);
});

test('beyond maxConcurrent requests wait their turn, in order', (t) => {
  const { connection, server, queued } = connect(t, { maxConcurrent: 2 });
  const askers = [1, 2, 3, 4].map((id) => {
    const asker = new Recorder();
    connection.request(request(id, `m${id}`), asker);
    return asker;
  });
  const methods = () => server.sent.map(({ method }) => method);
  assert.deepEqual(methods(), ['m1', 'm2']);
  assert.equal(connection.inFlight, 4);
  server.answer(server.sent[1].id);
  assert.deepEqual(methods(), ['m1', 'm2', 'm3']);
  server.answer(server.sent[0].id);
  assert.deepEqual(methods(), ['m1', 'm2', 'm3', 'm4']);
  server.answer(server.sent[3].id);
  server.answer(server.sent[2].id);
  for (const asker of askers) assert.deepEqual(asker.heard, ['result']);
  assert.equal(queued.length, 2);
});

test('a full queue refuses, names its numbers, and takes more as soon as one is done', (t) => {
  const { connection, server, outcomes } = connect(t, { maxConcurrent: 1 });
  for (let i = 0; i < 9; i++) connection.request(request(i), new Recorder());
  assert.throws(
    () => connection.request(request(9), new Recorder()),
    (error) =>
      error instanceof BridgeError &&
      error.code === 'at_limit' &&
      /1 requests in flight and 8 waiting/.test(error.message),
  );
  assert.deepEqual(outcomes, ['tools/call refused']);
  server.answer(server.sent[0].id);
  connection.request(request(10), new Recorder());
});

test('a server that does not read its input is sent no more', (t) => {
  const { connection, server } = connect(t);
  server.backlog = 100_000_000;
  assert.throws(() => connection.request(request(1), new Recorder()), /does not read its input/);
  server.backlog = 0;
  connection.request(request(1), new Recorder());
});

test('a server that asks and never reads its input is ended, and every asker hears why', (t) => {
  const { connection, server } = connect(t);
  const asker = new Recorder();
  connection.request(request(1), asker);
  server.backlog = 200_000_000;
  connection.send('{"jsonrpc":"2.0","id":"theirs","result":{}}');
  assert.equal(asker.error?.code, 'server_died');
  assert.match(asker.error?.message ?? '', /left 200000000 bytes of its input unread/);
  assert.equal(server.sent.length, 1, 'the answer was not added to them');
  assert.throws(() => connection.request(request(2), new Recorder()), /unread/);
});

test('a request that is cancelled while it waits never reaches the server', (t) => {
  const { connection, server, outcomes } = connect(t, { maxConcurrent: 1 });
  const waiting = new Recorder();
  connection.request(request(1, 'first'), new Recorder());
  const id = connection.request(request(2, 'second'), waiting);
  connection.request(request(3, 'third'), new Recorder());
  connection.cancel(id, 'left');
  server.answer(server.sent[0].id);
  assert.deepEqual(
    server.sent.map(({ method }) => method),
    ['first', 'third'],
  );
  assert.deepEqual(waiting.heard, []);
  assert.deepEqual(outcomes, ['second cancelled', 'first ok']);
});

test('a request that is cancelled in flight is cancelled upstream, once, and its answer is dropped', (t) => {
  const { connection, server } = connect(t, { maxConcurrent: 1 });
  const asker = new Recorder();
  const id = connection.request(request(1), asker);
  connection.request(request(2, 'next'), new Recorder());
  connection.cancel(id, 'the "client" left');
  connection.cancel(id, 'again');
  const told = server.sent.filter(({ method }) => method === 'notifications/cancelled');
  assert.deepEqual(
    told.map(({ params }) => params),
    [{ requestId: id, reason: 'the "client" left' }],
  );
  assert.ok(
    server.sent.some(({ method }) => method === 'next'),
    'its place is free',
  );
  server.answer(id);
  assert.deepEqual(asker.heard, []);
});

test('a request that never got its turn says so, and the server hears nothing of it', (t) => {
  const { connection, server, deadlines } = connect(t, { maxConcurrent: 1 });
  const waiting = new Recorder();
  connection.request(request(1, 'tools/call', 'p'), new Recorder());
  connection.request(request(2, 'late'), waiting);
  server.progress(server.sent[0].id);
  deadlines.expireFirst();
  assert.match(waiting.error?.message ?? '', /had no place for "late"/);
  server.answer(server.sent[0].id);
  assert.equal(server.sent.length, 1);
});

test('when the server is gone, every asker hears the reason before the owner does, and later ones at once', (t) => {
  const order: string[] = [];
  const { connection, server } = connect(t, { maxConcurrent: 1, closed: () => order.push('owner') });
  for (const name of ['sent', 'waiting']) {
    connection.request(request(name), {
      answered: () => assert.fail('nothing was answered'),
      progressed: () => assert.fail('nothing was answered'),
      failed: (error) => order.push(`${name} ${error.code}`),
    });
  }
  server.die(new BridgeError('server_died', 'It died.'));
  assert.deepEqual(order, ['sent server_died', 'waiting server_died', 'owner']);
  assert.equal(server.sent.length, 1, 'nothing is sent to a dead server');
  assert.equal(connection.isClosed, true);
  assert.throws(() => connection.request(request(3), new Recorder()), /It died/);
});

test('closing fails what is in flight and resolves when the server is gone', async (t) => {
  const { connection, closed } = connect(t);
  const asker = new Recorder();
  connection.request(request(1), asker);
  await connection.close();
  assert.deepEqual(asker.heard, ['server_died']);
  assert.equal(closed.length, 1);
});

test("a server's own requests and notifications go to the owner, in order", (t) => {
  const { server, received } = connect(t);
  server.say('{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}');
  server.say('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}');
  assert.deepEqual(
    received.map(({ kind, method }) => `${kind} ${method}`),
    ['request sampling/createMessage', 'notification notifications/tools/list_changed'],
  );
});
