import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import pino from 'pino';
import { Deadlines } from './deadline.ts';
import type { RawRequest, RawResponse } from './http/engine.ts';
import { Exchange } from './http/exchange.ts';
import { HeaderList } from './http/header-list.ts';
import { JSON_HEADERS, SSE_HEADERS } from './http/reply.ts';
import { createTraffic } from './traffic.ts';

const INTERVAL_MS = 10_000;

function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const deadlines = new Deadlines();
  const log = pino({ level: 'silent' });
  const traffic = createTraffic({ log, record: () => undefined, deadlines, id: 'w' });
  t.after(() => {
    traffic.close();
    deadlines.close();
  });
  return {
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
