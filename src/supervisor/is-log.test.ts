import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../../test/harness/temporary-folder.ts';
import { isLog } from './is-log.ts';

test('files, the journal and what PM2 reads are logs; a device, another pipe and a closed descriptor are none', (t) => {
  const folder = temporaryFolder(t);
  const file = openSync(join(folder, 'log'), 'w');
  const device = openSync('/dev/null', 'w');
  const { dev, ino } = fstatSync(device);
  assert.equal(isLog(file, {}), true);
  assert.equal(isLog(device, {}), false);
  assert.equal(isLog(device, { JOURNAL_STREAM: '1:2' }), false);
  assert.equal(isLog(device, { JOURNAL_STREAM: `${dev}:${ino}` }), true);
  assert.equal(isLog(device, { pm_out_log_path: '/var/log/out.log' }), true);
  closeSync(file);
  closeSync(device);
  assert.equal(isLog(file, {}), false);
});
