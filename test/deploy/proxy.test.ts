/**
 * The real nginx and the real Caddy with the samples of deploy/, a certificate of the test's own, and two bridges behind
 * them. Only names, ports and paths of the samples are replaced.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Bridge, startBridge, TEST_TOKEN } from '../harness/bridge.ts';
import { freePort } from '../harness/free-port.ts';
import { run, runProgram } from '../harness/process.ts';
import { initializeParams, type Json } from '../harness/rpc.ts';
import { echo, everything } from '../harness/servers.ts';
import {
  type Certificate,
  eventsOf,
  type HttpVersion,
  makeCertificate,
  mcpHeaders,
  type SecureRequest,
  sendSecurely,
  textOfStream,
} from '../harness/tls.ts';
import { tool, without } from '../harness/tool.ts';
import { until } from '../harness/until.ts';

interface Ports {
  readonly http: number;
  readonly https: number;
  /** Of what stands behind the proxy. */
  readonly upstream: readonly number[];
}

interface Proxy {
  readonly name: string;
  readonly skip: string | false;
  readonly affinity: { readonly byAddress: string; readonly byToken: string };
  /** Starts it in `dir`; `edit` changes the sample. */
  start(t: TestContext, dir: string, ports: Ports, certificate: Certificate, edit: Edit): void;
}

/** An event that is held back is waited for in vain. */
const PATIENCE = { timeout: 30_000 };

type Edit = (sample: string) => string;
const asItIs: Edit = (sample) => sample;

const nginx: Proxy = {
  name: 'nginx',
  skip: without(['nginx', 'openssl'], 'nginx-light openssl'),
  affinity: { byAddress: 'hash $remote_addr ', byToken: 'hash $http_authorization ' },
  start(t, dir, ports, { certFile, keyFile }, edit) {
    const servers = ports.upstream.map((port) => `server 127.0.0.1:${port};`).join(' ');
    const conf = edit(readFileSync('deploy/nginx/mcp-bridge.conf', 'utf8'))
      .replaceAll('api.example.com', 'localhost')
      .replace('server 127.0.0.1:3000;', servers)
      .replaceAll(/^ *listen \[::\].*\n/gm, '')
      .replace('listen 80;', `listen ${ports.http};`)
      .replace('listen 443 ', `listen ${ports.https} `)
      .replaceAll('/etc/ssl/certs/example.com.crt', certFile)
      .replaceAll('/etc/ssl/private/example.com.key', keyFile)
      .replaceAll('/var/log/nginx', dir);
    const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    // Compression as a site may have it: what would hold an event stream back.
    const user = process.getuid?.() === 0 ? 'user root;' : '';
    const main = `daemon off; ${user} pid ${dir}/nginx.pid; error_log ${dir}/error.log; events {}
      http { gzip on; gzip_types *; gzip_proxied any; gzip_min_length 0;
      ${folders.map((name) => `${name}_temp_path ${dir}/${name};`).join('\n')}
      ${conf} }`;
    writeFileSync(join(dir, 'nginx.conf'), main);
    runProgram(t, tool('nginx'), ['-c', join(dir, 'nginx.conf'), '-p', dir]);
  },
};

const caddy: Proxy = {
  name: 'Caddy',
  skip: without(['caddy', 'openssl'], 'caddy openssl'),
  affinity: { byAddress: 'lb_policy ip_hash', byToken: 'lb_policy header Authorization' },
  start(t, dir, ports, { certFile, keyFile }, edit) {
    const servers = ports.upstream.map((port) => `127.0.0.1:${port}`).join(' ');
    const sample = edit(readFileSync('deploy/caddy/Caddyfile', 'utf8'))
      .replace('reverse_proxy localhost:3000', `reverse_proxy ${servers}`)
      .replace('api.example.com {', `localhost {\n tls ${certFile} ${keyFile}`)
      .replaceAll('api.example.com', 'localhost')
      .replaceAll('/var/log/caddy', dir);
    const own = `{ \n admin off \n http_port ${ports.http} \n https_port ${ports.https} \n skip_install_trust \n }`;
    writeFileSync(join(dir, 'Caddyfile'), `${own}\n${sample}`);
    const args = ['run', '--config', join(dir, 'Caddyfile'), '--adapter', 'caddyfile'];
    runProgram(t, tool('caddy'), args, { env: { HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir } });
  },
};

interface Front {
  readonly ports: Ports;
  readonly certificate: Certificate;
  send(version: HttpVersion, request: SecureRequest): ReturnType<typeof sendSecurely>;
}

async function startProxy(
  t: TestContext,
  proxy: Proxy,
  upstream: readonly number[],
  edit: Edit = asItIs,
): Promise<Front> {
  const dir = mkdtempSync(join(tmpdir(), 'proxy-test-'));
  const ports = { http: await freePort(), https: await freePort(), upstream };
  const certificate = makeCertificate(dir);
  proxy.start(t, dir, ports, certificate, edit);
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const target = { port: ports.https, ca: certificate.cert };
  const send: Front['send'] = (version, message) => sendSecurely(t, target, version, message);
  await until(`${proxy.name} to serve`, async () => {
    const answer = await send('h1', { path: '/health' }).catch(() => undefined);
    answer?.stream.resume();
    return answer?.status === 200;
  });
  return { ports, certificate, send };
}

const startOne = (t: TestContext): Promise<Bridge> =>
  startBridge(t, {
    config: { servers: { echo: echo(), everything } },
    env: { ALLOWED_HOSTS: 'localhost,127.0.0.1', TRUST_PROXY: '127.0.0.1' },
  });

interface Session {
  readonly id: string;
  call(id: unknown, method: string, params: object): ReturnType<Front['send']>;
  post(message: object): ReturnType<Front['send']>;
}

async function openSession({ send }: Front, version: HttpVersion, from?: string): Promise<Session> {
  const post = (message: object, id?: string) =>
    send(version, {
      method: 'POST',
      path: '/mcp/echo',
      headers: mcpHeaders(TEST_TOKEN, id),
      body: JSON.stringify({ jsonrpc: '2.0', ...message }),
      ...(from !== undefined && { from }),
    });
  const params = initializeParams({ elicitation: {} });
  const opened = await post({ id: 0, method: 'initialize', params });
  opened.stream.resume();
  const id = String(opened.headers['mcp-session-id']);
  assert.equal(opened.status, 200);
  (await post({ method: 'notifications/initialized' }, id)).stream.resume();
  return {
    id,
    post: (message) => post(message, id),
    call: (requestId, method, params) => post({ id: requestId, method, params }, id),
  };
}

for (const proxy of [nginx, caddy]) {
  test(`${proxy.name} with the sample in front of two bridges`, { skip: proxy.skip }, async (t) => {
    const bridges = await Promise.all([startOne(t), startOne(t)]);
    const upstream = bridges.map(({ port }) => port);
    const front = await startProxy(t, proxy, upstream);
    const { send, ports, certificate } = front;

    await t.test('an official client has a session with progress through TLS', async (t) => {
      const url = `https://localhost:${ports.https}/mcp/everything`;
      const client = run(t, [resolve('test/fixtures/clients/progress.mjs'), url, TEST_TOKEN], {
        env: { NODE_EXTRA_CA_CERTS: certificate.certFile },
      });
      const seen = JSON.parse((await client.printed(/^\{.*\}$/m))[0]);
      assert.deepEqual(seen.progress, [1, 2, 3, 4]);
      assert.match(seen.text, /^Long running operation completed/);
      assert.ok(seen.tools > 5);
      assert.equal(await client.ended, 0);
    });

    for (const version of ['h1', 'h2'] as const) {
      await t.test(
        `an event arrives before the next is sent, for a client that takes gzip (${version})`,
        PATIENCE,
        async () => {
          const session = await openSession(front, version);
          // The server asks in the middle of the call: buffered, its question would never come.
          const call = await session.call(1, 'tools/call', { name: 'elicit', arguments: { text: 'name?' } });
          assert.equal(call.headers['content-type'], 'text/event-stream');
          assert.equal(call.headers['content-encoding'], undefined);
          const events = eventsOf(call.stream);
          const question: Json = (await events.next()).value;
          assert.equal(question.method, 'elicitation/create');
          const answer = { action: 'accept', content: { name: 'Ada' } };
          const accepted = await session.post({ id: question.id, result: answer });
          accepted.stream.resume();
          assert.equal(accepted.status, 202);
          const { result } = (await events.next()).value;
          assert.deepEqual(JSON.parse(result.content[0].text), answer);
        },
      );
    }

    await t.test('plain HTTP is sent to HTTPS with its method', async () => {
      const outgoing = request({
        host: '127.0.0.1',
        port: ports.http,
        method: 'POST',
        path: '/bridge?x=1',
        headers: { Host: 'localhost' },
      }).end('{}');
      const [incoming] = await once(outgoing, 'response');
      incoming.resume();
      assert.equal(incoming.statusCode, 308);
      assert.match(incoming.headers.location, /^https:\/\/localhost(:\d+)?\/bridge\?x=1$/);
    });

    await t.test('/metrics is not for the world', async () => {
      const { status, stream } = await send('h1', { path: '/metrics' });
      stream.resume();
      assert.equal(status, 404);
    });

    await t.test('a body that is too large is refused', async () => {
      const body = JSON.stringify({ text: 'x'.repeat(5 * 1024 * 1024) });
      const headers = { ...mcpHeaders(TEST_TOKEN), 'Content-Length': String(body.length) };
      const answer = await send('h1', { method: 'POST', path: '/bridge', headers, body });
      assert.equal(answer.status, 413);
      await textOfStream(answer.stream);
    });

    await t.test('a client stays at its bridge, and goes to the other one when that stops', async (t) => {
      const clients = Array.from({ length: 16 }, (_, i) => `127.0.0.${i + 2}`);
      const serving = async (from: string): Promise<Bridge | undefined> => {
        const { status, stream } = await send('h1', { path: '/health', from });
        const text = await textOfStream(stream);
        assert.equal(status, 200, text);
        const { pid } = JSON.parse(text);
        return bridges.find((bridge) => bridge.processes().includes(pid));
      };
      const placed = await Promise.all(clients.map(serving));
      assert.equal(new Set(placed).size, 2, 'both bridges have clients');
      assert.deepEqual(await Promise.all(clients.map(serving)), placed);

      const from = String(clients[placed.indexOf(bridges[1])]);
      const session = await openSession(front, 'h2', from);
      for (let i = 0; i < 5; i++) {
        const { status, stream } = await session.call(i, 'tools/list', {});
        stream.resume();
        assert.equal(status, 200);
      }
      await bridges[1].stop();
      assert.equal(await serving(from), bridges[0]);
      const again = await openSession(front, 'h1', from);
      const listed = await again.call(1, 'tools/list', {});
      listed.stream.resume();
      assert.equal(listed.status, 200);
      t.diagnostic(
        `clients at the first bridge: ${placed.filter((bridge) => bridge === bridges[0]).length} of 16`,
      );
    });
  });

  test(`${proxy.name} tells the bridge who asked, whatever the client claims`, {
    skip: proxy.skip,
  }, async (t) => {
    const mirrors = await Promise.all([startMirror(t), startMirror(t)]);
    const upstream = mirrors.map(({ port }) => port);
    const { affinity } = proxy;
    const byToken = (sample: string): string => {
      assert.ok(sample.includes(affinity.byAddress));
      return sample.replace(affinity.byAddress, affinity.byToken);
    };
    const { send } = await startProxy(t, proxy, upstream, byToken);
    const ask = async (token: string, from: string): Promise<Json> => {
      const headers = { 'X-Forwarded-For': '6.6.6.6', 'X-Forwarded-Proto': 'http', Authorization: token };
      return JSON.parse(await textOfStream((await send('h1', { path: '/', headers, from })).stream));
    };
    const { headers } = await ask('Bearer a', '127.0.0.9');
    assert.equal(headers['x-forwarded-for'], '127.0.0.9');
    assert.equal(headers['x-forwarded-proto'], 'https');
    assert.equal(headers.host, 'localhost');
    assert.equal(headers.authorization, 'Bearer a');

    // The other affinity that the sample names.
    const tokens = Array.from({ length: 16 }, (_, i) => `Bearer token-${i}`);
    const places = (from: string) => Promise.all(tokens.map(async (token) => (await ask(token, from)).port));
    const placed = await places('127.0.0.2');
    assert.equal(new Set(placed).size, 2);
    assert.deepEqual(await places('127.0.0.3'), placed);
  });
}

/** A server that answers with its port and the headers it was sent. */
async function startMirror(t: TestContext): Promise<{ port: number }> {
  const server = createServer(({ headers }, response) => response.end(JSON.stringify({ headers, port })));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  return { port };
}
