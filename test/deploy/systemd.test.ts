/** The unit, read by systemd's own checker: none of its daemons is needed for that. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ENVIRONMENT } from '../../src/config/environment.ts';
import { temporaryFolder } from '../harness/temporary-folder.ts';
import { without } from '../harness/tool.ts';

const UNIT = 'deploy/systemd/mcp-bridge.service';
const skip = without(['systemd-analyze'], 'systemd');
/** Tenths; what the README says. */
const MAX_EXPOSURE = '17';
/** DRAIN_TIMEOUT_MS unless set, and what ending the servers may take. */
const STOP_SECONDS = 10 + 6;

test('systemd has nothing to say of the unit', { skip }, (t) => {
  const { status, output } = analyze('verify', copy(t));
  assert.equal(output, '');
  assert.equal(status, 0);
});

test('systemd is told of a key that does not exist', { skip }, (t) => {
  const unit = copy(t);
  writeFileSync(unit, readFileSync(unit, 'utf8').replace('KillMode=', 'KilMode='));
  assert.match(analyze('verify', unit).output, /Unknown key.*'KilMode'/);
});

test('the unit is as hardened as the README says', { skip }, (t) => {
  const { status, output } = analyze('security', '--offline=true', `--threshold=${MAX_EXPOSURE}`, copy(t));
  assert.equal(status, 0, output);
});

test('the unit lets the bridge drain, and sets variables that there are', () => {
  const lines = readFileSync(UNIT, 'utf8').split('\n');
  const valuesOf = (key: string): string[] =>
    lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
  assert.ok(Number(valuesOf('TimeoutStopSec')[0]) > STOP_SECONDS);
  assert.deepEqual(valuesOf('KillMode'), ['mixed']);
  assert.deepEqual(valuesOf('RestartPreventExitStatus'), ['78']);
  const names = valuesOf('Environment').map((assignment) => assignment.split('=')[0] ?? '');
  const known = new Set([...Object.keys(ENVIRONMENT), 'HOME']);
  assert.deepEqual(
    names.filter((name) => !known.has(name)),
    [],
  );
});

/** Its command is a program of the machine: here, the node that runs this test. */
function copy(t: TestContext): string {
  const folder = temporaryFolder(t);
  const unit = join(folder, 'mcp-bridge.service');
  copyFileSync(UNIT, unit);
  writeFileSync(unit, readFileSync(unit, 'utf8').replace('/usr/bin/node', process.execPath));
  return unit;
}

function analyze(...args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}
