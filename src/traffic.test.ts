import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import pino from 'pino';
import { Deadlines } from './deadline.ts';
import { asBridgeError, BridgeError } from './errors.ts';
import type { RawRequest, RawResponse } from './http/engine.ts';
import { Exchange } from './http/exchange.ts';
import { HeaderList } from './http/header-list.ts';
import { JSON_HEADERS, SSE_HEADERS } from './http/reply.ts';
import { errorAnswer, RPC_WITHOUT_ID, rpcErrorBody } from './http/send-error.ts';
import { createTraffic } from './traffic.ts';

const INTERVAL_MS = 10_000;

function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const deadlines = new Deadlines();
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const traffic = createTraffic({ log, record: () => undefined, deadlines, id: 'w' });
  t.after(() => {
    traffic.close();
    deadlines.close();
  });
  return {
    lines,
    tick: () => t.mock.timers.tick(INTERVAL_MS),
    exchange() {
      let written = '';
      const response = {
        listen: () => undefined,
        begin: () => undefined,
        write: (chunk: string | Uint8Array) => (written += Buffer.from(chunk as string).toString()),
        finish: () => undefined,
        buffered: 0,
      } as unknown as RawResponse;
      const request = { headers: new HeaderList(), method: 'GET' } as unknown as RawRequest;
      return { exchange: new Exchange(traffic.context, request, response), written: () => written };
    },
  };
}

test('an event stream that says nothing for a while says that it lives', (t) => {
  const { tick, exchange } = start(t);
  const stream = exchange();
  stream.exchange.open(200, SSE_HEADERS);
  stream.exchange.write('data: 1\n\n');
  tick();
  assert.equal(stream.written(), 'data: 1\n\n', 'it has spoken meanwhile');
  tick();
  assert.equal(stream.written(), 'data: 1\n\n:\n\n');
  tick();
  stream.exchange.write(Buffer.from('data: 2\n\n'));
  tick();
  assert.equal(stream.written(), 'data: 1\n\n:\n\n:\n\ndata: 2\n\n');
  stream.exchange.end();
  tick();
  tick();
  assert.equal(stream.written(), 'data: 1\n\n:\n\n:\n\ndata: 2\n\n');
});

test('no comment comes between the parts of an event, and none into what is no event stream', (t) => {
  const { tick, exchange } = start(t);
  const stream = exchange();
  stream.exchange.open(200, SSE_HEADERS);
  stream.exchange.write(['data: ', Buffer.from('half of')]);
  const json = exchange();
  json.exchange.open(413, JSON_HEADERS);
  json.exchange.write('{}');
  for (let i = 0; i < 3; i++) tick();
  assert.equal(stream.written(), 'data: half of');
  stream.exchange.write([Buffer.from(' it'), '\n\n']);
  for (let i = 0; i < 2; i++) tick();
  assert.equal(stream.written(), 'data: half of it\n\n:\n\n');
  assert.equal(json.written(), '{}');
});

test('what failed on this side has one line with the id of its request, however it was told', (t) => {
  const { lines } = start(t);
  errorAnswer(new BridgeError('server_timeout', 'Too slow.'), 'http', 'w-1');
  errorAnswer(new BridgeError('server_died', 'It ended.'), RPC_WITHOUT_ID, 'w-2');
  rpcErrorBody(asBridgeError(new TypeError('x is not a function')), '7', 'w-3');
  for (const code of ['at_limit', 'server_error', 'unauthorized', 'server_backing_off'] as const)
    errorAnswer(new BridgeError(code, 'No.'), 'http', 'w-4');
  const told = lines.map(({ msg, requestId, code, reason }) => ({ msg, requestId, code, reason }));
  assert.deepEqual(told, [
    { msg: 'a request failed', requestId: 'w-1', code: 'server_timeout', reason: 'Too slow.' },
    { msg: 'a request failed', requestId: 'w-2', code: 'server_died', reason: 'It ended.' },
    {
      msg: 'a request failed by a defect of the bridge',
      requestId: 'w-3',
      code: undefined,
      reason: undefined,
    },
  ]);
  assert.match(JSON.stringify(lines[2]), /x is not a function/);
});
