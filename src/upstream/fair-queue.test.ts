import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairQueue } from './fair-queue.ts';

function drain(queue: FairQueue<string>): string[] {
  const order: string[] = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) order.push(item);
  return order;
}

test('lanes take turns, each in the order of its arrivals', () => {
  const queue = new FairQueue<string>();
  for (const item of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1']) queue.push(item[0] as string, item);
  assert.equal(queue.size, 7);
  assert.deepEqual(drain(queue), ['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4']);
  assert.equal(queue.size, 0);
});

test('who comes late waits one turn, however long the queue of another is', () => {
  const queue = new FairQueue<string>();
  for (let i = 0; i < 1000; i++) queue.push('greedy', `g${i}`);
  assert.equal(queue.shift(), 'g0');
  queue.push('modest', 'm');
  assert.equal(queue.shift(), 'g1');
  assert.equal(queue.shift(), 'm');
});

test('what gave up is gone, once', () => {
  const queue = new FairQueue<string>();
  queue.push('a', 'a1');
  queue.push('a', 'a2');
  assert.equal(queue.delete('a', 'a1'), true);
  assert.equal(queue.delete('a', 'a1'), false);
  assert.equal(queue.delete('b', 'a2'), false);
  assert.deepEqual([...queue], ['a2']);
  assert.deepEqual(drain(queue), ['a2']);
  assert.equal(queue.size, 0);
});
