/**
 * The bridge as it runs in production: the built entry, a token, metrics and logs on.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MCP_HEADERS } from '../load/calls.ts';
import { freePort, launch } from './process.ts';
import { type Ground, SERVERS, type Target } from './target.ts';

const ENTRY = join(import.meta.dirname, '..', '..', 'dist', 'index.js');
const READY_MS = 15_000;

export interface BridgeOrder {
  readonly name?: string;
  readonly workers: number;
  readonly engine?: 'uws' | 'node';
  /** Further environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** One echo server in each kind of isolation, and the slow one cold and prewarmed. */
const CONFIG = {
  servers: {
    own: { ...echo(), isolation: 'session' },
    shared: { ...echo(), isolation: 'shared' },
    large: { ...echo(), isolation: 'shared', instances: 1 },
    cold: slow(),
    warm: { ...slow(), prewarm: 16 },
  },
};

function echo(): Record<string, unknown> {
  // The default of requests in flight per child would measure the queue at 256 connections.
  return { command: process.execPath, args: [join(SERVERS, 'echo.mjs')], maxConcurrent: 512 };
}

function slow(): Record<string, unknown> {
  return { command: 'sh', args: [join(SERVERS, 'slow-boot.sh')], isolation: 'session' };
}

/** Starts `node dist/index.js` and waits until /ready says 200. */
export async function startBridge(ground: Ground, order: BridgeOrder): Promise<Target> {
  const port = await freePort();
  const folder = ground.folder();
  const token = randomBytes(16).toString('hex');
  const file = join(folder, 'mcp-servers.json');
  writeFileSync(file, JSON.stringify(CONFIG));
  const running = await launch({
    name: 'the bridge',
    args: [ENTRY],
    cwd: folder,
    env: {
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      WORKERS: String(order.workers),
      HTTP_ENGINE: order.engine ?? 'uws',
      ACCESS_TOKEN: token,
      LOG_LEVEL: 'INFO',
      MCP_SERVERS_FILE: file,
      RUNTIME_DIR: join(folder, 'run'),
      ...order.env,
    },
    logFile: join(folder, 'log'),
    readyMs: READY_MS,
    isReady: () => answersReady(port),
  });
  const name = order.name ?? `bridge, ${order.workers} worker${order.workers === 1 ? '' : 's'}`;
  const headers = { ...MCP_HEADERS, Authorization: `Bearer ${token}` };
  return ground.keep({ ...running, name, port, headers });
}

async function answersReady(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/ready`, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

/** The values of a metric, one for each of its label sets. */
export async function readMetric(target: Target, name: string): Promise<readonly number[]> {
  const response = await fetch(`http://127.0.0.1:${target.port}/metrics`, {
    signal: AbortSignal.timeout(5_000),
  });
  const lines = (await response.text()).split('\n');
  return lines
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map((line) => Number(line.split(' ').at(-1)));
}
