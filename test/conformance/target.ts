/** What the suite is pointed at: the built bridge with a fixture behind it, or the fixture behind its own SDK. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../harness/free-port.ts';
import { openBearerProxy } from './bearer-proxy.ts';
import type { Era } from './suite.ts';

export interface Target {
  readonly url: string;
  stop(): Promise<void>;
}

const START_MS = 20_000;
const STOP_MS = 15_000;

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const BRIDGE = process.env['MCP_BRIDGE_DIST'] ?? here('../../dist/index.js');

/**
 * The bridge of `npm run build`, two workers, a child per session. With a spare each: some scenarios do not wait for
 * a server to start.
 */
export async function startBridge(server: Era): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-bridge-conformance-'));
  const config = join(folder, 'mcp-servers.json');
  const definition = { command: process.execPath, args: [here(`./${server}-server.mjs`)], prewarm: 4 };
  await writeFile(config, JSON.stringify({ servers: { [server]: definition } }));
  const port = await freePort();
  const token = randomBytes(16).toString('hex');
  const child = spawn(process.execPath, [BRIDGE, '--config', config], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      HTTP_ENGINE: process.env['HTTP_ENGINE'],
      NODE_ENV: 'test',
      HOST: '127.0.0.1',
      PORT: String(port),
      WORKERS: '2',
      ACCESS_TOKEN: token,
      LOG_LEVEL: 'WARN',
      RUNTIME_DIR: join(folder, 'run'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = lastWords(child);
  try {
    await ready(`http://127.0.0.1:${port}/ready`, child, said);
  } catch (error) {
    await end(child);
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  const proxy = await openBearerProxy(port, token);
  return {
    url: `${proxy.origin}/mcp/${server}`,
    stop: async () => {
      proxy.close();
      await end(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The fixture without the bridge: what fails here is not the bridge's fault. */
export async function startDirect(server: Era): Promise<Target> {
  const child = spawn(process.execPath, [here('./direct.mjs'), server], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { url, stop: () => end(child) };
}

async function ready(url: string, child: ChildProcess, said: () => string): Promise<void> {
  const deadline = AbortSignal.timeout(START_MS);
  for (;;) {
    if (hasEnded(child) || deadline.aborted) {
      const what = deadline.aborted ? `is not ready after ${START_MS} ms` : 'ended while it started';
      throw new Error(`The bridge ${what} (npm run build makes it). It said:\n${said()}`);
    }
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    await setTimeout(50);
  }
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

function lastWords(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-4000);
    });
  }
  return () => text;
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const late = AbortSignal.timeout(STOP_MS);
  late.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
  await gone;
}
