/**
 * A fixture behind its own SDK's HTTP server, without the bridge: `node direct.mjs legacy|modern`. A scenario that
 * fails here is the fixture's or the suite's fault. Prints its URL; ends when stdin does.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { createLegacyServer } from './legacy-fixture.mjs';
import { createModernServer } from './modern-fixture.mjs';

const handlers = { legacy: legacyHandler, modern: modernHandler };
const handle = handlers[process.argv[2]]();

const http = createServer((request, response) => {
  const { hostname } = new URL(`http://${request.headers.host}`);
  if (hostname !== '127.0.0.1') response.writeHead(403).end();
  else handle(request, response);
});
http.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${http.address().port}/mcp`));
process.stdin.on('end', () => process.exit(0)).resume();

/** A server and a transport for every session. */
function legacyHandler() {
  const sessions = new Map();
  return async (request, response) => {
    const known = sessions.get(request.headers['mcp-session-id']);
    if (known) return known.handleRequest(request, response);
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => sessions.set(id, transport),
    });
    await createLegacyServer().connect(transport);
    return transport.handleRequest(request, response);
  };
}

/** A server for every request; the handler's notifier tells the listeners of one what another one changed. */
function modernHandler() {
  const handler = createMcpHandler(() => createModernServer(handler.notify), { legacy: 'reject' });
  return async (request, response) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const { method } = request;
    const answer = await handler.fetch(
      new Request(`http://${request.headers.host}${request.url}`, {
        method,
        headers: Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
        signal: gone.signal,
        ...(method === 'POST' && { body: Readable.toWeb(request), duplex: 'half' }),
      }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body === null) response.end();
    else
      Readable.fromWeb(answer.body)
        .on('error', () => response.destroy())
        .pipe(response);
  };
}
