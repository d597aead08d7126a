/**
 * A real PM2 with a daemon of its own (PM2_HOME in a temporary folder), which runs the bridge from the repository's
 * ecosystem.config.js; gone with everything that it started when the test ends.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ENTRY, TEST_TOKEN } from './bridge.ts';
import { freePort } from './free-port.ts';
import { cleanEnvironment, descendants, isAlive } from './process.ts';
import type { Json, Target } from './rpc.ts';
import { until } from './until.ts';

const PM2 = resolve('node_modules/pm2/bin/pm2');

export const hasPm2 = existsSync(PM2);

export interface Instance {
  readonly pid: number;
  readonly status: string;
  readonly mode: string;
  readonly slot: number;
  readonly restarts: number;
  readonly env: Readonly<Record<string, unknown>>;
}

export interface Pm2 extends Target {
  readonly dir: string;
  readonly runtimeDir: string;
  /** Of the daemon; it is there after the first command. */
  readonly daemonPid: () => number;
  /** Runs a command of PM2 and resolves with what it printed; rejects when it fails. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
  /** `pm2 jlist`, by slot. */
  list(): Promise<readonly Instance[]>;
  /** Resolves when `count` instances are ready and no other process is in the fleet. */
  serving(count: number): Promise<void>;
  /** What the instances logged. */
  lines(): Json[];
  readonly out: () => string;
  readonly errors: () => string;
}

export interface Pm2Options {
  /** The content of `mcp-servers.yaml`. */
  readonly config: object;
  readonly env?: Readonly<Record<string, string>>;
  /** What differs from the repository's ecosystem.config.js. */
  readonly app?: Readonly<Record<string, unknown>>;
}

export async function createPm2(t: TestContext, { config, env: more, app }: Pm2Options): Promise<Pm2> {
  const dir = mkdtempSync(join(tmpdir(), 'pm2-test-'));
  const home = join(dir, 'pm2');
  const runtimeDir = join(dir, 'run');
  const port = await freePort();
  const files = {
    'package.json': JSON.stringify({ type: 'module' }),
    'mcp-servers.yaml': JSON.stringify(config),
    'ecosystem.config.js': ecosystem(dir, app),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  const env = {
    ...cleanEnvironment(),
    PM2_HOME: home,
    RUNTIME_DIR: runtimeDir,
    MCP_SERVERS_FILE: join(dir, 'mcp-servers.yaml'),
    HOST: '127.0.0.1',
    PORT: `${port}`,
    WORKERS: '2',
    ACCESS_TOKEN: TEST_TOKEN,
    DRAIN_TIMEOUT_MS: '4000',
    ...more,
  };
  const run = (args: readonly string[], once: Readonly<Record<string, string>> = {}): Promise<string> =>
    new Promise((settle, reject) => {
      const options = { cwd: dir, env: { ...env, ...once }, timeout: 60_000 };
      execFile(process.execPath, [PM2, ...args], options, (error, stdout, stderr) => {
        if (error === null) settle(stdout);
        else reject(new Error(`pm2 ${args.join(' ')}: ${error.message}\n${stdout}\n${stderr}`));
      });
    });
  const read = (name: string): string => {
    const path = join(dir, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  };
  const daemonPid = (): number => Number(read('pm2/pm2.pid'));

  t.after(async () => {
    const daemon = daemonPid();
    const started = daemon > 0 && isAlive(daemon) ? [...descendants(daemon), daemon] : [];
    for (const pid of started) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    await until('the processes of PM2 to be gone', () => !started.some(isAlive));
    rmSync(dir, { recursive: true, force: true });
  });
  return {
    port,
    token: TEST_TOKEN,
    dir,
    runtimeDir,
    daemonPid,
    run,
    async list() {
      const printed = await run(['jlist']);
      return (JSON.parse(printed.slice(printed.indexOf('['))) as Listed[])
        .map(({ pid, pm2_env: of }) => ({
          pid,
          status: of.status,
          mode: of.exec_mode,
          slot: of.NODE_APP_INSTANCE,
          restarts: of.restart_time,
          env: of.env,
        }))
        .sort((a, b) => a.slot - b.slot);
    },
    async serving(count) {
      const expected = { booting: 0, ready: count, draining: 0 };
      await until(`${count} instances to serve`, async () => {
        const workers = await askReady(port);
        return JSON.stringify(workers) === JSON.stringify(expected);
      });
    },
    lines: () =>
      read('out.log')
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [JSON.parse(line)])),
    out: () => read('out.log'),
    errors: () => read('errors.log'),
  };
}

interface Listed {
  readonly pid: number;
  readonly pm2_env: {
    readonly status: string;
    readonly exec_mode: string;
    readonly NODE_APP_INSTANCE: number;
    readonly restart_time: number;
    readonly env: Record<string, unknown>;
  };
}

/** The repository's own file, but for the build that is tested and where the logs go. */
const ecosystem = (dir: string, app: object = {}): string => `
import { apps as real } from '${pathToFileURL(resolve('ecosystem.config.js'))}';
export const apps = real.map((app) => ({
  ...app,
  ...${JSON.stringify(app)},
  script: ${JSON.stringify(ENTRY)},
  out_file: ${JSON.stringify(join(dir, 'out.log'))},
  error_file: ${JSON.stringify(join(dir, 'errors.log'))},
}));
`;

async function askReady(port: number): Promise<unknown> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/ready`, { headers: { Connection: 'close' } });
    return ((await response.json()) as { workers?: unknown }).workers;
  } catch {
    return undefined; // nobody listens
  }
}
