/**
 * A real bridge in a test: its own folder, port and RUNTIME_DIR, ready when it is handed over, gone afterwards.
 * Runs what `npm run build` made, so that the tests see what users get.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import type { EngineName } from './engines.ts';
import { freePort } from './free-port.ts';
import { descendants, run } from './process.ts';
import { assertUntold, logsIn, secretsOf } from './told-secrets.ts';
import { until } from './until.ts';

export interface BridgeOptions {
  /** The text of `mcp-servers.yaml`, or its content as an object. */
  readonly config: object | string;
  /** Besides what the harness sets (PORT, RUNTIME_DIR, ACCESS_TOKEN …), which it overrides. */
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Default: 2. */
  readonly workers?: number;
  /** Default: the bridge's own choice. */
  readonly engine?: EngineName;
}

export interface Bridge {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly token: string;
  /** Of the primary. */
  readonly pid: number;
  /** The folder that holds its configuration; where it runs. */
  readonly dir: string;
  readonly runtimeDir: string;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** What it logged, parsed; lines that are no JSON are left out. */
  lines(): Record<string, unknown>[];
  /** Those of its lines that have all of these fields. */
  logged(fields: Readonly<Record<string, unknown>>): Record<string, unknown>[];
  /** Process ids of all workers that have become ready so far, in that order. */
  workers(): number[];
  /** Resolves with the first match in its output. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Every process below the primary: workers, and the servers that they started. */
  processes(): number[];
  /** SIGTERM; resolves with the exit code, or with the signal that ended it. */
  stop(): Promise<number | string>;
  readonly ended: Promise<number | string>;
}

/** MCP_BRIDGE_DIST: the entry of another build. */
export const ENTRY = resolve(process.env['MCP_BRIDGE_DIST'] ?? 'dist/index.js');
export const TEST_TOKEN = 'token-of-the-test-0123456789';

/** Starts a bridge and waits until all its workers take traffic. Rejects with its output when it ends before. */
export async function startBridge(t: Pick<TestContext, 'after'>, options: BridgeOptions): Promise<Bridge> {
  const dir = mkdtempSync(join(tmpdir(), 'bridge-test-'));
  const port = await freePort();
  const { config } = options;
  writeFileSync(
    join(dir, 'mcp-servers.yaml'),
    typeof config === 'string' ? config : JSON.stringify(config, undefined, 2),
  );
  const runtimeDir = join(dir, 'run');
  const workers = Number(options.env?.['WORKERS'] ?? options.workers ?? 2);
  // First, because what is registered first runs first: the processes must be gone before their folder.
  const running = run(t, [ENTRY, ...(options.args ?? [])], {
    cwd: dir,
    env: {
      NODE_ENV: 'test',
      PORT: `${port}`,
      HOST: '127.0.0.1',
      ACCESS_TOKEN: TEST_TOKEN,
      WORKERS: `${workers}`,
      RUNTIME_DIR: runtimeDir,
      LOG_LEVEL: 'DEBUG',
      DRAIN_TIMEOUT_MS: '2000',
      ...(options.engine && { HTTP_ENGINE: options.engine }),
      ...options.env,
    },
  });
  t.after(() => {
    const told = `${running.stdout()}${running.stderr()}${logsIn(join(dir, options.env?.['LOG_DIR'] ?? 'logs'))}`;
    rmSync(dir, { recursive: true, force: true });
    assertUntold(told, secretsOf(options));
  });

  const url = `http://127.0.0.1:${port}`;
  const outcome = await Promise.race([
    until('every worker to be ready', () => isReady(url, workers)),
    running.ended.then((code) => new Error(`the bridge ended with ${code} before it was ready`)),
  ]).catch((error: unknown) => error);
  if (outcome instanceof Error) {
    throw new Error(`${outcome.message}\n${running.stdout()}\n${running.stderr()}`, { cause: outcome });
  }
  const lines = (): Record<string, unknown>[] => linesIn(running.stdout());
  const logged: Bridge['logged'] = (fields) =>
    lines().filter((line) => Object.entries(fields).every(([name, value]) => line[name] === value));
  return {
    url,
    port,
    token: options.env?.['ACCESS_TOKEN'] ?? TEST_TOKEN,
    pid: running.pid,
    dir,
    runtimeDir,
    stdout: running.stdout,
    stderr: running.stderr,
    lines,
    logged,
    workers: () => logged({ msg: 'worker ready' }).map(({ workerPid }) => Number(workerPid)),
    printed: running.printed,
    processes: () => descendants(running.pid),
    stop() {
      running.child.kill('SIGTERM');
      return running.ended;
    },
    ended: running.ended,
  };
}

/** Asked in a row, because each worker has its own view of the others: one that joins late takes keys over. */
const VIEWS = 4;

async function isReady(url: string, workers: number): Promise<boolean> {
  try {
    for (let i = 0; i < VIEWS; i++) {
      const response = await fetch(`${url}/ready`, { headers: { Connection: 'close' } });
      const body = (await response.json()) as { workers?: { ready?: number } };
      if (response.status !== 200 || (body.workers?.ready ?? 0) < workers) return false;
    }
    return true;
  } catch {
    return false; // nobody listens yet
  }
}

/** What was logged, parsed; lines that are no JSON are left out. */
export const linesIn = (text: string): Record<string, unknown>[] => text.split('\n').flatMap(parsed);

function parsed(line: string): Record<string, unknown>[] {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? [value as Record<string, unknown>] : [];
  } catch {
    return [];
  }
}
