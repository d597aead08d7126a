import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { FRAME, FrameReader, FrameWriter, fitIn, readCall, readHead } from './frames.ts';
import { Link } from './link.ts';
import { OwnedStream } from './owned-stream.ts';
import { WindowedSender } from './sender.ts';

const WINDOW_BYTES = 262_144;
const PART_BYTES = 65_536;

function written(write: (frames: FrameWriter) => void): Buffer {
  const frames = new FrameWriter(() => undefined);
  write(frames);
  return frames.take();
}

test('frames are found again however the bytes were cut', () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 });
  fc.assert(
    fc.property(payloads, fc.integer({ min: 1, max: 60 }), (list, size) => {
      const bytes = written((frames) => {
        for (const [i, payload] of list.entries()) frames.part(FRAME.data, 4_000_000_000 + i, payload);
      });
      const found: [number, number, number[]][] = [];
      const reader = new FrameReader((type, stream, payload) => found.push([type, stream, [...payload]]));
      for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
      assert.deepEqual(
        found,
        list.map((payload, i) => [FRAME.data, 4_000_000_000 + i, [...payload]]),
      );
    }),
    { numRuns: 1_000, seed: 9 },
  );
});

test('a call and an answer are read as they were written', () => {
  const payloadOf = (write: (frames: FrameWriter) => void): Buffer => written(write).subarray(9);
  const callOf = (...call: [requestId: string, head: string, body: string | undefined]) =>
    readCall(payloadOf((frames) => frames.call(1, ...call)));
  const whole = callOf('é-1', 'head é', 'body é');
  assert.deepEqual([whole.requestId, whole.head, whole.body?.toString()], ['é-1', 'head é', 'body é']);
  assert.equal(callOf('', '', undefined).body, undefined);
  assert.equal(callOf('', '', '').body?.length, 0);
  const { status, headers, rest } = readHead(
    payloadOf((frames) => frames.answer(FRAME.send, 1, 200, [['a', 'é']], ['x', 'é😀', Buffer.from('y')])),
  );
  assert.deepEqual([status, headers, rest.toString()], [200, [['a', 'é']], 'xé😀y']);
});

test('what was taken stays as it is while more is written, and nothing is lost where the memory ends', () => {
  const frames = new FrameWriter(() => undefined);
  const taken: Buffer[] = [];
  const sizes = Array.from({ length: 400 }, (_, i) => (i * 7919) % 1_500);
  for (const [i, size] of sizes.entries()) {
    frames.call(i, 'id', 'é'.repeat(size % 50), Buffer.alloc(size, i));
    if (i % 3 === 0) taken.push(frames.take());
  }
  taken.push(frames.take());
  const found: number[] = [];
  const reader = new FrameReader((_type, stream, payload) => {
    const { head, body } = readCall(payload);
    assert.equal(head.length, (sizes[stream] ?? 0) % 50);
    assert.ok(body?.every((byte) => byte === stream % 256));
    found[stream] = body?.length ?? -1;
  });
  for (const bytes of taken) reader.push(bytes);
  assert.deepEqual(found, sizes);
});

test('texts fit by their bytes', () => {
  assert.equal(fitIn(6, ['é', Buffer.alloc(4)]), true);
  assert.equal(fitIn(5, ['é', Buffer.alloc(4)]), false);
  assert.equal(fitIn(5_000, ['x'.repeat(5_000)]), true);
  assert.equal(fitIn(5_000, ['é'.repeat(2_501)]), false);
});

function sender() {
  const parts: number[] = [];
  let finished = 0;
  const windowed = new WindowedSender(
    (part) => parts.push(part.byteLength),
    () => finished++,
  );
  const sent = (): number => parts.reduce((sum, bytes) => sum + bytes, 0);
  return { windowed, parts, sent, finished: () => finished };
}

test('a sender sends one window, in parts, and no byte more until it gets credit', () => {
  const { windowed, parts, sent, finished } = sender();
  windowed.write(Buffer.alloc(1_000_000));
  windowed.end();
  assert.equal(sent(), WINDOW_BYTES);
  assert.equal(windowed.queuedBytes, 1_000_000 - WINDOW_BYTES);
  assert.ok(parts.every((bytes) => bytes <= PART_BYTES));
  windowed.credit(10);
  assert.equal(sent(), WINDOW_BYTES + 10);
  windowed.credit(1_000_000);
  assert.deepEqual([sent(), windowed.queuedBytes, finished()], [1_000_000, 0, 1]);
  windowed.credit(5);
  windowed.end();
  windowed.write('late');
  assert.deepEqual([sent(), finished()], [1_000_000, 1]);
});

test('an end without bytes is told at once', () => {
  const { windowed, finished } = sender();
  windowed.end();
  assert.equal(finished(), 1);
});

async function link(t: TestContext): Promise<Link> {
  const server = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const socket = connect(address.port, '127.0.0.1');
  t.after(() => {
    socket.destroy();
    server.close();
  });
  return new Link(
    socket,
    () => undefined,
    () => undefined,
  );
}

test('a large answer that nobody takes to its end is let go when its client leaves', async (t) => {
  let over = 0;
  const answer = new OwnedStream(
    1,
    await link(t),
    (_head, _body, reply) => reply.send(200, [], Buffer.alloc(5_000_000)),
    () => over++,
  );
  answer.take(FRAME.call, written((frames) => frames.call(1, 'r', 'h', '')).subarray(9));
  assert.equal(over, 0, 'most of it still waits for credit');
  answer.take(FRAME.abort, Buffer.alloc(0));
  assert.equal(over, 1);
  answer.take(FRAME.credit, written((frames) => frames.credit(1, 5_000_000)).subarray(9));
  assert.equal(over, 1, 'nothing is sent any more');
});
