/**
 * One reading of every byte: where two parsers could take a request's end for another place, there is no second request
 * in the bridge that the first parser has not seen (CVE record: parser differentials). Straight to both engines, and
 * with a real nginx in front.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { type EngineName, forEachEngine } from './harness/engines.ts';
import { assertServes } from './harness/expect.ts';
import { freePort } from './harness/free-port.ts';
import { runProgram } from './harness/process.ts';
import { send } from './harness/rpc.ts';
import { echo } from './harness/servers.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { tool, without } from './harness/tool.ts';
import { until } from './harness/until.ts';

/** What would be smuggled: its answer cannot be taken for another. */
const HIDDEN = 'GET /health HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: smuggled\r\n\r\n';
const chunked = (body: string): string => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const post = (headers: string, body: string): string =>
  `POST /servers HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n${body}`;

/** Bytes in which the hidden request is a body, or part of a head, or of something that is no request at all. */
const AMBIGUOUS: readonly (readonly [name: string, bytes: string])[] = [
  ['two lengths, the first short', post('Content-Length: 0\r\nContent-Length: 77', HIDDEN)],
  ['two lengths, the last short', post(`Content-Length: ${HIDDEN.length}\r\nContent-Length: 0`, HIDDEN)],
  ['a list of lengths', post('Content-Length: 0, 0', HIDDEN)],
  ['a length with a sign', post('Content-Length: +0', HIDDEN)],
  ['a length in hex', post('Content-Length: 0x0', HIDDEN)],
  ['a length that overflows', post('Content-Length: 18446744073709551616', HIDDEN)],
  ['a length with a blank in it', post('Content-Length: 0 0', HIDDEN)],
  ['an empty length', post('Content-Length: ', HIDDEN)],
  ['a length that is a word', post('Content-Length: none', HIDDEN)],
  ['a length and chunks', post(`Content-Length: 0\r\nTransfer-Encoding: chunked`, chunked(HIDDEN))],
  ['chunks and a length', post('Transfer-Encoding: chunked\r\nContent-Length: 5', `0\r\n\r\n${HIDDEN}`)],
  ['chunks twice', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', `0\r\n\r\n${HIDDEN}`)],
  ['chunks that are not the last coding', post('Transfer-Encoding: chunked, identity', `0\r\n\r\n${HIDDEN}`)],
  ['a coding that nobody knows', post('Transfer-Encoding: xchunked', `0\r\n\r\n${HIDDEN}`)],
  ['a coding behind a vertical tab', post('Transfer-Encoding: \x0bchunked', `0\r\n\r\n${HIDDEN}`)],
  ['a coding with a zero byte', post('Transfer-Encoding: chunked\0', `0\r\n\r\n${HIDDEN}`)],
  ['a coding and a blank before the colon', post('Transfer-Encoding : chunked', `0\r\n\r\n${HIDDEN}`)],
  ['a length and a blank before the colon', post('Content-Length : 0', HIDDEN)],
  ['a folded coding', post('Transfer-Encoding:\r\n chunked', `0\r\n\r\n${HIDDEN}`)],
  ['a folded length', post('X: y\r\n Content-Length: 0', HIDDEN)],
  ['a line of the head that ends with LF', post('X: y\nContent-Length: 0', HIDDEN)],
  ['a line of the head that ends with CR', post('X: y\rContent-Length: 0', HIDDEN)],
  ['a chunk size in hex with its prefix', post('Transfer-Encoding: chunked', `0x0\r\n\r\n${HIDDEN}`)],
  ['a chunk size with a sign', post('Transfer-Encoding: chunked', `-0\r\n\r\n${HIDDEN}`)],
  ['a chunk size that overflows', post('Transfer-Encoding: chunked', `10000000000000000\r\n\r\n${HIDDEN}`)],
  ['a chunk size that ends with LF', post('Transfer-Encoding: chunked', `0\n\r\n${HIDDEN}`)],
  ['an LF in an extension of a chunk', post('Transfer-Encoding: chunked', `0;\n\r\n${HIDDEN}`)],
  ['a chunk without its end', post('Transfer-Encoding: chunked', `1\r\na0\r\n\r\n${HIDDEN}`)],
  ['a chunk with another end', post('Transfer-Encoding: chunked', `1\r\naXX0\r\n\r\n${HIDDEN}`)],
  ['a blank name before the length', post(`: x\r\nContent-Length: ${HIDDEN.length}`, HIDDEN)],
  ['a name with a blank', post('Content Length: 0', HIDDEN)],
  ['a name with a zero byte', post('Content-Length\0: 0', HIDDEN)],
  ['a line without a colon', post('Content-Length 0', HIDDEN)],
  [
    'a body behind a GET',
    `GET /servers HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  ],
  [
    'a body behind a DELETE',
    `DELETE /servers HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  ],
  [
    'chunks behind a GET',
    `GET /servers HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(HIDDEN)}`,
  ],
  ['a version with one digit', `GET /servers HTTP/1\r\nHost: localhost\r\n\r\n${HIDDEN}`],
  ['HTTP 0.9', `GET /servers\r\n${HIDDEN}`],
  ['a target with a blank', `GET /servers /x HTTP/1.1\r\nHost: localhost\r\n\r\n${HIDDEN}`],
  [
    'two hosts',
    `GET /servers HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  ],
];

/** What these bytes lead to until the connection ends; they are all that is sent. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end after 20 s, but ${JSON.stringify(received)}`));
    }, 20_000);
    socket.setEncoding('latin1').on('data', (text: string) => {
      received += text;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(received);
    });
    socket.end(bytes, 'latin1');
  });
}

const servedHidden = (received: string): boolean => /smuggled|"status":"ok"/.test(received);
const startEcho = (t: TestContext, engine: EngineName): Promise<Bridge> =>
  startBridge(t, { engine, workers: 1, config: { servers: { echo: echo() } } });

forEachEngine(
  'no second request is found where a parser before us may have found none',
  async (t, engine) => {
    const bridge = await startEcho(t, engine);
    for (const [name, bytes] of AMBIGUOUS) {
      await t.test(name, async () => {
        const received = await exchange(bridge.port, bytes);
        assert.ok(!servedHidden(received), received);
      });
    }
    await assertServes(bridge, 'echo');
  },
);

forEachEngine('what stands in a row is answered in that row, or not at all', async (t, engine) => {
  const bridge = await startEcho(t, engine);
  const ask = (path: string) =>
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: of-${path.slice(1)}\r\n\r\n`;
  const received = await exchange(bridge.port, ask('/health') + ask('/none') + ask('/health'));
  const ids = [...received.matchAll(/x-request-id: (\S+)/gi)].map(([, id]) => id);
  assert.deepEqual(ids, ['of-health', 'of-none', 'of-health'].slice(0, ids.length));
  assert.ok(ids.length > 0);
});

/** As permissive as nginx can be, with one rule that the bridge does not know of: nobody gets /health. */
function nginxConf(dir: string, port: number, upstream: number): string {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off; ${process.getuid?.() === 0 ? 'user root;' : ''} worker_processes 1;
    pid ${dir}/nginx.pid; error_log ${dir}/error.log; events {}
    http {
      access_log off; ignore_invalid_headers off; underscores_in_headers on; merge_slashes off;
      ${folders.map((name) => `${name}_temp_path ${dir}/${name};`).join(' ')}
      upstream bridge { server 127.0.0.1:${upstream}; keepalive 1; }
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass http://bridge; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host localhost;
          proxy_request_buffering off; proxy_buffering off;
        }
        location = /health { return 403; }
      }
    }`;
}

async function startNginx(t: TestContext, upstream: number): Promise<number> {
  const dir = temporaryFolder(t);
  const port = await freePort();
  writeFileSync(join(dir, 'nginx.conf'), nginxConf(dir, port, upstream));
  runProgram(t, tool('nginx'), ['-c', join(dir, 'nginx.conf'), '-p', dir]);
  await until('nginx to serve', () =>
    send({ port }, { path: '/none' }).then(
      ({ status }) => status === 404,
      () => false,
    ),
  );
  return port;
}

const withoutNginx = without(['nginx'], 'nginx-light');

forEachEngine(
  'nothing is smuggled past the rules of an nginx, and no answer goes to somebody else',
  async (t, engine) => {
    if (withoutNginx !== false) return t.skip(withoutNginx);
    const bridge = await startEcho(t, engine);
    const port = await startNginx(t, bridge.port);
    for (const [name, bytes] of AMBIGUOUS) {
      await t.test(name, async () => {
        const received = await exchange(port, bytes);
        assert.ok(!servedHidden(received), received);
        // Over the one connection to the bridge that nginx keeps, where an answer too many would wait.
        for (const id of ['a', 'b']) {
          const { status, headers } = await send(
            { port },
            { path: '/none', headers: { 'X-Request-Id': id } },
          );
          assert.deepEqual([status, headers['x-request-id']], [404, id]);
        }
      });
    }
  },
);
