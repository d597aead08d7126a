import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Child } from '../pool/child.ts';
import type { Message } from '../protocol/message.ts';
import { readMessage } from '../protocol/read-message.ts';
import { ToolGate } from '../protocol/tool-gate.ts';
import type { Delivery } from './delivery.ts';
import { workerShelf } from './event-shelf.ts';
import { OwnSession } from './own-session.ts';
import { MAX_QUESTIONS } from './questions.ts';

function read(text: string): Message {
  const message = readMessage(text);
  if (message.kind === 'malformed') assert.fail(message.reason);
  return message;
}

/** Answers need none. */
const NO_DELIVERY = undefined as unknown as Delivery;

/** A session whose child keeps what it is sent. */
function open(capabilities: Record<string, unknown> = { roots: {} }) {
  const sent: string[] = [];
  const connection = { send: (text: string) => sent.push(text) };
  const tools = new ToolGate([]);
  const session = new OwnSession(
    { id: 'x', server: 'one', principal: 'p', version: '2025-06-18' },
    {
      child: { connection } as unknown as Child,
      shelf: workerShelf(),
      capabilities,
      died: () => undefined,
    },
  );
  return {
    sent,
    asks: (id: string, method = 'roots/list') =>
      session.received(read(`{"jsonrpc":"2.0","id":${id},"method":"${method}"}`)),
    withdraws: (id: string) =>
      session.received(
        read(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`),
      ),
    answers(id: string): string {
      const text = `{"jsonrpc":"2.0","id":${id},"result":{}}`;
      session.take(read(text), NO_DELIVERY, tools);
      return text;
    },
  };
}

test('the answer to a question of the server reaches it, however either side spells the id', () => {
  for (const [asked, answered] of [
    ['1', '1'],
    ['"q"', '"q"'],
    ['"a\\/b"', '"a/b"'],
    ['"\\u00e9\\ud83d\\ude00"', '"é😀"'],
    ['"é"', '"\\u00E9"'],
    ['1.0', '1'],
    ['1e2', '100'],
    ['-0', '0'],
    ['123456789012345678901', '123456789012345678901'],
  ] as const) {
    const { sent, asks, answers } = open();
    asks(asked);
    assert.deepEqual(sent, []);
    const text = answers(answered);
    assert.deepEqual(sent, [text]);
  }
});

test('an answer to what was not asked, was answered, or was withdrawn does not reach the server', () => {
  const { sent, asks, answers, withdraws } = open();
  asks('1');
  answers('"1"');
  answers('2');
  asks('9007199254740993');
  answers('9007199254740992');
  asks('"w\\/"');
  withdraws('"w/"');
  answers('"w/"');
  assert.deepEqual(sent, []);
  const text = answers('1');
  answers('1');
  assert.deepEqual(sent, [text]);
});

test('a question that the client cannot take is answered for it', () => {
  const { sent, asks, answers } = open({});
  asks('"q"');
  const { id, error } = JSON.parse(sent[0] ?? '');
  assert.deepEqual([id, error.code], ['q', -32601]);
  asks('5', 'ping');
  assert.equal(sent[1], '{"jsonrpc":"2.0","id":5,"result":{}}');
  answers('"q"');
  assert.equal(sent.length, 2);
});

test('questions that a client leaves unanswered are remembered up to a limit', () => {
  const { sent, asks, answers } = open();
  for (let id = 0; id < MAX_QUESTIONS; id++) asks(`${id}`);
  assert.deepEqual(sent, []);
  asks('"one more"');
  const { id, error } = JSON.parse(sent[0] ?? '');
  assert.deepEqual([id, error.code], ['one more', -32603]);
  answers('0');
  asks('"again"');
  assert.equal(sent.length, 2);
});
