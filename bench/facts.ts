/**
 * The facts without which a number means nothing: the machine, the versions, the commit, the time.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';

export interface Facts {
  readonly date: string;
  readonly commit: string;
  /** Tracked files differ from the commit. */
  readonly dirty: boolean;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  readonly uws: string;
  readonly loadGenerator: string;
  /** One-minute load average before the run: others at work on the machine. */
  readonly loadAverage: number;
}

export function gatherFacts(loadGenerator: string): Facts {
  return {
    date: new Date().toISOString(),
    commit: git('rev-parse', '--short=12', 'HEAD') ?? 'unknown',
    dirty: (git('status', '--porcelain', '--untracked-files=no') ?? '') !== '',
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGib: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    uws: uwsVersion(),
    loadGenerator,
    loadAverage: Math.round((os.loadavg()[0] ?? 0) * 100) / 100,
  };
}

export function factsLine(facts: Facts): string {
  return (
    `${facts.cpu}, ${facts.cores} cores, ${facts.memoryGib} GiB, ${facts.kernel}; Node ${facts.node}, ` +
    `uWebSockets.js ${facts.uws}; load by ${facts.loadGenerator}; commit ${facts.commit}` +
    `${facts.dirty ? ' with changes' : ''}; ${facts.date}; load average before: ${facts.loadAverage}`
  );
}

function git(...args: string[]): string | undefined {
  try {
    const cwd = import.meta.dirname;
    return execFileSync('git', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

function uwsVersion(): string {
  try {
    const path = new URL('../node_modules/uWebSockets.js/package.json', import.meta.url);
    const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string };
    return version;
  } catch {
    return 'not installed';
  }
}
