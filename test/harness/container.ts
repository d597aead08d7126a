/** A container of a test: run by podman in the host's network, read-only, with few rights; gone when the test ends. */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { must, PODMAN } from './images.ts';
import { type Running, runProgram } from './process.ts';

export interface ContainerOptions {
  readonly image: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Folders or files of the host, by their path inside; read-only. */
  readonly mounts?: Readonly<Record<string, string>>;
  /** What stands behind the image's name. */
  readonly args?: readonly string[];
  readonly memory?: string;
}

export interface Container extends Running {
  /** Runs a command in it; its output. Throws when it fails. */
  exec(...command: readonly string[]): string;
  /** As `docker stop`: SIGTERM, after `seconds` SIGKILL. Resolves with the exit code. */
  stop(seconds: number): Promise<number | string>;
}

/** What is written must lie on these: the rest of the file system is read-only. */
const WRITABLE = ['--read-only', '--read-only-tmpfs=false', '--tmpfs', '/tmp'];
const FEW_RIGHTS = ['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
/** The machine's own limits may be lower than podman's default, which it would not be allowed to raise. */
const LIMITS = ['--ulimit', 'nofile=20000:20000', '--ulimit', 'nproc=32768:32768'];

export function runContainer(t: TestContext, options: ContainerOptions): Container {
  const { image, env = {}, mounts = {}, args = [], memory = '512m' } = options;
  const name = `bridge-test-${randomUUID()}`;
  const remove = (): void => void spawnSync('podman', [...PODMAN, 'rm', '--force', '--time', '0', name]);
  const running = runProgram(t, 'podman', [
    ...PODMAN,
    ...['run', '--name', name, '--network', 'host', '--pull', 'never', '--no-healthcheck'],
    ...WRITABLE,
    ...FEW_RIGHTS,
    ...LIMITS,
    ...['--memory', memory],
    ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...Object.entries(mounts).flatMap(([inside, outside]) => ['--volume', `${outside}:${inside}:ro`]),
    image,
    ...args,
  ]);
  t.after(remove);
  return {
    ...running,
    exec: (...command) => must('podman', [...PODMAN, 'exec', name, ...command]),
    stop(seconds) {
      must('podman', [...PODMAN, 'stop', '--time', `${seconds}`, name]);
      return running.ended;
    },
  };
}
