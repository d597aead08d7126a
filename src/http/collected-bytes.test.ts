import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LARGE_MESSAGE_BYTES } from '../protocol/large.ts';
import { CollectedBytes } from './collected-bytes.ts';

const sizes = fc.array(fc.integer({ min: 0, max: 90_000 }), { minLength: 1, maxLength: 12 });

test('pieces of any size are the body, whether its length was known or not', () => {
  fc.assert(
    fc.property(sizes, fc.boolean(), (lengths, isKnown) => {
      const body = Buffer.alloc(lengths.reduce((sum, length) => sum + length, 0));
      for (let i = 0; i < body.length; i++) body[i] = (i * 31 + (i >> 8)) & 0xff;
      const collected = new CollectedBytes(isKnown ? body.length : undefined);
      let at = 0;
      for (const length of lengths) {
        const piece = Buffer.from(body.subarray(at, at + length));
        collected.add(piece);
        piece.fill(0); // it was valid during the call only
        at += length;
      }
      assert.equal(collected.size, body.length);
      const whole = collected.whole();
      assert.ok(body.equals(whole));
      if (isKnown && body.length > LARGE_MESSAGE_BYTES) assert.equal(whole.buffer.byteLength, body.length);
    }),
    { numRuns: 200, seed: 7 },
  );
});

test('a length that was only claimed takes no memory', () => {
  const collected = new CollectedBytes(1_000_000_000);
  collected.add(Buffer.from('x'));
  assert.ok(collected.whole().buffer.byteLength < 100_000);
});
