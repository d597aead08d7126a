import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyClient } from '../../test/harness/reply-client.ts';
import { workerShelf } from './event-shelf.ts';
import { EventStreams } from './event-streams.ts';
import { Outlet } from './outlet.ts';

function create(version = '2025-11-25'): { outlet: Outlet; streams: EventStreams } {
  const streams = new EventStreams(workerShelf(), version);
  return { outlet: new Outlet(streams), streams };
}

test('the GET stream gets what was held, in order, and then each message once', () => {
  const { outlet } = create();
  assert.equal(outlet.send('lost'), false);
  outlet.hold('1');
  outlet.hold('2');
  const client = new ReplyClient();
  outlet.open(client, false);
  assert.equal(outlet.send('3'), true);
  assert.deepEqual(client.events, ['1', '2', '3']);
  client.leave();
  assert.equal(outlet.isOpen, false);
  outlet.hold('4');
  const next = new ReplyClient();
  outlet.open(next, false);
  assert.deepEqual(next.events, ['4']);
});

test('a second GET stream is refused and leaves the first one alone', () => {
  const { outlet } = create();
  const [first, second] = [new ReplyClient(), new ReplyClient()];
  outlet.open(first, false);
  assert.throws(() => outlet.open(second, false), /one GET stream open already/);
  outlet.send('x');
  assert.deepEqual([first.events, second.events], [['x'], []]);
});

test('a client that is gone before its stream opens takes nothing with it', () => {
  const { outlet } = create();
  outlet.hold('kept');
  const gone = new ReplyClient();
  gone.leave();
  outlet.open(gone, false);
  assert.equal(outlet.isOpen, false);
  const client = new ReplyClient();
  outlet.open(client, false);
  assert.deepEqual(client.events, ['kept']);
});

test('what nobody fetches is held up to a bound, the newest of it', () => {
  const { outlet } = create();
  for (let i = 0; i < 300; i++) outlet.hold(`${i}`);
  const client = new ReplyClient();
  outlet.open(client, false);
  assert.deepEqual([client.events.length, client.events[0], client.events.at(-1)], [256, '44', '299']);
});

test('a stream that is closed early says when to come again, and goes on then', () => {
  const { outlet, streams } = create();
  const client = new ReplyClient();
  outlet.open(client, false);
  outlet.send('1');
  outlet.release();
  assert.match(client.text, /retry: 1000\n\n$/);
  assert.equal(client.state, 'done');
  outlet.hold('2');
  const again = new ReplyClient();
  assert.equal(streams.resume(client.ids.at(-1) ?? '', again), true);
  outlet.send('3');
  assert.deepEqual([again.events, again.state], [['2', '3'], 'streaming']);
});

test('a client that comes back takes the place of its old connection, even one that seems to live', () => {
  const { outlet, streams } = create();
  const client = new ReplyClient();
  outlet.open(client, false);
  outlet.send('1');
  const again = new ReplyClient();
  streams.resume(client.ids.at(-1) ?? '', again);
  assert.equal(client.state, 'done');
  client.leave();
  outlet.send('2');
  assert.deepEqual(again.events, ['2']);
});

test('the events of a client that cannot come back have no ids', () => {
  const { outlet } = create();
  const client = new ReplyClient();
  outlet.open(client, true);
  outlet.send('1');
  assert.deepEqual([client.events, client.ids], [['1'], []]);
});
