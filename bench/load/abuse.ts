/**
 * A client that means no good, at a rate that a bridge has to bear: it holds connections, sends what is refused late and
 * takes long to read, asks for much and reads nothing. Bounded, because the machine that is measured sends it.
 */
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Target } from '../targets/target.ts';
import { largeCall, MCP_HEADERS } from './calls.ts';

const SLOW_SENDERS = 50;
const DEAF_READERS = 20;
const LARGE_BYTES = 5_000_000;
const TRICKLE_MS = 1_000;
export const HITS_PER_SECOND = 50;
const MAX_PENDING = 50;
/** For the answers to what was sent last. */
const LAST_ANSWERS_MS = 2_000;

export type AbuseOrder = Pick<Target, 'port' | 'headers'>;

export interface Abuse {
  /** Sends no more, waits for what is on its way, and lets go of everything. */
  stop(): Promise<AbuseResult>;
}

export interface AbuseResult {
  /** Requests that got an answer, which is a refusal for most. */
  readonly answered: number;
  /** In which was sent. */
  readonly seconds: number;
}

interface Hit {
  readonly method?: string;
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const ping = (id: number): string => `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;
const call = (params: string): string => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`;
const manyKeys = (count: number): string =>
  `{${Array.from({ length: count }, (_, i) => `"${i}":0`).join(',')}}`;

/** What is sent in turn. */
const hits: readonly Hit[] = [
  { path: '/mcp/shared', body: call(manyKeys(300_000)) },
  { path: '/mcp/shared', body: call(`${'['.repeat(100_000)}${']'.repeat(100_000)}`) },
  {
    path: '/bridge',
    body: `{"serverPath":"shared","method":"tools/call","params":{"name":"echo","arguments":{"n":1,"more":${manyKeys(50_000)}}}}`,
  },
  { path: '/mcp/shared', body: 'x'.repeat(6_000_000) },
  {
    path: '/mcp/shared',
    body: `[${Array.from({ length: 100 }, (_, i) => ping(i))}]`,
    headers: { 'MCP-Protocol-Version': '2025-03-26' },
  },
  { path: '/mcp/shared', body: ping(1), headers: { Authorization: 'Bearer a-guess' } },
  { path: '/mcp/shared', body: ping(1), headers: { 'Mcp-Session-Id': 'x'.repeat(4_000) } },
  { path: '/bridge', body: '{"serverPath":"npx","args":["-c","id"],"method":"tools/list"}' },
  { method: 'GET', path: '/sse/shared' },
  {
    path: '/mcp/shared',
    body: call('{"name":"echo","arguments":{"n":1}}'),
    headers: { Accept: 'text/plain' },
  },
];

export function startAbuse(target: AbuseOrder): Abuse {
  const { port } = target;
  const sockets: Socket[] = [];
  const open = (text: string): Socket => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(text);
    sockets.push(socket);
    return socket;
  };
  const headOf = (length: number): string => {
    const fields = Object.entries({
      Host: `127.0.0.1:${port}`,
      ...target.headers,
      'Content-Length': String(length),
    });
    return `POST /mcp/shared HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  };

  const senders = Array.from({ length: SLOW_SENDERS }, () => open(headOf(1_000_000)));
  for (let i = 0; i < DEAF_READERS; i++) {
    const { body } = largeCall(LARGE_BYTES);
    open(headOf(body.length).replace('/mcp/shared', '/mcp/large') + body).pause();
  }
  const trickling = setInterval(() => {
    for (const [i, sender] of senders.entries()) {
      // One that was cut off comes back.
      if (sender.destroyed) senders[i] = open(headOf(1_000_000));
      else sender.write('x');
    }
  }, TRICKLE_MS);

  const agent = new Agent({ keepAlive: true, maxSockets: MAX_PENDING });
  const pending = new Set<Promise<void>>();
  const startedAt = performance.now();
  let due = 0;
  let answered = 0;
  const hitOnce = ({ method = 'POST', path, body, headers }: Hit): Promise<void> =>
    new Promise((resolve) => {
      const outgoing = request({
        host: '127.0.0.1',
        port,
        agent,
        method,
        path,
        headers: { ...MCP_HEADERS, ...target.headers, ...headers },
      });
      outgoing.once('close', resolve);
      outgoing.on('error', () => undefined);
      outgoing.on('response', (incoming) => {
        answered++;
        if (method === 'GET') outgoing.destroy();
        else incoming.resume();
      });
      outgoing.end(body);
    });
  // By the clock and not by the interval, which a busy loop makes late each time.
  const catchUp = (): void => {
    for (; due <= ((performance.now() - startedAt) / 1000) * HITS_PER_SECOND; due++) {
      const hit = hits[due % hits.length];
      if (hit === undefined || pending.size >= MAX_PENDING) continue;
      const one: Promise<void> = hitOnce(hit).finally(() => pending.delete(one));
      pending.add(one);
    }
  };
  const hitting = setInterval(catchUp, 1000 / HITS_PER_SECOND);

  return {
    async stop() {
      clearInterval(trickling);
      clearInterval(hitting);
      const seconds = (performance.now() - startedAt) / 1000;
      await Promise.race([Promise.all(pending), sleep(LAST_ANSWERS_MS)]);
      agent.destroy();
      for (const socket of sockets) socket.destroy();
      return { answered, seconds };
    },
  };
}
