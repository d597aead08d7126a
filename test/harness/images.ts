/**
 * Container images in tests, without a container engine that runs: buildah builds, podman runs. They live in a store
 * of their own below the temporary folder, kept from run to run for its base image (`rm -rf` it to start afresh).
 */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { without } from './tool.ts';

const STORE = join(tmpdir(), 'mcp-bridge-test-images');
export const STORAGE = [
  ...['--root', join(STORE, 'root'), '--runroot', join(STORE, 'run')],
  ...['--storage-driver', 'overlay'],
] as const;

/** Before the subcommand of podman; crun and systemd's cgroups are not to be had everywhere. */
export const PODMAN = [
  ...STORAGE,
  ...['--runtime', '/usr/sbin/runc', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file'],
] as const;

const PROGRAMS = ['buildah', 'podman', 'runc', 'mmdebstrap'];

/** For the `skip` of whatever builds or runs an image. */
export function skipWithoutImages(): string | false {
  const missing = without(PROGRAMS, PROGRAMS.join(' '));
  return missing || (process.getuid?.() !== 0 && 'images are built and run as root');
}

export interface BuildOptions {
  /** Default: the project. */
  readonly context?: string;
  /** Default: `Dockerfile` of the context. */
  readonly file?: string;
  /** Build no further than this stage. */
  readonly target?: string;
  readonly args?: Readonly<Record<string, string>>;
  /** Files or folders of the host that the build finds, by their path in it. */
  readonly mounts?: Readonly<Record<string, string>>;
}

/**
 * Builds as `docker build` would, on a `node:24-trixie-slim` made from packages, and returns the image's name; it is
 * removed when the test ends. Throws with all that was printed.
 */
export function buildImage(t: TestContext, options: BuildOptions = {}): string {
  const { context = '.', file, target, args = {}, mounts = {} } = options;
  const tag = `localhost/bridge-test:${randomUUID()}`;
  t.after(() => void spawnSync('podman', [...PODMAN, 'rmi', '--force', tag]));
  must('bash', [resolve('test/harness/node-base.sh'), STORE]);
  const scratch = mkdtempSync(join(tmpdir(), 'bridge-image-'));
  try {
    const all = { ...npmSettings(scratch), ...mounts };
    must('buildah', [
      ...STORAGE,
      ...['bud', '--isolation', 'chroot', '--format', 'docker', '--pull-never', '--tag', tag],
      // The second is allowed with the first only.
      ...['--no-cache', '--force-rm'],
      ...Object.entries(all).flatMap(([inside, outside]) => ['--volume', `${outside}:${inside}:ro`]),
      ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
      ...(file === undefined ? [] : ['--file', file]),
      ...(target === undefined ? [] : ['--target', target]),
      context,
    ]);
    return tag;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Not where Debian's certificates are: the package that brings them could not write there. */
const CAFILE = '/run/npm-cafile.crt';

/** How npm reaches its registry on this machine, for the npm of the build. */
function npmSettings(folder: string): Record<string, string> {
  const { cafile, registry } = JSON.parse(must('npm', ['config', 'list', '--json'])) as {
    cafile?: string | null;
    registry?: string;
  };
  const npmrc = join(folder, 'npmrc');
  writeFileSync(npmrc, `${cafile ? `cafile=${CAFILE}\n` : ''}registry=${registry}\n`);
  return { '/root/.npmrc': npmrc, ...(cafile && { [CAFILE]: cafile }) };
}

export interface ImageFacts {
  readonly Size: number;
  readonly Config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Labels: Readonly<Record<string, string>>;
  };
}

export function inspectImage(tag: string): ImageFacts {
  const [facts] = JSON.parse(must('podman', [...PODMAN, 'image', 'inspect', tag])) as ImageFacts[];
  if (facts === undefined) throw new Error(`podman knows no image ${tag}`);
  return facts;
}

/** Its output. Throws with all that it printed when it fails. */
export function must(program: string, args: readonly string[], env?: Record<string, string>): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? status}\n${stdout}\n${stderr}`);
}
