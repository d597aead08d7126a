/**
 * The bridge of a long run: a real one with two workers and a folder of its own, outside of any test. Everything it
 * started is gone after `discard`, whatever happened.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ENTRY, TEST_TOKEN } from '../harness/bridge.ts';
import { freePort } from '../harness/free-port.ts';
import { cleanEnvironment } from '../harness/process.ts';
import { MARK_VARIABLE, marked, naming, type Process, signal } from './processes.ts';
import { serversFile } from './servers.ts';

export const REQUEST_TIMEOUT_MS = 5_000;
export const WORKERS = 2;

const START_MS = 20_000;
/** Drain, grace and the end of a stubborn child, with room. */
const STOP_MS = 20_000;
const LOG_CHARS = 200_000;

export interface Tree {
  readonly workers: readonly Process[];
  /** Stdio servers and what they started, whoever their parent is by now. */
  readonly children: readonly Process[];
}

export class Subject {
  readonly port: number;
  readonly token = TEST_TOKEN;
  readonly primary: number;
  readonly #mark: string;
  readonly #folder: string;
  readonly #child: ReturnType<typeof spawn>;
  #log = '';
  #generation = 0;

  /** `env` overrides what is set here. Rejects with the bridge's last words when it does not become ready. */
  static async start(env: Readonly<Record<string, string>>): Promise<Subject> {
    const subject = new Subject(await freePort(), env);
    try {
      const end = performance.now() + START_MS;
      while (!(await subject.isReady())) {
        if (subject.#hasEnded || performance.now() > end) throw new Error('The bridge did not become ready.');
        await sleep(50);
      }
      return subject;
    } catch (error) {
      await subject.discard();
      throw new Error(`${(error as Error).message}\n${subject.logTail()}`, { cause: error });
    }
  }

  private constructor(port: number, env: Readonly<Record<string, string>>) {
    this.port = port;
    this.#mark = randomBytes(8).toString('hex');
    this.#folder = mkdtempSync(join(tmpdir(), 'bridge-run-'));
    this.writeServers();
    this.#child = spawn(process.execPath, [ENTRY], {
      cwd: this.#folder,
      env: {
        ...cleanEnvironment(),
        [MARK_VARIABLE]: this.#mark,
        NODE_ENV: 'test',
        HOST: '127.0.0.1',
        PORT: String(port),
        ACCESS_TOKEN: this.token,
        WORKERS: String(WORKERS),
        RUNTIME_DIR: join(this.#folder, 'run'),
        LOG_LEVEL: 'INFO',
        REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS),
        STREAM_SESSION_TTL_MS: '5000',
        CLIENT_CACHE_TTL_MS: '5000',
        DRAIN_TIMEOUT_MS: '3000',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#log = (this.#log + text).slice(-LOG_CHARS);
      });
    }
    this.primary = this.#child.pid ?? 0;
  }

  /** Both workers take traffic. */
  async isReady(): Promise<boolean> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.port}/ready`, {
        headers: { Connection: 'close' },
        signal: AbortSignal.timeout(2_000),
      });
      const body = (await answer.json()) as { workers?: { ready?: number } };
      return answer.status === 200 && body.workers?.ready === WORKERS;
    } catch {
      return false; // nobody listens, or the one who does is stopped
    }
  }

  tree(): Tree {
    const all = marked(this.#mark).filter(({ pid }) => pid !== this.primary);
    // Whoever a dead worker left behind has init as its parent, never the primary.
    const workers = all.filter(({ parent }) => parent === this.primary);
    return { workers, children: all.filter((one) => !workers.includes(one)) };
  }

  signalPrimary(name: NodeJS.Signals): void {
    if (!this.#hasEnded) this.#child.kill(name);
  }

  /** The next generation of the file, or one that cannot be read as one. */
  writeServers(broken = false): void {
    if (!broken) this.#generation++;
    const text = broken
      ? '{ "servers": { "own": { "comand": 1 } }'
      : serversFile(this.#mark, this.#generation);
    writeFileSync(join(this.#folder, 'mcp-servers.yaml'), text);
  }

  /** The definitions as they were before `writeServers(true)`. */
  mendServers(): void {
    writeFileSync(join(this.#folder, 'mcp-servers.yaml'), serversFile(this.#mark, this.#generation));
  }

  logTail(lines = 25): string {
    return this.#log.trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** SIGTERM; the exit code, the signal that ended it, or `undefined` when it had to be killed. */
  async stop(): Promise<number | string | undefined> {
    if (!this.#hasEnded) {
      const gone = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      if ((await Promise.race([gone, sleep(STOP_MS, 'late', { ref: false })])) === 'late') return undefined;
    }
    return this.#child.exitCode ?? this.#child.signalCode ?? undefined;
  }

  /** What it left behind; to be asked after `stop`. */
  leftovers(): { readonly processes: number; readonly files: readonly string[] } {
    return {
      processes: marked(this.#mark).length + naming(this.#folder),
      files: filesIn(join(this.#folder, 'run')),
    };
  }

  /** Kills whatever is left and removes the folder. */
  async discard(): Promise<void> {
    // Again until nobody is found: who is killed may just have started another.
    for (let left = marked(this.#mark); left.length > 0; left = marked(this.#mark)) {
      for (const one of left) signal(one, 'SIGKILL');
      await sleep(20);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
