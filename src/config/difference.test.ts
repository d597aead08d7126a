import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stdioServer } from '../../test/harness/definitions.ts';
import { applicable, compareServers, needingRestart, withoutRefused } from './difference.ts';
import type { Settings, StdioServer } from './settings.ts';

const server = (name: string, more: Partial<StdioServer> = {}): StdioServer =>
  stdioServer({ name, args: ['server.js'], env: { A: '1', B: '2' }, ...more });

const settings = (more: Partial<Settings>): Settings =>
  ({ host: '127.0.0.1', port: 3000, servers: [], tokens: [], accessTokens: ['a'], ...more }) as Settings;

const names = (before: StdioServer[], after: StdioServer[]) => {
  const { added, changed, adjusted, removed } = compareServers(before, after);
  const of = (list: readonly { name: string }[]) => list.map(({ name }) => name);
  return { added: of(added), changed: of(changed), adjusted: of(adjusted), removed };
};

const NOTHING = { added: [], changed: [], adjusted: [], removed: [] };

test('the same servers in another order, with their environment in another order, are no difference', () => {
  const swapped = server('a', { env: { B: '2', A: '1' } });
  assert.deepEqual(names([server('a'), server('b')], [server('b'), swapped]), NOTHING);
});

test('added, changed and removed servers are told apart', () => {
  const before = [server('stays'), server('changes'), server('goes')];
  const after = [server('stays'), server('changes', { args: ['other.js'] }), server('comes')];
  assert.deepEqual(names(before, after), {
    ...NOTHING,
    added: ['comes'],
    changed: ['changes'],
    removed: ['goes'],
  });
});

test('whatever a child is started with, or limited by, makes a server a changed one', () => {
  const variations: Partial<StdioServer>[] = [
    { env: { A: '1', B: '3' } },
    { cwd: '/tmp' },
    { user: 'nobody' },
    { limits: { memoryMb: 1 } },
    { isolation: 'shared' },
    { instances: 2 },
    { prewarm: 1 },
    { timeoutMs: 1 },
    { maxConcurrent: 1 },
  ];
  for (const variation of variations) {
    assert.deepEqual(
      names([server('a')], [server('a', variation)]).changed,
      ['a'],
      JSON.stringify(variation),
    );
  }
});

test('other tools, or another way to write the same command, leave the children alone', () => {
  for (const variation of [{ tools: { deny: ['x'] } }, { written: ['$' + '{NODE}', 'server.js'] }]) {
    assert.deepEqual(names([server('a')], [server('a', variation)]), { ...NOTHING, adjusted: ['a'] });
  }
});

test('disabling a server removes it, and enabling it adds it', () => {
  const off = server('a', { disabled: true });
  assert.deepEqual(names([server('a')], [off]), { ...NOTHING, removed: ['a'] });
  assert.deepEqual(names([off], [server('a')]), { ...NOTHING, added: ['a'] });
  assert.deepEqual(names([off], [server('a', { disabled: true, cwd: '/tmp' })]), NOTHING);
});

test('a refused server stays as it was, in the place that the file gives it; a new one stays away', () => {
  const before = [server('a'), server('b')];
  const after = [server('new'), server('b', { cwd: '/tmp' }), server('a', { cwd: '/tmp' })];
  assert.deepEqual(withoutRefused(before, after, new Set(['b', 'new'])), [before[1], after[2]]);
});

test('a reload takes servers and access from the fresh settings, and a key that is gone is gone', () => {
  const jwt = { issuer: 'https://i', audience: 'a', jwksUri: 'https://i/keys' };
  const running = settings({ jwt, port: 3000 });
  const fresh = settings({ port: 4000, servers: [server('a')], accessTokens: ['b'] });
  const applied = applicable(running, fresh);
  assert.deepEqual(applied.servers, fresh.servers);
  assert.deepEqual(applied.accessTokens, ['b']);
  assert.equal(applied.port, 3000);
  assert.equal('jwt' in applied, false);
});

test('what needs a new start is named by its variables, each once', () => {
  const running = settings({ allowedOrigins: [], loopbackOrigins: true });
  const fresh = settings({
    allowedOrigins: ['https://a'],
    loopbackOrigins: false,
    port: 4000,
    servers: [server('a')],
  });
  assert.deepEqual(needingRestart(running, fresh), ['PORT', 'ALLOWED_ORIGINS']);
  assert.deepEqual(needingRestart(running, settings({ ...running })), []);
});
