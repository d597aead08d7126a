/**
 * A real process of a test: started, read, and gone with all that it started when the test ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** All it has printed so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves with the first match of `pattern` in its output; rejects when it ends, or 20 s pass, without one. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

const PATIENCE_MS = 20_000;

/** The environment of the test run without anything that would configure a bridge. */
export function cleanEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', LANG = 'C.UTF-8' } = process.env;
  return { PATH, HOME, LANG };
}

/** Runs node with `args`; the whole process tree is killed when the test ends. */
export function run(
  t: Pick<TestContext, 'after'>,
  args: readonly string[],
  options: RunOptions = {},
): Running {
  return runProgram(t, process.execPath, args, options);
}

/** The same with any program. */
export function runProgram(
  t: Pick<TestContext, 'after'>,
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Running {
  const child = spawn(program, args, {
    cwd: options.cwd ?? process.cwd(),
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} ${args.join(' ')} did not start`);
  let stdout = '';
  let stderr = '';
  const waiters = new Set<() => void>();
  const note = (): void => {
    for (const waiter of waiters) waiter();
  };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    note();
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    note();
  });
  const ended = new Promise<number | string>((resolve) => {
    child.once('close', (code, signal) => {
      resolve(code ?? signal ?? 'unknown');
      note();
    });
  });
  t.after(async () => {
    const isThere = child.exitCode === null && child.signalCode === null;
    // Held still, so that it starts nobody in the place of those that are killed; they go first, because once it is gone
    // nothing tells whose they were.
    if (isThere) kill(pid, 'SIGSTOP');
    for (const orphan of descendants(pid)) kill(orphan);
    if (isThere) kill(pid);
    await ended;
  });
  return {
    child,
    pid,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    printed(pattern) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(stdout) ?? pattern.exec(stderr);
          if (match === null && child.exitCode === null && child.signalCode === null) return;
          waiters.delete(look);
          clearTimeout(timer);
          if (match !== null) resolve(match);
          else reject(new Error(`ended without printing ${pattern}:\n${stdout}\n${stderr}`));
        };
        const timer = setTimeout(() => {
          waiters.delete(look);
          reject(new Error(`did not print ${pattern} within ${PATIENCE_MS} ms:\n${stdout}\n${stderr}`));
        }, PATIENCE_MS);
        waiters.add(look);
        look();
      });
    },
  };
}

/** Process ids of everything below `pid`, through /proc. */
export function descendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const each of allProcesses()) {
    const parent = stateOf(each)?.parent;
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), each]);
  }
  const found: number[] = [];
  const visit = (of: number): void => {
    for (const child of children.get(of) ?? []) {
      found.push(child);
      visit(child);
    }
  };
  visit(pid);
  return found;
}

/** Process ids of all whose command line holds `text`, whoever their parent is. */
export function processesWith(text: string): number[] {
  return allProcesses().filter((pid) => isAlive(pid) && commandLineOf(pid).includes(text));
}

/** Whether `pid` exists and is no zombie. */
export function isAlive(pid: number): boolean {
  const found = stateOf(pid);
  return found !== undefined && found.state !== 'Z';
}

/** Whether anybody of the process group `pgid` runs. */
export function groupRuns(pgid: number): boolean {
  return allProcesses().some((pid) => isAlive(pid) && stateOf(pid)?.group === pgid);
}

function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    return; // gone already
  }
}

const allProcesses = (): number[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);

function stateOf(pid: number): { state: string; parent: number; group: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name stands in parentheses and may hold anything.
    const [state = '', parent = '', group = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent), group: Number(group) };
  } catch {
    return undefined; // ended while we looked
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return ''; // ended while we looked
  }
}
