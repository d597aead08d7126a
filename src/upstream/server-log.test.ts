import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';
import { ServerLog } from './server-log.ts';

function recorded(): { log: ServerLog; lines: () => Record<string, unknown>[] } {
  const texts: string[] = [];
  const log = pino({ base: null, timestamp: false }, { write: (text) => void texts.push(text) });
  return { log: new ServerLog(log, 'loud'), lines: () => texts.map((text) => JSON.parse(text)) };
}

test('the first lines of a kind are logged, and then how many were left out', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { log, lines } = recorded();
  for (let i = 0; i < 1_000; i++) log.warn({ i }, 'noise');
  log.info({ line: 'a last word' }, 'stderr');
  assert.equal(lines().length, 201);
  assert.deepEqual(lines()[199], { level: 40, server: 'loud', i: 199, msg: 'noise' });
  assert.equal(lines()[200]?.['line'], 'a last word', 'another kind has its own number');

  t.mock.timers.tick(10_000);
  assert.deepEqual(lines()[201], {
    level: 40,
    server: 'loud',
    what: 'noise',
    lines: 800,
    msg: 'lines left out',
  });
  log.warn({}, 'noise');
  t.mock.timers.tick(10_000);
  assert.equal(lines().length, 203, 'it begins anew, and says nothing when nothing was left out');
});

test('what was left out is told at the end of a server', () => {
  const { log, lines } = recorded();
  for (let i = 0; i < 250; i++) log.warn({}, 'noise');
  log.close();
  assert.equal(lines().at(-1)?.['lines'], 50);
});
