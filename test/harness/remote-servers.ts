/**
 * Remote MCP servers for the tests: the real one in its HTTP modes, and HTTP servers that answer as they are told.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { freePort } from './free-port.ts';
import { run } from './process.ts';

export const EVERYTHING = 'node_modules/@modelcontextprotocol/server-everything/dist/index.js';
/** Stands in headers and error pages, and must never be read anywhere else. */
export const SECRET = 'Bearer s3cr3t-of-the-test';

/** server-everything in one of its HTTP modes; returns its port. */
export async function remoteEverything(t: TestContext, mode: 'streamableHttp' | 'sse'): Promise<number> {
  const port = await freePort();
  await run(t, [EVERYTHING, mode], { env: { PORT: `${port}` } }).printed(/(listening|running) on port/);
  return port;
}

/** A server of one's own; answers are written by `handler`. */
export async function serveHttp(t: TestContext, handler: RequestListener): Promise<string> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

export interface Incoming {
  readonly method?: string;
  readonly id?: number;
  readonly params?: Record<string, unknown>;
}

export async function bodyOf(request: IncomingMessage): Promise<Incoming> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Incoming);
}

export const json = (response: ServerResponse, status: number, body: object, headers = {}): void => {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
};

export const initialized = (id: unknown): object => ({
  jsonrpc: '2.0',
  id,
  result: { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: { name: 'odd', version: '1' } },
});

/** A well-behaved server up to and including the handshake, then `handler`. */
export function afterHandshake(
  t: TestContext,
  handler: (message: Incoming, response: ServerResponse, request: IncomingMessage) => void,
): Promise<string> {
  return serveHttp(t, async (request, response) => {
    const message = await bodyOf(request);
    if (request.method === 'GET') response.writeHead(405).end();
    else if (message.method === 'initialize')
      json(response, 200, initialized(message.id), { 'Mcp-Session-Id': 'abc' });
    else if (message.method === 'notifications/initialized') response.writeHead(202).end();
    else handler(message, response, request);
  });
}

/** The WebSocket fixture; returns its port. */
export async function remoteWebSocket(t: TestContext): Promise<number> {
  const [, port] = await run(t, ['test/fixtures/servers/remote-ws.mjs']).printed(/listening (\d+)/);
  return Number(port);
}
