/**
 * The data plane's promise: a message passes through with its id and its progress token replaced, and no other
 * character changed. Held against a slow reference that shares no code with it, on 100,000 messages.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MessageForm, oddMessage } from '../../test/harness/odd-json.ts';
import { slowRewrite } from '../../test/harness/slow-rewrite.ts';
import { readLarge } from '../../workers/messages.ts';
import type { Chunk } from '../http/engine.ts';
import { type Message, payloadOf, rewrite } from './message.ts';
import { type Malformed, readMessage } from './read-message.ts';

const SEED = 20_260_728;
const MAX_CHOICES = 160;

const TOKEN_PATH: Record<MessageForm, string> = {
  request: 'params._meta.progressToken',
  progress: 'params.progressToken',
  result: 'nowhere',
  error: 'nowhere',
};

const PAYLOAD: Record<MessageForm, string> = {
  request: 'params',
  progress: 'params',
  result: 'result',
  error: 'error',
};

const forms: readonly MessageForm[] = ['request', 'progress', 'result', 'error'];
const choices = fc.uint8Array({ maxLength: MAX_CHOICES, size: 'max' });
const newIds = fc.constantFrom('1', '123456789', '"a"', '"\\"id\\":2"', '""', '"é"');

function textOf(chunks: Chunk | readonly Chunk[]): string {
  if (typeof chunks === 'string') return chunks;
  const parts = chunks instanceof Uint8Array ? [chunks] : chunks;
  return Buffer.concat(parts.map((part) => Buffer.from(part as string))).toString();
}

function read(found: Message | Malformed, text: string): Message {
  if (found.kind === 'malformed') assert.fail(`${JSON.stringify(text)}: ${found.reason}`);
  return found;
}

/** Everything that must hold for one message, read as text or as bytes. */
function check(text: string, form: MessageForm, newId: string, source: string | Uint8Array): void {
  const message = read(typeof source === 'string' ? readMessage(source) : readLarge(source), text);
  const expected = slowRewrite(text, newId, { token: '"t"', tokenPath: TOKEN_PATH[form] });
  assert.equal(textOf(rewrite(message, newId, '"t"')), expected.text);
  assert.equal(message.id, expected.id);
  assert.equal(message.token, expected.token);

  const parsed = JSON.parse(text) as Record<string, unknown>;
  assert.equal(message.method, parsed['method'] ?? '');
  const payload = payloadOf(message);
  assert.deepEqual(payload && JSON.parse(textOf(payload)), parsed[PAYLOAD[form]]);
}

for (const form of forms) {
  test(`${form}: a message passes with its id and token replaced and nothing else touched`, () => {
    fc.assert(
      fc.property(choices, newIds, (list, newId) => {
        const text = oddMessage(list, form);
        check(text, form, newId, text);
      }),
      { numRuns: 20_000, seed: SEED },
    );
  });

  test(`${form}: a message passes just so when it is read as bytes`, () => {
    fc.assert(
      fc.property(choices, newIds, (list, newId) => {
        const text = oddMessage(list, form);
        check(text, form, newId, new Uint8Array(Buffer.from(text)));
      }),
      { numRuns: 5_000, seed: SEED + 1 },
    );
  });
}

test('a message that is rewritten on the way there and back is what it was, on one line', () => {
  fc.assert(
    fc.property(choices, (list) => {
      const text = oddMessage(list, 'request');
      const message = read(readMessage(text), text);
      const there = textOf(rewrite(message, '7', '8'));
      const back = rewrite(read(readMessage(there), there), message.id ?? '', message.token);
      assert.equal(textOf(back), message.text);
    }),
    { numRuns: 5_000, seed: SEED + 2 },
  );
});
