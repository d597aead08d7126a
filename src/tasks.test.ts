import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { getPriority } from 'node:os';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { BridgeError } from './errors.ts';
import { type BridgeCall, readBridgeCall } from './protocol/bridge-call.ts';
import { LARGE_MESSAGE_BYTES } from './protocol/large.ts';
import { payloadOf, rewrite } from './protocol/message.ts';
import { createTasks } from './tasks.ts';

function tasksFor(t: TestContext) {
  const tasks = createTasks(1);
  t.after(() => tasks.close());
  return tasks;
}

/** A message of more than LARGE_MESSAGE_BYTES, in an ArrayBuffer of its own. */
const large = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const FILLER = 'é'.repeat(LARGE_MESSAGE_BYTES);

test('a small message is read at once, from text and from bytes', (t) => {
  const tasks = tasksFor(t);
  const text = '{"jsonrpc":"2.0","id":1,"method":"é"}';
  for (const source of [text, Buffer.from(text)]) {
    const found = tasks.readMessage(source);
    assert.ok(!(found instanceof Promise));
    assert.equal(found.kind === 'request' && found.method, 'é');
  }
});

test('a large message is read in a thread and comes back as its bytes, ready to be rewritten', async (t) => {
  const text = `{\n"jsonrpc":"2.0","result":"${FILLER}","n":9007199254740993,"id":"a"}`;
  const source = large(text);
  const reading = tasksFor(t).readMessage(source);
  assert.ok(reading instanceof Promise);
  const message = await reading;
  assert.equal(source.byteLength, 0, 'the bytes were given away, not copied');
  assert.ok(message.kind === 'result' && message.text instanceof Uint8Array);
  assert.equal(message.id, '"a"');
  const parts = rewrite(message, '5', undefined) as readonly (string | Uint8Array)[];
  const answer = Buffer.concat(parts.map((part) => Buffer.from(part as string))).toString();
  assert.equal(answer, text.replace('\n', ' ').replace('"id":"a"', '"id":5'));
});

test('a large message that is a part of its buffer is read as that part', async (t) => {
  const text = `{"jsonrpc":"2.0","result":"${FILLER}","id":1}`;
  const message = await tasksFor(t).readMessage(large(`${text}\r`).subarray(0, -1));
  assert.ok(message.kind === 'result' && message.text instanceof Uint8Array);
  assert.equal(Buffer.from(message.text).toString(), text);
});

test('a message in parts is read as one; a part that shares its memory with others is not taken from them', async (t) => {
  const text = `{"jsonrpc":"2.0","result":"${FILLER}","id":1}`;
  const bytes = Buffer.from(text);
  const shared = Buffer.from('{"jsonrpc":"2.0","id":7,"method":"x"}\n'.repeat(1_000));
  const head = new Uint8Array(bytes.subarray(0, 100_001));
  const tail = Buffer.concat([bytes.subarray(100_001), shared]).subarray(0, bytes.length - 100_001);
  const message = await tasksFor(t).readMessage([head, tail]);
  assert.ok(message.kind === 'result' && message.text instanceof Uint8Array);
  assert.equal(Buffer.from(message.text).toString(), text);
  assert.deepEqual([head.byteLength, tail.byteLength], [0, bytes.length - 100_001]);
});

test('a large call of /bridge is read in a thread as a small one on the loop, and its bytes come back', async (t) => {
  const body = `{"params":{"name":"é","n":9007199254740993,"x":"${FILLER}"},"serverPath":"s","args":["a"],"env":{"A":"1"},"method":"tools/call"}`;
  const source = large(body);
  const read = await tasksFor(t).readBridgeCall(source);
  assert.equal(source.byteLength, 0, 'the bytes were given away, not copied');
  assert.equal(Buffer.from(read.body).toString(), body);
  const wanted = readBridgeCall(body);
  const { message } = read.call;
  assert.ok(message.text instanceof Uint8Array);
  assert.equal(Buffer.from(message.text).toString(), wanted.message.text);
  assert.equal(Buffer.from(payloadOf(message) as Uint8Array).toString(), payloadOf(wanted.message));
  const told = ({ call }: { call: BridgeCall }) => {
    const { text: _text, idSpan: _id, payloadSpan: _payload, ...rest } = call.message;
    return { ...call, message: rest };
  };
  assert.deepEqual(told(read), told({ call: wanted }));
});

test('a large call of /bridge is refused in the words of a small one', async (t) => {
  const tasks = tasksFor(t);
  const members = Array.from({ length: 100_001 }, (_, i) => `"${i}":0`).join(',');
  for (const body of [
    `{"serverPath":"s","method":"x","params":{${members}}}`,
    `{"serverPath":"s","method":"x","params":{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
    `{"serverPath":"s","method":"x","params":{"x":"${FILLER}"}`,
    `{"serverPath":"s","method":"x","${FILLER}":1}`,
    `["${FILLER}"]`,
  ]) {
    const refusal = (): unknown => {
      try {
        return readBridgeCall(body);
      } catch (error) {
        return error;
      }
    };
    const wanted = refusal();
    assert.ok(wanted instanceof BridgeError);
    const { code, message } = wanted;
    await assert.rejects(tasks.readBridgeCall(large(body)), { name: wanted.name, code, message });
  }
});

test('large bytes that are not UTF-8 come back as valid text with its places', async (t) => {
  const source = large(`{"jsonrpc":"2.0","result":"${FILLER}?","id":1}`);
  source[source.indexOf(0x3f)] = 0xff;
  const message = await tasksFor(t).readMessage(source);
  assert.ok(message.kind === 'result' && message.text instanceof Uint8Array && message.idSpan);
  const { start, end } = message.idSpan;
  assert.equal(Buffer.from(message.text.subarray(start, end)).toString(), '1');
});

test('a large text that is no message is told as such', async (t) => {
  const tasks = tasksFor(t);
  const [broken, noMessage] = await Promise.all([
    tasks.readMessage(large(`{"x":"${FILLER}`)),
    tasks.readMessage(large(`["${FILLER}"]`)),
  ]);
  assert.equal(broken.kind === 'malformed' && broken.code, 'parse_error');
  assert.equal(noMessage.kind === 'malformed' && noMessage.code, 'invalid_request');
});

test('a message of a client is held to a number of keys, small or large; one of a server is not', async (t) => {
  const tasks = tasksFor(t);
  const members = Array.from({ length: 100_001 }, (_, i) => `"${i}":0`).join(',');
  const text = `{"jsonrpc":"2.0","id":1,"method":"x","params":{${members}}}`;
  for (const source of [text, large(text)]) {
    const found = await tasks.readClientMessage(source);
    assert.ok(found.kind === 'malformed');
    assert.match(found.reason, /more than 100000 keys/);
  }
  for (const source of [text, large(text)]) {
    assert.equal((await tasks.readMessage(source)).kind, 'request');
  }
});

const LINUX = {
  skip:
    (process.platform !== 'linux' && 'only on Linux has a thread a priority of its own') ||
    (getPriority() !== 0 && 'the tests themselves run with another priority than 0'),
};

test(
  'task threads are nicer than the event loop, and as nice as a process that is nicer still',
  LINUX,
  async () => {
    const said = async (niceness: string): Promise<string> => {
      const args = ['--import', 'tsx', 'test/fixtures/task-niceness.ts', niceness];
      const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
      return stdout.trim();
    };
    // The 0 among the others is that of the threads that node starts by itself.
    assert.equal(await said('0'), 'result 0 0,10');
    assert.equal(await said('15'), 'result 15 0,15');
  },
);
