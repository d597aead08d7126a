import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgeError } from '../errors.ts';
import { type Refusal, Subscriptions } from './subscriptions.ts';

const refused = new BridgeError('rejected_params', 'No such resource.');

/** A server that keeps what it is told; what it says to a subscription is for the test to say. */
function create(ready: () => Promise<BridgeError | undefined> = async () => undefined) {
  const told: string[] = [];
  const waiting: ((refusal: Refusal | undefined) => void)[] = [];
  const subscriptions = new Subscriptions({
    ready,
    tell: (method, uri) => {
      told.push(`${method.slice('resources/'.length)} ${uri}`);
      if (method === 'resources/unsubscribe') return Promise.resolve(undefined);
      return new Promise((resolve) => waiting.push(resolve));
    },
  });
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  return { subscriptions, told, turn, says: (refusal?: Refusal) => waiting.shift()?.(refusal) };
}

test('a server is told of the first subscriber and of the end of the last', async () => {
  const { subscriptions, told, turn, says } = create();
  const both = [subscriptions.add('a'), subscriptions.add('a')];
  await turn();
  says();
  assert.deepEqual(await Promise.all(both), [undefined, undefined]);
  assert.deepEqual(subscriptions.uris, ['a']);
  await subscriptions.remove('a');
  assert.deepEqual(told, ['subscribe a']);
  await subscriptions.remove('a');
  assert.deepEqual([told, subscriptions.uris], [['subscribe a', 'unsubscribe a'], []]);
});

test('a refusal is told to all who waited, leaves nothing counted, and the next one asks again', async () => {
  const { subscriptions, told, turn, says } = create();
  const both = [subscriptions.add('a'), subscriptions.add('a')];
  await turn();
  says(refused);
  assert.deepEqual(await Promise.all(both), [refused, refused]);
  assert.deepEqual(subscriptions.uris, []);
  await subscriptions.remove('a');
  const again = subscriptions.add('a');
  await turn();
  says();
  assert.equal(await again, undefined);
  assert.deepEqual(told, ['subscribe a', 'subscribe a']);
});

test('whoever leaves before the server has answered takes its subscription along', async () => {
  const { subscriptions, told, turn, says } = create();
  const first = subscriptions.add('a');
  await turn();
  await subscriptions.remove('a');
  const second = subscriptions.add('a');
  await turn();
  says(refused);
  says();
  assert.deepEqual([await first, await second], [refused, undefined], 'each has the answer to its own');
  assert.deepEqual(told, ['subscribe a', 'unsubscribe a', 'subscribe a']);
  assert.deepEqual(subscriptions.uris, ['a']);
});

test('without a server nothing is told, and nothing stays', async () => {
  const down = new BridgeError('server_start_failed', 'It does not start.');
  const { subscriptions, told } = create(async () => down);
  assert.equal(await subscriptions.add('a'), down);
  assert.deepEqual([told, subscriptions.uris], [[], []]);
});
