/**
 * A process under test: started with its logs in a file, ready when it says so over HTTP or TCP, stopped by its id.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const STOP_MS = 10_000;
const POLL_MS = 5;

export interface Launch {
  readonly name: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Takes what it prints. */
  readonly logFile: string;
  readonly readyMs: number;
  /** Whether it serves by now. */
  isReady(): Promise<boolean>;
}

export interface Running {
  readonly pid: number;
  /** From its start to the first time it was seen ready. */
  readonly readyAfterMs: number;
  /** The end of what it printed. */
  logTail(): string;
  /** Rejects when it had to be killed. */
  stop(): Promise<void>;
}

/** Starts `node ARGS`; rejects with the end of its log when it ends or is not ready in time. */
export async function launch(order: Launch): Promise<Running> {
  const { name, args, cwd, logFile, readyMs } = order;
  const log = openSync(logFile, 'a');
  const startedAt = performance.now();
  // A group of its own, so that what a peer leaves behind can be ended with it. Its stdin is a pipe that closes
  // with the benchmark.
  const child = spawn(process.execPath, [...args], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: cwd, ...order.env },
    stdio: ['pipe', log, log],
    detached: true,
  });
  closeSync(log);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} could not be started.`);
  const stop = (): Promise<void> => stopChild(name, child, pid);
  const logTail = (): string => readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-8).join('\n');
  while (!(await order.isReady())) {
    if (hasEnded(child))
      throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}:\n${logTail()}`);
    if (performance.now() - startedAt > readyMs) {
      await stop();
      throw new Error(`${name} was not ready after ${readyMs} ms:\n${logTail()}`);
    }
    await sleep(POLL_MS);
  }
  return { pid, readyAfterMs: performance.now() - startedAt, logTail, stop };
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function stopChild(name: string, child: ChildProcess, pid: number): Promise<void> {
  child.stdin?.end();
  if (hasEnded(child)) return endGroup(pid);
  const ended = new Promise<boolean>((resolve) => child.once('exit', () => resolve(true)));
  child.kill('SIGTERM');
  const inTime = await Promise.race([ended, sleep(STOP_MS, false, { ref: false })]);
  endGroup(pid);
  if (!inTime) {
    await ended;
    throw new Error(`${name} did not stop within ${STOP_MS} ms after SIGTERM and was killed.`);
  }
}

/** Ends what is left of the group that this benchmark started; there may be nothing left. */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}
