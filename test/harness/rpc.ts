/**
 * JSON-RPC over raw HTTP, for what no SDK would send and for what an SDK hides: statuses, headers, the order of
 * events. Each request has a connection of its own, so that the kernel spreads them over the workers.
 */
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { Bridge } from './bridge.ts';
import { eventReader } from './event-reader.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into by assertions only
export type Json = any;

/** Where a bridge listens, and a token that it takes. */
export type Target = Pick<Bridge, 'port' | 'token'>;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The parsed body: of JSON itself, of an event stream the last message; undefined when there is neither. */
  readonly body: Json;
  /** The messages of an event stream, in order. */
  readonly events: Json[];
}

export interface RawRequest {
  readonly method?: string;
  /** From the slash on. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer;
  readonly signal?: AbortSignal;
}

/** What an honest client sends. */
export const ACCEPT = 'application/json, text/event-stream';

/** One request over a connection of its own; no header is added but Host and Content-Length. */
export function send(bridge: Pick<Bridge, 'port'>, raw: RawRequest): Promise<Answer> {
  return begin(bridge, raw).then(readAnswer);
}

/** The same as far as the answer's head; the caller reads, or destroys, the rest. */
export function begin(bridge: Pick<Bridge, 'port'>, raw: RawRequest): Promise<IncomingMessage> {
  const { method = 'GET', path, body, signal } = raw;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: '127.0.0.1',
      port: bridge.port,
      method,
      path,
      agent: false,
      headers: {
        ...raw.headers,
        ...(body !== undefined && { 'Content-Length': Buffer.byteLength(body) }),
      } as Record<string, string>,
      ...(signal && { signal }),
    });
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export async function readAnswer(incoming: IncomingMessage): Promise<Answer> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString();
  const events: Json[] = [];
  const type = incoming.headers['content-type'] ?? '';
  if (type.startsWith('text/event-stream')) {
    eventReader(({ data }) => data !== '' && events.push(JSON.parse(data)))(text);
  }
  const body: Json = type.startsWith('application/json') && text !== '' ? JSON.parse(text) : events.at(-1);
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, text, body, events };
}

export interface Headers {
  readonly session?: string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The headers of an honest client of this bridge. */
export function honest(
  bridge: Target,
  { session, token = bridge.token, headers }: Headers = {},
): Record<string, string> {
  return {
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/json',
    Accept: ACCEPT,
    ...(session !== undefined && { 'Mcp-Session-Id': session }),
    ...headers,
  };
}

/** POSTs `message` (as it is when it is text) to `/mcp/SERVER`. */
export function post(bridge: Target, server: string, message: unknown, how: Headers = {}): Promise<Answer> {
  return postTo(bridge, `/mcp/${server}`, message, how);
}

/** POSTs a call (as it is when it is text) to /bridge. */
export function postBridge(bridge: Target, call: unknown, how: Headers = {}): Promise<Answer> {
  return postTo(bridge, '/bridge', call, how);
}

/** Calls a tool through /bridge. */
export function viaBridge(
  bridge: Target,
  serverPath: string,
  name: string,
  args: object = {},
  how: Headers = {},
): Promise<Answer> {
  const params = { name, arguments: args };
  return postBridge(bridge, { serverPath, method: 'tools/call', params }, how);
}

function postTo(bridge: Target, path: string, content: unknown, how: Headers): Promise<Answer> {
  const body = typeof content === 'string' ? content : JSON.stringify(content);
  return send(bridge, { method: 'POST', path, headers: honest(bridge, how), body });
}

/** The message that calls a tool. */
export const toolCall = (id: unknown, name: string, args: object = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

let lastId = 0;

/** POSTs one request under an id of its own. */
export function call(
  bridge: Target,
  server: string,
  method: string,
  params?: object,
  how: Headers = {},
): Promise<Answer> {
  return post(bridge, server, { jsonrpc: '2.0', id: ++lastId, method, ...(params && { params }) }, how);
}

/** Calls a tool and returns its answer's `result`; throws with the whole answer when there is none. */
export async function callTool(
  bridge: Target,
  server: string,
  name: string,
  args: object = {},
  how: Headers = {},
): Promise<Json> {
  const answer = await call(bridge, server, 'tools/call', { name, arguments: args }, how);
  if (answer.body?.result === undefined) throw new Error(`${name}: ${answer.status} ${answer.text}`);
  return answer.body.result;
}

export const initializeParams = (capabilities: object = {}, protocolVersion = '2025-06-18') => ({
  protocolVersion,
  capabilities,
  clientInfo: { name: 'raw', version: '1.0.0' },
});

/** Opens a session, `notifications/initialized` included, and returns its id. */
export async function initialize(
  bridge: Target,
  server: string,
  how: Headers & { readonly capabilities?: object; readonly protocolVersion?: string } = {},
): Promise<string> {
  const params = initializeParams(how.capabilities, how.protocolVersion);
  const answer = await call(bridge, server, 'initialize', params, how);
  const session = answer.headers['mcp-session-id'];
  if (answer.status !== 200 || typeof session !== 'string') {
    throw new Error(`initialize: ${answer.status} ${answer.text}`);
  }
  const done = await post(
    bridge,
    server,
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { ...how, session },
  );
  if (done.status !== 202) throw new Error(`notifications/initialized: ${done.status} ${done.text}`);
  return session;
}

/** DELETEs a session. */
export function endSession(bridge: Target, server: string, how: Headers): Promise<Answer> {
  return send(bridge, { method: 'DELETE', path: `/mcp/${server}`, headers: honest(bridge, how) });
}

export interface EventStream {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Messages received so far, in order. */
  readonly events: Json[];
  /** Event ids received so far. */
  readonly ids: string[];
  /** Resolves when the server has ended the stream. */
  readonly ended: Promise<void>;
  /** Cuts the connection. */
  close(): void;
}

/** Opens an event stream (GET unless `raw` says otherwise) and collects what comes. */
export async function openStream(bridge: Pick<Bridge, 'port'>, raw: RawRequest): Promise<EventStream> {
  return collectEvents(await begin(bridge, raw));
}

/** Collects what comes of an answer that is an event stream. */
export function collectEvents(incoming: IncomingMessage): EventStream {
  const events: Json[] = [];
  const ids: string[] = [];
  const read = eventReader(({ data, id }) => {
    if (id !== undefined) ids.push(id);
    if (data !== '') events.push(JSON.parse(data));
  });
  incoming.setEncoding('utf8').on('data', read);
  const ended = new Promise<void>((resolve) => incoming.once('close', resolve));
  incoming.on('error', () => undefined); // a cut connection, told by `ended`
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    events,
    ids,
    ended,
    close: () => incoming.destroy(),
  };
}

/** The GET stream of a session. */
export function listen(bridge: Target, server: string, how: Headers): Promise<EventStream> {
  return openStream(bridge, {
    path: `/mcp/${server}`,
    headers: honest(bridge, { ...how, headers: { Accept: 'text/event-stream', ...how.headers } }),
  });
}
