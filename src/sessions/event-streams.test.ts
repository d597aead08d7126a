import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyClient } from '../../test/harness/reply-client.ts';
import { Delivery } from './delivery.ts';
import { Shelf, sessionShelf, streamShelf, workerShelf } from './event-shelf.ts';
import { EventStreams } from './event-streams.ts';

const LAST = -1;

function call(streams: EventStreams, request = '7') {
  const client = new ReplyClient();
  const delivery = new Delivery(client, {
    expected: 1,
    batch: false,
    streams: true,
    events: streams,
    request,
  });
  return { client, delivery };
}

function comeBack(streams: EventStreams, lastEventId: string | undefined): ReplyClient {
  const client = new ReplyClient();
  assert.equal(streams.resume(lastEventId ?? '', client), true);
  return client;
}

test('an answer that is no stream is kept nowhere', () => {
  const shelf = workerShelf();
  const { client, delivery } = call(new EventStreams(shelf, '2025-11-25'));
  delivery.answer('"result"');
  assert.deepEqual([client.type, client.text, shelf.size], ['application/json', '"result"', 0]);
});

test('a client of 2025-11-25 can come back before the first event; an older one gets no event without data', () => {
  const newer = call(new EventStreams(workerShelf(), '2025-11-25'));
  newer.delivery.event('"progress"');
  assert.match(newer.client.text, /^id: (\S+)\ndata: \n\nevent: message\nid: \S+\ndata: "progress"\n\n$/);
  const older = call(new EventStreams(workerShelf(), '2025-06-18'));
  older.delivery.event('"progress"');
  assert.match(older.client.text, /^event: message\nid: \S+\ndata: "progress"\n\n$/);
});

test('what a client has missed of an answer comes when it comes back, each event once', () => {
  const shelf = workerShelf();
  const streams = new EventStreams(shelf, '2025-11-25');
  const { client, delivery } = call(streams);
  delivery.event('1');
  delivery.event('2');
  client.leave();
  assert.deepEqual([delivery.canStream, delivery.isBroken], [false, true]);
  delivery.event('3');
  const again = comeBack(streams, client.ids.at(LAST));
  assert.deepEqual([again.events, again.state], [['3'], 'streaming']);
  again.leave();
  delivery.answer('"result"');
  const once = comeBack(streams, again.ids.at(LAST));
  assert.deepEqual([once.events, once.state], [['"result"'], 'done']);
  const primed = comeBack(streams, client.ids[0]);
  assert.deepEqual(primed.events, ['"result"'], 'what was seen is let go');
});

test('a client that has seen the end is told that there is no more', () => {
  const streams = new EventStreams(workerShelf(), '2025-11-25');
  const { client, delivery } = call(streams);
  delivery.event('1');
  delivery.answer('"result"');
  assert.equal(comeBack(streams, client.ids.at(LAST)).status, 204);
});

test('ids are unique among the streams of a session, and of one stream only its own events come again', () => {
  const streams = new EventStreams(workerShelf(), '2025-11-25');
  const [one, two] = [call(streams, '1'), call(streams, '2')];
  for (const { delivery } of [one, two]) delivery.event('first');
  one.client.leave();
  two.client.leave();
  one.delivery.answer('"of one"');
  two.delivery.answer('"of two"');
  const ids = [...one.client.ids, ...two.client.ids];
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(comeBack(streams, two.client.ids.at(LAST)).events, ['"of two"']);
  assert.deepEqual(comeBack(streams, one.client.ids.at(LAST)).events, ['"of one"']);
});

test('an answer that is not kept any more, or was never known, is replaced by an error, once', () => {
  const streams = new EventStreams(workerShelf(), '2025-11-25');
  const { client, delivery } = call(streams, '"mine"');
  delivery.event('1');
  client.leave();
  // More than any stream may keep.
  delivery.answer(['"', 'x'.repeat(17 * 1024 * 1024), '"']);
  const elsewhere = new EventStreams(workerShelf(), '2025-11-25');
  for (const where of [streams, elsewhere]) {
    const again = comeBack(where, client.ids.at(LAST));
    const { id, error } = JSON.parse(again.events[0] ?? '');
    assert.deepEqual([again.events.length, again.state, id], [1, 'done', 'mine']);
    assert.deepEqual([error.code, error.data.code], [-32603, 'answer_lost']);
    assert.equal(comeBack(where, again.ids.at(LAST)).status, 204);
  }
});

test('a GET stream that nobody knows makes place for another one; what is no id is refused', () => {
  const streams = new EventStreams(workerShelf(), '2025-11-25');
  assert.equal(streams.resume('abcdefgh.1.5', new ReplyClient()), false);
  const forged = Buffer.from('{"a":\n1}').toString('base64url');
  for (const bad of [
    '',
    '5',
    'a.b.c',
    'abcdefgh.1.-5',
    'abcdefgh.1.5.',
    `abcdefgh.1.5.${forged}`,
    'x'.repeat(9_999),
  ]) {
    assert.throws(
      () => streams.resume(bad, new ReplyClient()),
      /Last-Event-ID ".*" is the id of no event/,
      bad,
    );
  }
});

test('an answer that two turns find missing becomes a stream, one that has come does not', () => {
  const { client, delivery } = call(new EventStreams(workerShelf(), '2025-11-25'));
  delivery.lasts(4);
  delivery.lasts(4);
  assert.equal(client.state, 'open');
  delivery.lasts(5);
  assert.deepEqual([client.state, client.ids.length], ['streaming', 1]);
  delivery.answer('"result"');
  delivery.lasts(6);
  assert.deepEqual(client.events, ['"result"']);
});

test('streams that are over are forgotten, those that are not stay', () => {
  const shelf = workerShelf();
  const streams = new EventStreams(shelf, '2025-11-25');
  const open = call(streams, '"open"');
  open.delivery.event('1');
  open.client.leave();
  for (let i = 0; i < 300; i++) {
    const { delivery } = call(streams, `${i}`);
    delivery.event('progress');
    delivery.answer('result');
  }
  assert.ok(shelf.size <= 512, `${shelf.size}`);
  open.delivery.answer('"result"');
  assert.deepEqual(comeBack(streams, open.client.ids.at(LAST)).events, ['"result"']);
  streams.close();
  assert.deepEqual([shelf.size, shelf.bytes], [0, 0]);
});

test('a shelf keeps the newest, within its own bounds and those of the shelf around it', () => {
  const worker = new Shelf({ events: 5, bytes: 100 });
  const [one, two] = [
    new Shelf({ events: 3, bytes: 50 }, worker),
    new Shelf({ events: 3, bytes: 50 }, worker),
  ];
  const numbers = (shelf: Shelf) => [...shelf].map(({ number }) => number);
  for (let i = 1; i <= 4; i++) one.put(i, 'x');
  assert.deepEqual([numbers(one), worker.size, worker.bytes], [[2, 3, 4], 3, 3]);
  for (let i = 1; i <= 3; i++) two.put(i, 'y');
  assert.deepEqual(
    [numbers(one), numbers(two)],
    [
      [3, 4],
      [1, 2, 3],
    ],
    'the oldest of all went',
  );
  two.put(4, 'z'.repeat(49));
  assert.deepEqual([numbers(two), two.bytes], [[3, 4], 50]);
  two.put(5, 'é'.repeat(26));
  assert.deepEqual([numbers(two), two.bytes], [[], 0], 'bytes are counted, not characters');
  one.clear();
  assert.deepEqual([worker.size, worker.bytes], [0, 0]);
});

test('the bounds of streams, sessions and workers hold one another', () => {
  const worker = workerShelf();
  const session = sessionShelf(worker);
  const streams = Array.from({ length: 6 }, () => streamShelf(session));
  for (const stream of streams) for (let i = 0; i < 300; i++) stream.put(i, 'x');
  assert.deepEqual([streams[0]?.size, streams[5]?.size, session.size], [0, 256, 1_024]);
});
