import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyClient } from '../../test/harness/reply-client.ts';
import { BridgeError } from '../errors.ts';
import { Delivery, type DeliveryOptions } from './delivery.ts';

function deliver(options: Partial<DeliveryOptions> = {}) {
  const client = new ReplyClient();
  return { client, delivery: new Delivery(client, { expected: 1, batch: false, streams: true, ...options }) };
}

const failure = new BridgeError('server_timeout', 'Too late.');

test('an answer that comes first is plain JSON', () => {
  const { client, delivery } = deliver();
  delivery.addHeaders([['Mcp-Session-Id', 'x']]);
  delivery.answer(['{"id":', Buffer.from('1'), '}']);
  assert.deepEqual(
    [client.status, client.type, client.text, client.state],
    [200, 'application/json', '{"id":1}', 'done'],
  );
  assert.ok(client.headers.some(([name]) => name === 'Mcp-Session-Id'));
});

test('something before the answer turns it into a stream that the answer ends', () => {
  const { client, delivery } = deliver();
  delivery.addHeaders([['Mcp-Session-Id', 'x']]);
  assert.equal(delivery.event('"progress"'), true);
  assert.ok(client.headers.some(([name]) => name === 'Mcp-Session-Id'));
  delivery.answer(['"ans', 'wer"']);
  assert.deepEqual(
    [client.type, client.events, client.state],
    ['text/event-stream', ['"progress"', '"answer"'], 'done'],
  );
});

test('a client that takes no stream, or is gone, gets no events', () => {
  const plain = deliver({ streams: false });
  assert.equal(plain.delivery.event('x'), false);
  assert.equal(plain.client.state, 'open');
  const gone = deliver();
  gone.client.leave();
  assert.equal(gone.delivery.event('x'), false);
  gone.delivery.answer('late');
  assert.equal(gone.client.text, '');
});

test('a failure has its status while there is one to give, and is an event afterwards', () => {
  const first = deliver();
  first.delivery.fail('"a"', failure);
  assert.equal(first.client.status, 504);
  assert.equal(JSON.parse(first.client.text).id, 'a');
  const later = deliver();
  later.delivery.event('"progress"');
  later.delivery.fail('"a"', failure);
  assert.equal(later.client.status, 200);
  assert.equal(JSON.parse(later.client.events[1] ?? '').error.data.code, 'server_timeout');
  assert.equal(later.client.state, 'done');
});

test('a batch is one array, complete when the last answer is there; failures are among them', () => {
  const { client, delivery } = deliver({ expected: 3, batch: true });
  delivery.answer('1');
  delivery.fail('2', failure);
  assert.equal(client.state, 'open');
  delivery.answer(['3', Buffer.from('0')]);
  const [one, error, three] = JSON.parse(client.text);
  assert.deepEqual([client.status, one, error.id, three], [200, 1, 2, 30]);
});

test('a batch that becomes a stream sends what it has, then each answer as it comes', () => {
  const { client, delivery } = deliver({ expected: 2, batch: true });
  delivery.answer('"one"');
  delivery.event('"progress"');
  delivery.answer('"two"');
  assert.deepEqual([client.events, client.state], [['"one"', '"progress"', '"two"'], 'done']);
});

test('a cancelled request is answered with the end of its stream, or with nothing', () => {
  const streaming = deliver();
  streaming.delivery.event('"progress"');
  streaming.delivery.skip();
  assert.deepEqual([streaming.client.events, streaming.client.state], [['"progress"'], 'done']);
  const silent = deliver();
  silent.delivery.skip();
  assert.deepEqual([silent.client.status, silent.client.text, silent.client.state], [200, '', 'done']);
  const plain = deliver({ streams: false });
  plain.delivery.skip();
  assert.deepEqual([plain.client.status, plain.client.text], [202, '']);
  const batch = deliver({ expected: 2, batch: true });
  batch.delivery.answer('1');
  batch.delivery.skip();
  assert.equal(batch.client.text, '[1]');
});
