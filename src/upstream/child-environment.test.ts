import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stdioServer } from '../../test/harness/definitions.ts';
import { BridgeError } from '../errors.ts';
import { childEnvironment } from './child-environment.ts';
import { confine } from './confine.ts';

const server = stdioServer({ command: 'node', args: ['a b', '-x'] });

test('a child finds what programs need in its environment, and none of our secrets', () => {
  const passed = childEnvironment({
    PATH: '/bin',
    HOME: '/home/x',
    https_proxy: 'http://p',
    ACCESS_TOKEN: 'secret',
    SESSION_SECRET: 'secret',
    METRICS_TOKEN: 'secret',
    GITHUB_TOKEN: 'secret',
    NODE_OPTIONS: '--inspect',
    PORT: '3000',
  });
  assert.deepEqual(passed, { PATH: '/bin', HOME: '/home/x', https_proxy: 'http://p' });
});

test('without limits a command is run as it is', () => {
  const { command, args, identity } = confine(server, server.command, server.args);
  assert.deepEqual({ command, args, identity }, { command: 'node', args: ['a b', '-x'], identity: {} });
});

test('limits stand in front of the command, which prlimit cannot take for options of its own', () => {
  const limited = { ...server, limits: { memoryMb: 2, cpuSeconds: 3, openFiles: 4 } };
  const { command, args } = confine(limited, '--help', server.args);
  assert.equal(command, 'prlimit');
  assert.deepEqual(args, ['--as=2097152', '--cpu=3', '--nofile=4', '--', '--help', 'a b', '-x']);
});

test('a user brings his group along, unless another one is named', () => {
  assert.deepEqual(confine({ ...server, user: 'root' }, 'x', []).identity, { uid: 0, gid: 0 });
  const { uid, gid } = confine({ ...server, user: 'root', group: 'daemon' }, 'x', []).identity;
  assert.equal(uid, 0);
  assert.ok(gid !== undefined && gid > 0);
});

test('a user may be a number, one without an account too; his home comes along, where he has one', () => {
  const asRoot = confine({ ...server, user: '0' }, 'x', []);
  assert.deepEqual(asRoot.identity, { uid: 0, gid: 0 });
  assert.deepEqual([asRoot.environment['USER'], asRoot.environment['LOGNAME']], ['root', 'root']);
  assert.match(asRoot.environment['HOME'] ?? '', /^\//);
  const stranger = confine({ ...server, user: '54321' }, 'x', []);
  assert.deepEqual(stranger.identity, { uid: 54_321, gid: 54_321 });
  assert.deepEqual(stranger.environment, {});
  assert.deepEqual(confine({ ...server, group: '54322' }, 'x', []).identity, { gid: 54_322 });
});

test('a user that does not exist is named in the refusal', () => {
  assert.throws(
    () => confine({ ...server, user: 'no-such-user' }, 'x', []),
    (error) =>
      error instanceof BridgeError &&
      error.code === 'server_start_failed' &&
      /no-such-user/.test(error.message),
  );
});
