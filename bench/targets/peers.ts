/**
 * The peers, each in the mode that suits it best, in front of the same echo server.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MCP_HEADERS } from '../load/calls.ts';
import { accepts, freePort, launch } from './process.ts';
import { type Ground, SERVERS, type Target } from './target.ts';

const ROOT = join(import.meta.dirname, '..', 'peers', 'node_modules');
const READY_MS = 20_000;
const ECHO = join(SERVERS, 'echo.mjs');

export interface Peer {
  readonly name: string;
  readonly version: string;
  /** For the output: what was chosen, and why it is the fast way. */
  readonly mode: string;
  args(port: number): readonly string[];
}

const supergatewayArgs = (port: number, ...extra: string[]): readonly string[] => [
  join(ROOT, 'supergateway/dist/index.js'),
  ...['--stdio', `${process.execPath} ${ECHO}`, '--port', String(port)],
  ...['--outputTransport', 'streamableHttp', '--logLevel', 'none', ...extra],
];

const mcpProxyArgs = (port: number, ...extra: string[]): readonly string[] => [
  join(ROOT, 'mcp-proxy/dist/bin/mcp-proxy.mjs'),
  ...['--host', '127.0.0.1', '--port', String(port), '--server', 'stream', ...extra],
  ...['--', process.execPath, ECHO],
];

export const SUPERGATEWAY_STATEFUL: Peer = {
  name: 'supergateway, stateful',
  version: '4.0.0',
  mode: '--outputTransport streamableHttp --stateful --logLevel none: one child per session, no log, no auth',
  args: (port) => supergatewayArgs(port, '--stateful'),
};

export const SUPERGATEWAY_STATELESS: Peer = {
  name: 'supergateway, stateless',
  version: '4.0.0',
  mode: '--outputTransport streamableHttp --logLevel none: a child per request (it has no other stateless way)',
  args: (port) => supergatewayArgs(port),
};

export const MCP_PROXY_STATEFUL: Peer = {
  name: 'mcp-proxy, stateful',
  version: '6.7.19',
  mode: '--server stream: its default streamable HTTP, one child for all, no log, no auth',
  args: (port) => mcpProxyArgs(port),
};

export const MCP_PROXY_STATELESS: Peer = {
  name: 'mcp-proxy, stateless',
  version: '6.7.19',
  mode: '--server stream --stateless: one child for all, no log, no auth',
  args: (port) => mcpProxyArgs(port, '--stateless'),
};

export const peersAreInstalled = (): boolean => existsSync(join(ROOT, 'supergateway', 'package.json'));

export async function startPeer(ground: Ground, peer: Peer): Promise<Target> {
  const port = await freePort();
  const folder = ground.folder();
  const running = await launch({
    name: peer.name,
    args: peer.args(port),
    cwd: folder,
    env: { NODE_ENV: 'production' },
    logFile: join(folder, 'log'),
    readyMs: READY_MS,
    isReady: () => accepts(port),
  });
  return ground.keep({ ...running, name: peer.name, port, headers: MCP_HEADERS });
}
