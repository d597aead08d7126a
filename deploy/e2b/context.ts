/**
 * The folder that the two Dockerfiles are built in: exactly the files that they copy, so that no secret of the project
 * can get into an image, with a build of the bridge that was just made.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './command.ts';

const FROM_PROJECT = ['package.json', 'package-lock.json'];
const FROM_HERE = ['servers.json', 'startup.sh', 'nginx.conf', 'chrome-devtools-wrapper.sh'];

/** `folder` is emptied before. */
export function layOutContext(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // Not into the project's own dist, which a bridge may be starting from.
  const build = ['run', 'build', '--silent', '--', `--outdir=${join(folder, 'dist')}`];
  execFileSync('npm', build, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  for (const name of FROM_PROJECT) cpSync(join(ROOT, name), join(folder, name));
  for (const name of FROM_HERE) cpSync(join(ROOT, 'deploy/e2b', name), join(folder, name));
}
