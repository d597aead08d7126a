import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ReplyClient } from '../../test/harness/reply-client.ts';
import { Deadlines } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import type { Child, ChildOwner } from '../pool/child.ts';
import { reread } from '../protocol/message-edit.ts';
import { ModernRequest } from '../protocol/modern-request.ts';
import { Delivery } from './delivery.ts';
import type { McpCall } from './mcp-call.ts';
import { ParkedCalls } from './parked-calls.ts';
import { type CallState, isCarried, RequestStates } from './request-state.ts';

const PARK_MS = 1_000;
const COLLECT_MS = 5;
const MOST_OF_ONE = 750;

const QUESTION = reread('{"jsonrpc":"2.0","id":"q","method":"roots/list"}');
const MESSAGE = reread('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}');
const capabilities = { roots: {} };
const REQUEST = new ModernRequest(MESSAGE, { capabilities, logLevel: undefined });

function create(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const deadlines = new Deadlines();
  t.after(() => deadlines.close());
  const states = new RequestStates('secret');
  let nowMs = 0;
  const parked = new ParkedCalls({ states, deadlines, worker: 'w', parkMs: PARK_MS, wallClock: () => nowMs });
  const call = { server: 'one', principal: { key: 'p' } } as unknown as McpCall;
  const answerTo = (): { client: ReplyClient; delivery: Delivery } => {
    const client = new ReplyClient();
    return { client, delivery: new Delivery(client, { expected: 1, batch: false, streams: true }) };
  };
  return {
    parked,
    answerTo,
    wait: (ms: number) => (nowMs += ms),
    /** A call whose server has asked something; its state. */
    ask(): CallState {
      const sent: string[] = [];
      const connection = {
        request: () => 1,
        send: (text: string) => sent.push(text),
        extend: () => undefined,
      };
      const child = { connection, owner: undefined as unknown as ChildOwner } as unknown as Child;
      const { client, delivery } = answerTo();
      const started = {
        call,
        message: MESSAGE,
        request: REQUEST,
        capabilities,
        delivery,
        child,
        early: [],
        over: () => undefined,
      };
      parked.start(started);
      child.owner.received(QUESTION, child);
      t.mock.timers.tick(COLLECT_MS);
      const state = states.open(JSON.parse(client.text).result.requestState);
      assert.ok(state !== undefined && !isCarried(state));
      return state;
    },
  };
}

const invalid = (error: unknown): boolean =>
  error instanceof BridgeError && error.details.data?.['reason'] === 'invalid_request_state';

test('so many calls of one principal may wait for their client, and others have room', (t) => {
  const { parked, ask } = create(t);
  for (let i = 0; i < MOST_OF_ONE; i++) {
    parked.checkRoom('p');
    ask();
  }
  assert.throws(
    () => parked.checkRoom('p'),
    (error) => error instanceof BridgeError && error.code === 'at_limit',
  );
  parked.checkRoom('another');
});

test('what a retry does not answer is asked again, and each round is answered once', (t) => {
  const bench = create(t);
  const state = bench.ask();
  const { client, delivery } = bench.answerTo();
  const answered = reread(
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","inputResponses":{}}}',
  );
  const retry = new ModernRequest(answered, { capabilities, logLevel: undefined });
  bench.parked.resume(state, answered, retry, delivery);
  t.mock.timers.tick(COLLECT_MS);
  assert.equal(JSON.parse(client.text).result.resultType, 'input_required', 'what is missing is asked again');
  assert.throws(
    () => bench.parked.resume(state, MESSAGE, REQUEST, bench.answerTo().delivery),
    invalid,
    'once per round',
  );
});

test('a state that is too old, of another round or of no call goes on with nothing', (t) => {
  const { parked, ask, wait, answerTo } = create(t);
  const state = ask();
  for (const wrong of [
    { ...state, round: 1 },
    { ...state, park: 'another' },
    { ...state, expiresAt: 0 },
  ]) {
    assert.throws(() => parked.resume(wrong, MESSAGE, REQUEST, answerTo().delivery), invalid);
  }
  wait(PARK_MS);
  assert.throws(() => parked.resume(state, MESSAGE, REQUEST, answerTo().delivery), invalid);
});
