/**
 * A kept-alive connection to one chosen worker. The kernel decides which worker a new connection gets, so that
 * only a connection that has asked who serves it can tell a call that makes a hop from one that does not.
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import {
  type Answer,
  honest,
  initializeParams,
  post,
  type RawRequest,
  readAnswer,
  type Target,
} from './rpc.ts';

export interface Door {
  /** Of the worker behind it. */
  readonly pid: number;
  /** One request at a time; rejects when the connection is gone rather than take another one. */
  send(raw: RawRequest): Promise<Answer>;
  /** The same as far as the answer's head; the caller reads, or destroys, the rest. */
  begin(raw: RawRequest): Promise<IncomingMessage>;
  close(): void;
}

/** Well above the number of workers: each connection gets any of them. */
const MAX_TRIES = 400;

/** Opens connections until one leads to a worker that `isWanted`. The caller closes it. */
export async function openDoor(
  bridge: Pick<Target, 'port'>,
  isWanted: (pid: number) => boolean,
): Promise<Door> {
  const seen = new Set<number>();
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const health = await through(agent, bridge, { path: '/health' }).then(readAnswer);
    const pid: number = health.body.pid;
    seen.add(pid);
    if (isWanted(pid)) return door(agent, bridge, pid);
    agent.destroy();
  }
  throw new Error(
    `${MAX_TRIES} connections led to none of the wanted workers, only to ${[...seen].join(', ')}`,
  );
}

/** Runs `use` with a connection to that worker, and closes it. */
export async function throughWorker<T>(
  bridge: Pick<Target, 'port'>,
  pid: number,
  use: (door: Door) => Promise<T>,
): Promise<T> {
  const opened = await openDoor(bridge, (candidate) => candidate === pid);
  try {
    return await use(opened);
  } finally {
    opened.close();
  }
}

/** POSTs a request to `/mcp/SERVER` through that worker. */
export function callThrough(
  bridge: Target,
  pid: number,
  server: string,
  { session, message }: { readonly session?: string; readonly message: object },
): Promise<Answer> {
  const headers = honest(bridge, session === undefined ? {} : { session });
  const body = JSON.stringify({ jsonrpc: '2.0', ...message });
  return throughWorker(bridge, pid, (door) =>
    door.send({ method: 'POST', path: `/mcp/${server}`, headers, body }),
  );
}

/** Opens a session at that worker, and returns its id. */
export async function openSessionThrough(bridge: Target, pid: number, server: string): Promise<string> {
  const message = { id: 1, method: 'initialize', params: initializeParams() };
  const { status, headers, text } = await callThrough(bridge, pid, server, { message });
  const session = headers['mcp-session-id'];
  if (typeof session !== 'string') throw new Error(`initialize: ${status} ${text}`);
  await post(bridge, server, { jsonrpc: '2.0', method: 'notifications/initialized' }, { session });
  return session;
}

function door(agent: Agent, bridge: Pick<Target, 'port'>, pid: number): Door {
  const begin = (raw: RawRequest): Promise<IncomingMessage> => through(agent, bridge, raw, true);
  return { pid, begin, send: (raw) => begin(raw).then(readAnswer), close: () => agent.destroy() };
}

function through(
  agent: Agent,
  { port }: Pick<Target, 'port'>,
  raw: RawRequest,
  mustBeReused = false,
): Promise<IncomingMessage> {
  const { method = 'GET', path, body, headers = {} } = raw;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: '127.0.0.1',
      port,
      method,
      path,
      agent,
      headers: {
        ...(headers as Record<string, string>),
        ...(body !== undefined && { 'Content-Length': Buffer.byteLength(body) }),
      },
    });
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    outgoing.once('socket', () => {
      if (mustBeReused && !outgoing.reusedSocket) outgoing.destroy(new Error('the connection was gone'));
    });
    outgoing.end(body);
  });
}
