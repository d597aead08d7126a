import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveUp, OwnBytes } from './own-bytes.ts';

test('what is given up is empty with all of its slices, and nothing else is', () => {
  const own = new OwnBytes(new ArrayBuffer(10));
  const slices = [own.subarray(0, 4), own.subarray(4)];
  const others = [Buffer.alloc(10), new Uint8Array(10), 'text'];
  giveUp([slices[0], others[0], slices[1], others[1], others[2]]);
  assert.deepEqual(
    [own, ...slices, ...others].map(({ length }) => length),
    [0, 0, 0, 10, 10, 4],
  );
});

test('what is given up twice is given up once', () => {
  const own = new OwnBytes(new ArrayBuffer(10));
  giveUp([own]);
  giveUp([own]);
  assert.equal(own.byteLength, 0);
});
