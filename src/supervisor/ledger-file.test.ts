/** What a process leaves in its ledger, as it is read when the process is dead. */
import assert from 'node:assert/strict';
import { appendFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../../test/harness/temporary-folder.ts';
import { createLedgerFile, groupOf, type LedgerFile, readLedgerFile } from './ledger-file.ts';
import { startTimeOf } from './proc.ts';

const never = (error: unknown): void => assert.fail(String(error));

function pathIn(t: TestContext): string {
  return join(temporaryFolder(t), 'ledger');
}

function start(file: LedgerFile, pgid: number, server: string): void {
  const group = groupOf(pgid, server);
  if (group !== undefined) file.started(group);
}

test('it names the groups that their process had not seen the end of, and stays small', (t) => {
  const path = pathIn(t);
  const file = createLedgerFile(path, never);
  start(file, process.ppid, 'a server');
  for (let pgid = 100_000; pgid < 103_000; pgid++) {
    start(file, pgid, 'brief');
    file.gone(pgid);
  }
  start(file, 1, 'everybody');
  start(file, 200_000, 'gone before it was looked at');
  appendFileSync(path, '+ 30000');
  const groups = [
    { pgid: process.ppid, server: 'a server', startTime: startTimeOf(process.ppid) },
    { pgid: 200_000, server: 'gone before it was looked at', startTime: undefined },
  ];
  assert.deepEqual(readLedgerFile(path), { groups, workers: [] });
  assert.deepEqual(file.groups(), groups);
  assert.ok(statSync(path).size < 100_000);
});

test('it names the workers that are there, by their number and start time', (t) => {
  const path = pathIn(t);
  const file = createLedgerFile(path, never);
  file.forked(process.ppid);
  file.forked(200_000);
  file.gone(200_000);
  assert.deepEqual(readLedgerFile(path), {
    groups: [],
    workers: [{ pid: process.ppid, startTime: startTimeOf(process.ppid) }],
  });
  file.gone(process.ppid);
  start(file, process.ppid, 'a server');
  assert.deepEqual(readLedgerFile(path).workers, []);
});

test('a ledger that cannot be written is told, and stops nobody', (t) => {
  const told: unknown[] = [];
  const file = createLedgerFile(join(pathIn(t), 'no such folder'), (error) => told.push(error));
  file.forked(process.ppid);
  assert.match(String(told), /ENOENT/);
});

test('there is nothing in a ledger that is not there', (t) => {
  assert.deepEqual(readLedgerFile(pathIn(t)), { groups: [], workers: [] });
});
