/** TLS in tests: a certificate of their own, and requests through it over HTTP/1.1 or HTTP/2. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { createGunzip } from 'node:zlib';
import { eventReader } from './event-reader.ts';
import { ACCEPT, type Json } from './rpc.ts';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
}

/** A self-signed certificate for localhost and 127.0.0.1, in `dir`. */
export function makeCertificate(dir: string): Certificate {
  const certFile = join(dir, 'cert.pem');
  const keyFile = join(dir, 'key.pem');
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
  execFileSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=localhost', '-addext', names, '-out', certFile, '-keyout', keyFile],
    ],
    { stdio: 'pipe' },
  );
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8') };
}

export type HttpVersion = 'h1' | 'h2';

export interface SecureRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The address it comes from; default: 127.0.0.1. */
  readonly from?: string;
}

export interface SecureAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The body, unzipped. */
  readonly stream: Readable;
}

/** Sends over a connection of its own; resolves with the head of the answer. */
export function sendSecurely(
  t: TestContext,
  target: { readonly port: number; readonly ca: string },
  version: HttpVersion,
  { method = 'GET', path, headers, body, from }: SecureRequest,
): Promise<SecureAnswer> {
  const { port, ca } = target;
  const origin = { servername: 'localhost', ca, ...(from !== undefined && { localAddress: from }) };
  return new Promise((resolve, reject) => {
    if (version === 'h1') {
      const options = {
        ...origin,
        host: '127.0.0.1',
        port,
        method,
        path,
        headers: { Host: 'localhost', ...headers },
      };
      const request = https.request({ ...options, agent: false });
      request.once('response', (incoming) =>
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, stream: unzip(incoming) }),
      );
      request.once('error', reject);
      request.end(body);
      return;
    }
    const client = http2.connect(`https://127.0.0.1:${port}`, origin);
    t.after(() => client.destroy());
    client.once('error', reject);
    const request = client.request({
      ':method': method,
      ':path': path,
      ':authority': 'localhost',
      ...headers,
    });
    request.once('response', (head) =>
      resolve({
        status: Number(head[':status']),
        headers: head as SecureAnswer['headers'],
        stream: unzip(request, head['content-encoding']),
      }),
    );
    request.once('error', reject);
    request.once('close', () => client.close());
    request.end(body);
  });
}

const unzip = (stream: Readable & { headers?: object }, coding = codingOf(stream)): Readable =>
  coding === 'gzip' ? stream.pipe(createGunzip()) : stream;

const codingOf = ({ headers }: { headers?: object }): unknown =>
  (headers as Record<string, unknown> | undefined)?.['content-encoding'];

/** The whole body as text. */
export async function textOfStream(stream: Readable): Promise<string> {
  let text = '';
  for await (const part of stream.setEncoding('utf8')) text += part;
  return text;
}

/** The messages of an event stream, each as soon as it is there. */
export async function* eventsOf(stream: Readable): AsyncGenerator<Json> {
  const ready: Json[] = [];
  const read = eventReader(({ data }) => data !== '' && ready.push(JSON.parse(data)));
  for await (const part of stream.setEncoding('utf8')) {
    read(part as string);
    yield* ready.splice(0);
  }
}

/** The headers of an MCP client that takes compressed answers. */
export const mcpHeaders = (token: string, session?: string): Record<string, string> => ({
  Authorization: `Bearer ${token}`,
  'Content-Type': 'application/json',
  'Accept-Encoding': 'gzip',
  Accept: ACCEPT,
  ...(session !== undefined && { 'Mcp-Session-Id': session }),
});
