import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LARGE_MESSAGE_BYTES } from '../protocol/large.ts';
import { type LineListener, LineSplitter } from './lines.ts';
import { StderrTail } from './stderr-tail.ts';

function split(chunks: readonly Buffer[], maxBytes = 1_000) {
  const lines: string[] = [];
  const tooLong: number[] = [];
  const splitter = new LineSplitter(maxBytes, {
    line: (text) => lines.push(text),
    tooLong: (bytes) => tooLong.push(bytes),
  });
  for (const chunk of chunks) splitter.push(chunk);
  return { lines, tooLong, rest: splitter.rest().toString() };
}

test('any cutting into chunks gives the same lines, in the middle of characters too', () => {
  const piece = fc.constantFrom('a', 'é😀', '\n', '\r\n', '\r', '\n\n', '{"x":1}', '');
  const texts = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(texts, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (text, sizes) => {
      const bytes = Buffer.from(text);
      const chunks: Buffer[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length] ?? 1;
        chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      const wanted = text.split('\n');
      const rest = wanted.pop();
      const lines = wanted.map((line) => line.replace(/\r$/, '')).filter((line) => line !== '');
      assert.deepEqual(split(chunks), { lines, tooLong: [], rest });
    }),
    { numRuns: 5_000, seed: 7 },
  );
});

test('a line beyond the limit is told before it ends, and its bytes are let go', () => {
  const chunk = Buffer.from('x'.repeat(40));
  const { lines, tooLong, rest } = split([chunk, chunk, chunk], 100);
  assert.deepEqual({ lines, tooLong, rest }, { lines: [], tooLong: [120], rest: '' });
});

test('lines up to the limit pass', () => {
  const line = 'x'.repeat(100);
  assert.deepEqual(split([Buffer.from(line), Buffer.from('\n')], 100).lines, [line]);
});

test('a large line comes in the parts that were pushed, or as one where nobody asks for parts', () => {
  const half = 'x'.repeat(LARGE_MESSAGE_BYTES / 2);
  const chunks = [`a\n${half}`, `${half}y`, '\nb\n'].map((text) => Buffer.from(text));
  const seen: (number | readonly number[])[] = [];
  const listener: LineListener = {
    line: (text) => seen.push(text.length),
    tooLong: () => assert.fail('no line is too long'),
  };
  const pushAll = (one: LineListener): void => {
    const splitter = new LineSplitter(2 * LARGE_MESSAGE_BYTES, one);
    for (const chunk of chunks) splitter.push(chunk);
  };
  pushAll({ ...listener, largeLine: (parts) => seen.push(parts.map(({ length }) => length)) });
  pushAll(listener);
  const large = LARGE_MESSAGE_BYTES + 1;
  assert.deepEqual(seen, [1, [half.length, half.length + 1, 0], 1, 1, large, 1]);
});

test('the last lines of stderr are quoted, the unfinished one included', () => {
  const logged: string[] = [];
  const tail = new StderrTail((line) => logged.push(line));
  assert.equal(tail.quoted(), '');
  for (let i = 1; i <= 12; i++) tail.push(Buffer.from(`line ${i}\n`));
  tail.push(Buffer.from('and th'));
  tail.push(Buffer.from('en'));
  const kept = [4, 5, 6, 7, 8, 9, 10, 11, 12].map((i) => `line ${i}`);
  assert.equal(tail.quoted(), ` Its last stderr lines: ${[...kept, 'and then'].join(' | ')}`);
  assert.equal(logged.length, 13);
});

test('a flood without line ends on stderr is neither kept nor quoted whole', () => {
  const logged: string[] = [];
  const tail = new StderrTail((line) => logged.push(line));
  for (let i = 0; i < 100; i++) tail.push(Buffer.from('x'.repeat(10_000)));
  tail.push(Buffer.from(`${'y'.repeat(2_000)}\n`));
  assert.ok(logged.length < 20 && logged.every((line) => line.length <= 501));
  assert.ok(tail.quoted().length < 6_000);
});
