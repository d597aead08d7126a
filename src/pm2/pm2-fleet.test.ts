import assert from 'node:assert/strict';
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { temporaryFolder } from '../../test/harness/temporary-folder.ts';
import type { Settings } from '../config/settings.ts';
import type { Member } from '../ipc/messages.ts';
import { startTimeOf } from '../supervisor/proc.ts';
import { createLock } from './lock.ts';
import { type MemberRecord, writeMember } from './members.ts';
import { Pm2Fleet } from './pm2-fleet.ts';

test('while RUNTIME_DIR cannot be read, the last known members stay', async (t) => {
  const parent = temporaryFolder(t);
  const folder = join(parent, 'run');
  mkdirSync(folder);
  const startTime = startTimeOf(process.pid) ?? '';
  const self: MemberRecord = {
    id: 'a',
    slot: 0,
    state: 'ready',
    pid: process.pid,
    startTime,
    bornMs: 1,
    port: 3000,
  };
  writeMember(folder, self);

  const lines: string[] = [];
  let roster: readonly Member[] = [];
  const fleet = new Pm2Fleet({
    self,
    folder,
    lock: createLock(folder),
    settings: { maxSessions: 1, maxChildren: 1, workers: 1 } as Settings,
    logger: pino({}, { write: (line) => void lines.push(line) }),
    succession: undefined,
    announce: () => undefined,
    giveUp: () => assert.fail('it started'),
  });
  await fleet.open();
  fleet.listen({
    roster(members) {
      roster = members;
    },
    answer: () => undefined,
    drain: () => undefined,
    orphaned: () => undefined,
    tryServers: async () => [],
    adopt: async () => undefined,
  });

  renameSync(folder, `${folder}-away`);
  while (!lines.some((line) => line.includes('RUNTIME_DIR cannot be read'))) await sleep(20);
  renameSync(`${folder}-away`, folder);
  fleet.leave(false);
  assert.deepEqual(
    roster.map(({ id }) => id),
    ['a'],
  );
});
