/** Shell scripts: what shellcheck has to say of them, which is nothing. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { without } from '../harness/tool.ts';

const FOLDERS = ['.ci', 'bench', 'deploy', 'scripts', 'test'];
const SHEBANG = /^#!.*\b(ba|da)?sh\n/;

test('shellcheck has nothing to say', { skip: without(['shellcheck'], 'shellcheck') }, () => {
  const scripts = FOLDERS.flatMap(filesBelow).filter((file) => SHEBANG.test(readFileSync(file, 'latin1')));
  assert.ok(scripts.includes('.ci/run'), 'the scripts were not found');
  const { status, stdout } = spawnSync('shellcheck', scripts, { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}
