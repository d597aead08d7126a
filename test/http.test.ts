/** Engine, Exchange and body reading, on both engines, over real sockets. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Deadlines, type Expirable } from '../src/deadline.ts';
import { BridgeError } from '../src/errors.ts';
import { readBody } from '../src/http/body.ts';
import type { Listener } from '../src/http/engine.ts';
import { Exchange, requestIds } from '../src/http/exchange.ts';
import { createGate } from '../src/http/gate.ts';
import { JSON_HEADERS, MAX_BUFFERED_BYTES, SSE_HEADERS, TEXT_HEADERS } from '../src/http/reply.ts';
import { selectEngine } from '../src/http/select-engine.ts';
import { RPC_WITHOUT_ID, sendError } from '../src/http/send-error.ts';
import { sseEvent } from '../src/http/sse.ts';
import { LARGE_MESSAGE_BYTES } from '../src/protocol/large.ts';
import { OwnBytes } from '../src/protocol/own-bytes.ts';
import { RawClient } from './harness/raw-client.ts';

const MAX_BODY_BYTES = 1024 * 1024;

interface Finished {
  readonly path: string;
  readonly status: number;
}

interface Bench {
  readonly port: number;
  readonly listener: Listener;
  readonly finished: readonly Finished[];
  readonly deadlines: WatchedDeadlines;
  draining: boolean;
  /** Resolves with the next exchange whose status was reported. */
  nextFinished(): Promise<Finished>;
  client(): Promise<RawClient>;
}

/** Deadlines that a test can let expire, and see forgotten. */
class WatchedDeadlines extends Deadlines {
  readonly pending = new Set<Expirable>();
  #onSet: (() => void) | undefined;

  override set(entry: Expirable, lengthMs: number): void {
    this.pending.add(entry);
    super.set(entry, lengthMs);
    this.#onSet?.();
  }

  override cancel(entry: Expirable): void {
    this.pending.delete(entry);
    super.cancel(entry);
  }

  /** Resolves when a deadline is set that was not yet. */
  nextSet(): Promise<void> {
    return new Promise((resolve) => {
      this.#onSet = resolve;
    });
  }
}

for (const engineName of ['uws', 'node'] as const) {
  const serve = async (t: TestContext, route: (exchange: Exchange) => void): Promise<Bench> => {
    const engine = await selectEngine(engineName, assert.fail);
    const deadlines = new WatchedDeadlines();
    const finished: Finished[] = [];
    let started = 0;
    const waiting: ((finished: Finished) => void)[] = [];
    const context = {
      closing: () => bench.draining,
      nextRequestId: requestIds('w0'),
      deadlines,
      started() {
        started++;
      },
      streaming: () => undefined,
      finished(exchange: Exchange, status: number) {
        const entry = { path: exchange.request.path, status };
        finished.push(entry);
        for (const resolve of waiting.splice(0)) resolve(entry);
      },
    };
    const listener = await engine.listen({ host: '127.0.0.1', port: 0 }, (request, response) => {
      route(new Exchange(context, request, response));
    });
    t.after(() => {
      listener.close();
      deadlines.close();
      assert.ok(finished.length <= started, `${finished.length} ends of ${started} requests`);
    });
    const bench: Bench = {
      port: listener.port,
      listener,
      finished,
      deadlines,
      draining: false,
      nextFinished: () => new Promise((resolve) => waiting.push(resolve)),
      client: () => RawClient.open(t, listener.port),
    };
    return bench;
  };

  /** Answers what it was sent: `text:` or `bytes:`, its length and its digest. */
  const echo = (exchange: Exchange): void => {
    readBody(exchange, { maxBytes: MAX_BODY_BYTES, shape: 'http' }, (body) => {
      const kind = typeof body === 'string' ? 'text' : 'bytes';
      exchange.send(200, TEXT_HEADERS, `${kind}:${body.length}:${digest(body)}`);
    });
  };

  const behaves = (name: string, body: (t: TestContext) => Promise<void>): void => {
    test(`${engineName}: ${name}`, { timeout: 30_000 }, body);
  };

  behaves('the request arrives as it was sent', async (t) => {
    const bench = await serve(t, (exchange) => {
      const { method, path, query, headers, peerAddress } = exchange.request;
      exchange.send(
        200,
        JSON_HEADERS,
        JSON.stringify({ method, path, query, peerAddress, x: [...headers.entries()] }),
      );
    });
    const client = await bench.client();
    await client.send('DELETE /a%20b/../c?q=%41&r HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nx-oNe: 2\r\n\r\n');
    const { status, headers, body } = await client.answer();
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'application/json');
    const seen = JSON.parse(body.toString());
    assert.deepEqual(
      { method: seen.method, path: seen.path, query: seen.query, x: seen.x },
      {
        method: 'DELETE',
        path: '/a%20b/../c',
        query: 'q=%41&r',
        x: [
          ['host', 'h'],
          ['x-one', '1'],
          ['x-one', '2'],
        ],
      },
    );
    assert.match(seen.peerAddress, /127\.0\.0\.1|^[0:]*ffff:7f00:0001$/);
  });

  behaves('a fitting X-Request-Id is kept, any other replaced', async (t) => {
    const bench = await serve(t, (exchange) => exchange.send(200, TEXT_HEADERS, exchange.requestId));
    const client = await bench.client();
    await client.send('GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: abc-1.2_3\r\n\r\n');
    const kept = await client.answer();
    assert.equal(kept.headers.get('x-request-id'), 'abc-1.2_3');
    assert.equal(kept.body.toString(), 'abc-1.2_3');
    const ids = new Set<string | undefined>();
    for (const bad of ['a b', 'x'.repeat(65), '<script>']) {
      await client.send(`GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: ${bad}\r\n\r\n`);
      ids.add((await client.answer()).headers.get('x-request-id'));
    }
    assert.equal(ids.size, 3);
    for (const id of ids) assert.match(id ?? '', /^w0-[0-9a-z]+$/);
  });

  behaves('a body in many pieces is put together', async (t) => {
    const bench = await serve(t, echo);
    const client = await bench.client();
    const text = JSON.stringify({ text: 'grüße 你好 🎉'.repeat(50) });
    const bytes = Buffer.from(text);
    client.socket.setNoDelay(true);
    await client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${bytes.length}\r\n\r\n`);
    // Cuts characters in the middle.
    for (let i = 0; i < bytes.length; i += 7) await client.send(bytes.subarray(i, i + 7));
    assert.equal((await client.answer()).body.toString(), `text:${text.length}:${digest(text)}`);
    assert.equal(bench.deadlines.pending.size, 0);
  });

  behaves('a chunked body is put together', async (t) => {
    const bench = await serve(t, echo);
    const client = await bench.client();
    await client.send('POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n');
    await client.send('3\r\n{"a\r\n');
    await client.send('4\r\n":1}\r\n0\r\n\r\n');
    assert.equal((await client.answer()).body.toString(), `text:7:${digest('{"a":1}')}`);
  });

  behaves('an empty body is an empty string', async (t) => {
    const bench = await serve(t, echo);
    const client = await bench.client();
    await client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n');
    assert.equal((await client.answer()).body.toString(), `text:0:${digest('')}`);
  });

  behaves('a large body comes as bytes in an ArrayBuffer of their own', async (t) => {
    const bench = await serve(t, (exchange) => {
      readBody(exchange, { maxBytes: MAX_BODY_BYTES, shape: 'http' }, (body) => {
        assert.ok(body instanceof Uint8Array);
        assert.equal(body.buffer.byteLength, body.byteLength);
        structuredClone(body, { transfer: [body.buffer as ArrayBuffer] });
        exchange.send(200, TEXT_HEADERS, 'moved');
      });
    });
    const client = await bench.client();
    const body = 'x'.repeat(LARGE_MESSAGE_BYTES + 1);
    await client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    assert.equal((await client.answer()).body.toString(), 'moved');
  });

  behaves('a body of exactly the limit passes, whole', async (t) => {
    const bench = await serve(t, echo);
    const client = await bench.client();
    const body = 'é'.repeat(MAX_BODY_BYTES / 2);
    await client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${MAX_BODY_BYTES}\r\n\r\n${body}`);
    assert.equal((await client.answer()).body.toString(), `bytes:${MAX_BODY_BYTES}:${digest(body)}`);
  });

  behaves('a body declared over the limit is refused before it is sent', async (t) => {
    const bench = await serve(t, echo);
    const client = await bench.client();
    await client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${MAX_BODY_BYTES + 1}\r\n\r\n`);
    const head = await client.until('\r\n\r\n');
    assert.match(head, /^HTTP\/1\.1 413 /);
    assert.match(head, /Connection: close/i);
    assert.match(await client.until('}'), /"code":"body_too_large"/);
    // The client may finish: the rest is discarded, then the answer ends.
    await client.send(Buffer.alloc(MAX_BODY_BYTES + 1, 'x'));
    await client.until('\r\n0\r\n\r\n');
    assert.deepEqual(bench.finished, [{ path: '/', status: 413 }]);
  });

  behaves('a chunked body is refused where it passes the limit', async (t) => {
    const bench = await serve(t, echo);
    const client = await bench.client();
    await client.send('POST /mcp HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n');
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    for (let sent = 0; sent <= MAX_BODY_BYTES; sent += 0x10000) await client.send(chunk);
    assert.match(await client.until('}'), /HTTP\/1\.1 413 [\s\S]*"code":"body_too_large"/);
    await client.send('0\r\n\r\n');
    await client.until('\r\n0\r\n\r\n');
  });

  behaves('who goes on after a refusal is cut off at a bound', async (t) => {
    const bench = await serve(t, echo);
    const client = await bench.client();
    await client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n');
    await client.until('}');
    const megabyte = Buffer.alloc(1024 * 1024, 'x');
    let sent = 0;
    while (!client.socket.destroyed && sent < 1000) {
      await Promise.race([client.send(megabyte), client.closed]);
      sent++;
    }
    assert.ok(client.socket.destroyed, 'still open after 1000 MB');
  });

  behaves('bytes that are not UTF-8 are an invalid request', async (t) => {
    const bench = await serve(t, (exchange) => {
      readBody(exchange, { maxBytes: MAX_BODY_BYTES, shape: RPC_WITHOUT_ID }, () =>
        assert.fail('was delivered'),
      );
    });
    const client = await bench.client();
    await client.send(
      Buffer.from('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n{"\xff}', 'latin1'),
    );
    const { status, body } = await client.answer();
    assert.equal(status, 400);
    const answer = JSON.parse(body.toString());
    assert.equal(answer.error.code, -32600);
    assert.equal(answer.error.data.code, 'invalid_request');
    assert.equal(answer.id, null);
  });

  behaves('a body cut in the middle is never delivered', async (t) => {
    let delivered = false;
    const bench = await serve(t, (exchange) => {
      readBody(exchange, { maxBytes: MAX_BODY_BYTES, shape: 'http' }, () => {
        delivered = true;
      });
    });
    const client = await bench.client();
    await client.send('POST /cut HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{"half":');
    const finished = bench.nextFinished();
    client.socket.end();
    assert.deepEqual(await finished, { path: '/cut', status: 499 });
    assert.equal(bench.deadlines.pending.size, 0);
    assert.equal(delivered, false);
  });

  behaves('a sender that trickles is ended at its deadline', async (t) => {
    const bench = await serve(t, echo);
    const client = await bench.client();
    const set = bench.deadlines.nextSet();
    await client.send('POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{');
    await set;
    for (const entry of bench.deadlines.pending) entry.expire();
    await client.closed;
    assert.deepEqual(bench.finished, [{ path: '/slow', status: 499 }]);
    assert.equal(bench.deadlines.pending.size, 0);
  });

  behaves(
    'a client that neither finishes nor leaves after a refusal gets the end of its answer',
    async (t) => {
      const bench = await serve(t, echo);
      const client = await bench.client();
      await client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${MAX_BODY_BYTES + 1}\r\n\r\n`);
      await client.until('}');
      for (const entry of bench.deadlines.pending) entry.expire();
      await client.until('0\r\n\r\n');
      assert.equal(bench.deadlines.pending.size, 0);
    },
  );

  behaves('100-continue is answered, then the body read', async (t) => {
    const bench = await serve(t, echo);
    const client = await bench.client();
    await client.send('POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 100 Continue/);
    await client.send('{}');
    assert.equal((await client.answer()).body.toString(), `text:2:${digest('{}')}`);
  });

  behaves('pipelined requests are answered in their order', async (t) => {
    const bench = await serve(t, (exchange) => {
      const answer = (): void => exchange.send(200, TEXT_HEADERS, exchange.request.path);
      // uWebSockets.js takes pipelined requests only behind answered ones; with node the first one may wait.
      if (engineName === 'node' && exchange.request.path === '/1') setImmediate(answer);
      else answer();
    });
    const client = await bench.client();
    await client.send(['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).join(''));
    for (const path of ['/1', '/2', '/3']) assert.equal((await client.answer()).body.toString(), path);
  });

  behaves(
    'a request behind one that waits is served later or ends the connection, never mixed up',
    async (t) => {
      const bench = await serve(t, (exchange) => {
        setTimeout(() => exchange.send(200, TEXT_HEADERS, exchange.request.path), 20);
      });
      const client = await bench.client();
      await client.send('GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n');
      if (engineName === 'uws') {
        await client.closed;
        assert.deepEqual(bench.finished, [{ path: '/1', status: 499 }]);
      } else {
        for (const path of ['/1', '/2']) assert.equal((await client.answer()).body.toString(), path);
      }
    },
  );

  behaves('a refused request leaves its connection usable', async (t) => {
    const bench = await serve(t, (exchange) => {
      sendError(exchange, new BridgeError('unauthorized', 'No.'), 'http');
    });
    const client = await bench.client();
    for (let i = 0; i < 3; i++) {
      await client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n01234');
      assert.equal((await client.answer()).status, 401);
      await client.send('56789');
    }
  });

  behaves('HEAD and 204 have no body', async (t) => {
    const bench = await serve(t, (exchange) => {
      if (exchange.request.method === 'HEAD') exchange.send(200, TEXT_HEADERS, 'x'.repeat(300_000));
      else exchange.send(204, [], '');
    });
    const client = await bench.client();
    for (let i = 0; i < 2; i++) {
      await client.send('HEAD / HTTP/1.1\r\nHost: h\r\n\r\n');
      const head = await client.answer(true);
      assert.equal(head.status, 200);
      await client.send('OPTIONS /x HTTP/1.1\r\nHost: h\r\n\r\n');
      const options = await client.answer();
      assert.equal(options.status, 204);
      assert.equal(options.headers.get('content-length'), undefined);
    }
  });

  behaves('answers close their connection while the worker drains', async (t) => {
    const bench = await serve(t, (exchange) => exchange.send(200, TEXT_HEADERS, 'last'));
    const client = await bench.client();
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.equal((await client.answer()).headers.get('connection') === 'close', false);
    bench.draining = true;
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    const { headers, body } = await client.answer();
    assert.equal(headers.get('connection'), 'close');
    assert.equal(body.toString(), 'last');
    await client.closed;
  });

  behaves('a large answer of a draining worker arrives whole', async (t) => {
    const payload = Buffer.alloc(3_000_000, 'abcdefg');
    const bench = await serve(t, (exchange) => exchange.send(200, TEXT_HEADERS, payload));
    bench.draining = true;
    const client = await bench.client();
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.equal(digest((await client.answer()).body), digest(payload));
    await client.closed;
  });

  behaves('a 5 MB answer of text and bytes arrives intact, twice', async (t) => {
    const parts = [
      '{"jsonrpc":"2.0","id":',
      Buffer.from('7'),
      '',
      ',"result":"',
      'grüße '.repeat(800_000),
      '"}',
    ];
    const bench = await serve(t, (exchange) => setImmediate(() => exchange.send(200, JSON_HEADERS, parts)));
    const client = await bench.client();
    const expected = digest(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
    for (let i = 0; i < 2; i++) {
      await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
      assert.equal(digest((await client.answer()).body), expected);
    }
  });

  const givesUp = async (t: TestContext): Promise<void> => {
    const own = new OwnBytes(new ArrayBuffer(5_000_000)).fill(0x61);
    const others = Buffer.alloc(300_000, 0x62);
    const parts = [own.subarray(0, 10), '-', own.subarray(10), others];
    const expected = digest(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
    const bench = await serve(t, (exchange) => exchange.send(200, TEXT_HEADERS, parts));
    const client = await bench.client();
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.equal(digest((await client.answer()).body), expected);
    assert.deepEqual([own.byteLength, others.byteLength], [0, 300_000]);
  };
  if (engineName === 'uws')
    behaves('a large answer gives up the memory that is its own with its end', givesUp);

  behaves('a slow reader gets its 20 MB', async (t) => {
    const payload = Buffer.alloc(20 * 1024 * 1024);
    for (let i = 0; i < payload.length; i += 4) payload.writeUInt32LE(i, i);
    const bench = await serve(t, (exchange) => {
      exchange.send(200, TEXT_HEADERS, payload);
      exchange.send(500, TEXT_HEADERS, 'late');
      exchange.write('late');
      exchange.end();
    });
    const client = await bench.client();
    client.socket.pause();
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    const answer = client.answer();
    const breaths = setInterval(
      () => (client.socket.isPaused() ? client.socket.resume() : client.socket.pause()),
      5,
    );
    const { body } = await answer;
    clearInterval(breaths);
    client.socket.resume();
    assert.equal(digest(body), digest(payload));
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.equal((await client.answer()).body.length, payload.length);
  });

  behaves('a stream shows its head at once and its events as they come', async (t) => {
    let stream: Exchange | undefined;
    const bench = await serve(t, (exchange) => {
      stream = exchange;
      exchange.open(200, SSE_HEADERS);
    });
    const client = await bench.client();
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 200 OK\r\n[\s\S]*text\/event-stream/);
    await client.until(':\n\n');
    stream?.write(sseEvent('{"a":1}'));
    await client.until('event: message\ndata: {"a":1}\n\n');
    stream?.write(sseEvent(['{"a":', Buffer.from('2'), '}'], 's_4'));
    await client.until('event: message\nid: s_4\ndata: \r\n');
    for (const part of ['{"a":', '2', '}', '\n\n']) await client.until(part);
    stream?.end();
    await client.until('0\r\n\r\n');
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 200 OK/);
  });

  behaves('a slow reader of a stream gets every event in order', async (t) => {
    const lines = Array.from({ length: 3000 }, (_, i) => `${i}:${'y'.repeat(i)}`);
    const bench = await serve(t, (exchange) => {
      exchange.open(200, SSE_HEADERS);
      for (const line of lines) exchange.write(sseEvent(line));
      exchange.end();
    });
    const client = await bench.client();
    client.socket.pause();
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await once(client.socket, 'readable', { signal: AbortSignal.timeout(50) }).catch(() => undefined);
    client.socket.resume();
    const { body } = await client.answer();
    assert.equal(digest(body), digest(lines.map((line) => sseEvent(line)).join('')));
  });

  behaves('a reader that was slow once keeps its stream', async (t) => {
    let stream: Exchange | undefined;
    const bench = await serve(t, (exchange) => {
      stream = exchange;
      exchange.open(200, SSE_HEADERS);
      exchange.write('x'.repeat(8_000_000));
      exchange.write('<first>');
    });
    const client = await bench.client();
    client.socket.pause();
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await once(client.socket, 'readable', { signal: AbortSignal.timeout(50) }).catch(() => undefined);
    client.socket.resume();
    await client.until('<first>');
    stream?.write('<second>');
    await client.until('<second>');
    stream?.end();
    await client.until('0\r\n\r\n');
  });

  behaves('a reader that takes nothing is cut off at the bound', async (t) => {
    let written = 0;
    let aborted = false;
    const bench = await serve(t, (exchange) => {
      exchange.onAbort(() => {
        aborted = true;
      });
      exchange.open(200, SSE_HEADERS);
      const megabyte = 'z'.repeat(1024 * 1024);
      while (exchange.state === 'streaming' && written < 10 * MAX_BUFFERED_BYTES) {
        exchange.write(megabyte);
        written += megabyte.length;
      }
    });
    const client = await bench.client();
    client.socket.pause();
    const finished = bench.nextFinished();
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.deepEqual(await finished, { path: '/', status: 200 });
    assert.ok(aborted);
    assert.ok(written < 3 * MAX_BUFFERED_BYTES, `${written} bytes were taken in`);
    client.socket.resume();
    await client.closed;
  });

  behaves('a client that leaves in mid-stream is noticed, and late calls do nothing', async (t) => {
    const aborts: string[] = [];
    let stream: Exchange | undefined;
    const bench = await serve(t, (exchange) => {
      stream = exchange;
      exchange.onAbort(() => aborts.push('gone'));
      exchange.open(200, SSE_HEADERS);
    });
    const client = await bench.client();
    await client.send('GET /s HTTP/1.1\r\nHost: h\r\n\r\n');
    await client.until(':\n\n');
    const finished = bench.nextFinished();
    client.socket.destroy();
    assert.deepEqual(await finished, { path: '/s', status: 200 });
    assert.deepEqual(aborts, ['gone']);
    assert.equal(stream?.state, 'done');
    stream?.write('late');
    stream?.end();
    stream?.send(200, TEXT_HEADERS, 'late');
    stream?.cut();
    stream?.onAbort(() => aborts.push('asked late'));
    assert.deepEqual(aborts, ['gone', 'asked late']);
    assert.equal(bench.finished.length, 1);
  });

  behaves('a client that leaves before its answer is noticed', async (t) => {
    let pending: Exchange | undefined;
    const bench = await serve(t, (exchange) => {
      pending = exchange;
    });
    const client = await bench.client();
    await client.send('GET /wait HTTP/1.1\r\nHost: h\r\n\r\n');
    const finished = bench.nextFinished();
    client.socket.destroy();
    assert.deepEqual(await finished, { path: '/wait', status: 499 });
    pending?.send(200, TEXT_HEADERS, ['late', 'answer']);
    pending?.open(200, SSE_HEADERS);
    assert.equal(bench.finished.length, 1);
  });

  behaves('a second answer to one request is not sent', async (t) => {
    const bench = await serve(t, (exchange) => {
      exchange.send(200, TEXT_HEADERS, 'first');
      exchange.send(500, TEXT_HEADERS, 'second');
      exchange.open(200, SSE_HEADERS);
    });
    const client = await bench.client();
    await client.send('GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n');
    for (let i = 0; i < 2; i++) assert.equal((await client.answer()).body.toString(), 'first');
    assert.deepEqual(
      bench.finished.map(({ path }) => path),
      ['/a', '/b'],
    );
  });

  behaves('an oversized head is refused and the next client served', async (t) => {
    const bench = await serve(t, (exchange) => exchange.send(200, TEXT_HEADERS, 'ok'));
    const client = await bench.client();
    await client.send(`GET / HTTP/1.1\r\nHost: h\r\nX-Big: ${'a'.repeat(40_000)}\r\n\r\n`);
    assert.equal((await client.answer()).status, 431);
    await client.closed;
    const next = await bench.client();
    await next.send(`GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${'a'.repeat(9_000)}\r\n\r\n`);
    assert.equal((await next.answer()).status, 200);
  });

  behaves('a head of 9 KB in many pieces is taken', async (t) => {
    const bench = await serve(t, (exchange) => exchange.send(200, TEXT_HEADERS, 'ok'));
    const client = await bench.client();
    client.socket.setNoDelay(true);
    await client.send('GET / HTTP/1.1\r\nHost: h\r\nX: ');
    for (let i = 0; i < 9; i++) await client.send('a'.repeat(1000));
    await client.send('\r\n\r\n');
    assert.equal((await client.answer()).status, 200);
  });

  for (const [what, request] of [
    ['two lengths', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd'],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a length that is none', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -3\r\n\r\nabc'],
    ['noise', '\x00\x01\x02noise\r\n\r\n'],
  ] as const) {
    behaves(`${what}: refused, and the connection closed`, async (t) => {
      const bench = await serve(t, echo);
      const client = await bench.client();
      await client.send(request);
      await client.closed;
      assert.ok(!bench.finished.some(({ status }) => status === 200));
    });
  }

  behaves('doubled headers are refused by the gate', async (t) => {
    const gate = createGate(
      { accessTokens: ['t'], tokens: [], trustProxy: false, allowedOrigins: [], loopbackOrigins: true },
      { onFailure: assert.fail },
    );
    const bench = await serve(t, (exchange) => {
      try {
        exchange.allowOrigin(gate.check(exchange.request));
        exchange.send(200, TEXT_HEADERS, gate.clientAddress(exchange.request));
      } catch (error) {
        sendError(exchange, error as BridgeError, 'http');
      }
    });
    const client = await bench.client();
    for (const name of ['Authorization', 'Origin', 'Mcp-Session-Id', 'content-TYPE']) {
      await client.send(`GET / HTTP/1.1\r\nHost: h\r\n${name}: a\r\n${name.toLowerCase()}: b\r\n\r\n`);
      const { status, body } = await client.answer();
      assert.equal(status, 400);
      assert.match(body.toString(), new RegExp(`\\\\"${name.toLowerCase()}\\\\" was sent more than once`));
    }
    await client.send('GET / HTTP/1.1\r\nHost: h\r\nOrigin: http://localhost:5173\r\n\r\n');
    const { headers, body } = await client.answer();
    assert.equal(headers.get('access-control-allow-origin'), 'http://localhost:5173');
    assert.match(headers.get('access-control-expose-headers') ?? '', /Mcp-Session-Id/);
    assert.equal(headers.get('vary'), 'Origin');
    assert.equal(body.toString(), '127.0.0.1');
  });

  behaves('stopAccepting refuses new connections and serves those that exist', async (t) => {
    const bench = await serve(t, (exchange) => exchange.send(200, TEXT_HEADERS, 'still here'));
    const client = await bench.client();
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await client.answer();
    bench.listener.stopAccepting();
    const refused = connect(bench.port, '127.0.0.1');
    await assert.rejects(once(refused, 'connect'), { code: 'ECONNREFUSED' });
    await client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.equal((await client.answer()).body.toString(), 'still here');
    bench.listener.close();
    await client.closed;
  });

  behaves('close cuts streams and requests, and says so to them', async (t) => {
    const aborts: string[] = [];
    const arrived = latch();
    const bench = await serve(t, (exchange) => {
      exchange.onAbort(() => aborts.push(exchange.request.path));
      if (exchange.request.path === '/stream') exchange.open(200, SSE_HEADERS);
      else arrived.resolve();
    });
    const [stream, request] = [await bench.client(), await bench.client()];
    await stream.send('GET /stream HTTP/1.1\r\nHost: h\r\n\r\n');
    await stream.until(':\n\n');
    await request.send('GET /request HTTP/1.1\r\nHost: h\r\n\r\n');
    await arrived.promise;
    bench.listener.close();
    await Promise.all([stream.closed, request.closed]);
    assert.deepEqual(aborts.toSorted(), ['/request', '/stream']);
  });

  behaves('a port that is not ours is named in the failure', async (t) => {
    t.diagnostic('192.0.2.1 belongs to nobody (RFC 5737)');
    const engine = await selectEngine(engineName, assert.fail);
    await assert.rejects(engine.listen({ host: '192.0.2.1', port: 3999 }, assert.fail), /192\.0\.2\.1:3999/);
  });
}

test('auto falls back to node:http with one warning that says why', async () => {
  const warnings: string[] = [];
  const missing = (): Promise<never> =>
    Promise.reject(new Error('GLIBC_2.38 not found\nrequired by uws.node'));
  const engine = await selectEngine('auto', (sentence) => warnings.push(sentence), missing);
  assert.equal(engine.name, 'node');
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /GLIBC_2\.38 not found$/);
  await assert.rejects(
    selectEngine('uws', assert.fail, missing),
    /HTTP_ENGINE is uws.*GLIBC_2\.38 not found$/,
  );
});

test('auto takes uWebSockets.js where it loads', async () => {
  assert.equal((await selectEngine('auto', assert.fail)).name, 'uws');
});

/** Promise.withResolvers, which Node 20 does not have. */
function latch(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => assert.fail('unreachable');
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}

function digest(body: string | Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}
