import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message } from '../protocol/message.ts';
import { readMessage } from '../protocol/read-message.ts';
import type { Asker } from '../upstream/connection.ts';
import type { Child } from './child.ts';
import { UpstreamListen } from './upstream-listen.ts';

const ALL = { tools: { listChanged: true }, resources: { subscribe: true } };

/** A child that keeps what it is told. */
function fakeChild(capabilities: object) {
  const listens: { id: number; wanted: unknown; asker: Asker }[] = [];
  const cancelled: number[] = [];
  const connection = {
    subscribe(message: Message, asker: Asker): number {
      const id = listens.length + 1;
      listens.push({ id, wanted: JSON.parse(String(message.text)).params.notifications, asker });
      return id;
    },
    cancel: (id: number) => cancelled.push(id),
  };
  const child = { state: 'ready', facts: { capabilities }, connection } as unknown as Child;
  return { child, listens, cancelled };
}

function notification(method: string, id: number): Message {
  const params = { _meta: { 'io.modelcontextprotocol/subscriptionId': id } };
  const message = readMessage(JSON.stringify({ jsonrpc: '2.0', method, params }));
  assert.equal(message.kind, 'notification');
  return message as Message;
}

const acknowledged = (id: number): Message => notification('notifications/subscriptions/acknowledged', id);
const changed = (id: number): Message => notification('notifications/tools/list_changed', id);

test('a server is asked for what it declares, and for nothing when it declares nothing', () => {
  const able = fakeChild(ALL);
  new UpstreamListen(able.child).want(['a:b']);
  assert.deepEqual(able.listens[0]?.wanted, { toolsListChanged: true, resourceSubscriptions: ['a:b'] });
  const unable = fakeChild({ tools: {} });
  new UpstreamListen(unable.child).want(['a:b']);
  assert.equal(unable.listens.length, 0);
});

test('who subscribes waits until the server has acknowledged', async () => {
  const { child } = fakeChild(ALL);
  const listen = new UpstreamListen(child);
  listen.want([]);
  assert.equal(listen.hears(changed(1)), false, 'nothing counts before');
  assert.equal(listen.hears(acknowledged(1)), false, 'it is for nobody else');
  await listen.settled;
  assert.equal(listen.hears(changed(1)), true);
});

test('a changed wish is acknowledged before the old listen is cancelled, and both together tell once', async () => {
  const { child, listens, cancelled } = fakeChild(ALL);
  const listen = new UpstreamListen(child);
  listen.want([]);
  listen.hears(acknowledged(1));
  listen.want(['a:b']);
  assert.equal(listens.length, 2);
  assert.deepEqual(cancelled, []);
  assert.equal(listen.hears(changed(1)), true, 'the old one still tells');
  listen.hears(acknowledged(2));
  assert.deepEqual(cancelled, [1]);
  assert.deepEqual([listen.hears(changed(1)), listen.hears(changed(2))], [false, true]);
});

test('the same wish is not sent twice, and one that is overtaken is cancelled', () => {
  const { child, listens, cancelled } = fakeChild(ALL);
  const listen = new UpstreamListen(child);
  listen.want([]);
  listen.want([]);
  assert.equal(listens.length, 1);
  listen.want(['a:b']);
  assert.deepEqual(cancelled, [1]);
});

test('a server that does not know the method is not asked again; one that ended the listen is', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const answer = (text: string) => readMessage(text) as Message;
  const unknown = fakeChild(ALL);
  new UpstreamListen(unknown.child).want([]);
  unknown.listens[0]?.asker.answered(
    answer('{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}'),
  );
  const ended = fakeChild(ALL);
  new UpstreamListen(ended.child).want([]);
  ended.listens[0]?.asker.answered(answer('{"jsonrpc":"2.0","id":1,"result":{}}'));
  t.mock.timers.tick(1_000);
  await new Promise(setImmediate);
  assert.deepEqual([unknown.listens.length, ended.listens.length], [1, 2]);
});
