import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../test/harness/temporary-folder.ts';

const LOG = fileURLToPath(new URL('./log.ts', import.meta.url));
const ERRORS = fileURLToPath(new URL('./errors.ts', import.meta.url));

interface Run {
  readonly logLevel?: string;
  readonly logDir?: string;
  /** Instead of running the program directly: through this shell line, where "$@" is the program. */
  readonly shell?: string;
  readonly nodeEnv?: string;
}

/** Starts a process that has a `logger` and runs `code`. */
function start(code: string, { logLevel = 'info', logDir, shell, nodeEnv = 'production' }: Run = {}) {
  const settings = JSON.stringify({ logLevel, logDir, nodeEnv });
  const program = `
    import { createLogger, flushLog } from ${JSON.stringify(LOG)};
    import { BridgeError } from ${JSON.stringify(ERRORS)};
    const logger = createLogger(${settings}, { role: 'worker', slot: 3 });
    ${code}`;
  const command = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', program];
  const [file, ...args] = shell === undefined ? command : ['/bin/sh', '-c', shell, 'sh', ...command];
  const child = spawn(file as string, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    stderr += chunk;
  });
  const done = once(child, 'close').then(([status]) => ({ status, stdout, stderr }));
  return { child, done };
}

const run = (code: string, how?: Run) => start(code, how).done;

/** Every line parsed; a torn line fails here. */
const parse = (text: string): Record<string, unknown>[] => {
  assert.ok(text === '' || text.endsWith('\n'), 'the last line is whole');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
};

test('a line is JSON with ISO time, level by name, process, role, slot, fields and message', async () => {
  const { stdout, status } = await run(`logger.child({ requestId: 'r1' }).warn({ bytes: 7 }, 'one thing');`);
  const [line, ...more] = parse(stdout);
  const { time, pid, ...rest } = line ?? {};
  assert.equal(new Date(String(time)).toISOString(), time);
  assert.equal(typeof pid, 'number');
  assert.deepEqual(rest, {
    level: 'warn',
    role: 'worker',
    slot: 3,
    requestId: 'r1',
    bytes: 7,
    msg: 'one thing',
  });
  assert.deepEqual([more, status], [[], 0]);
});

test('lines below the level are left out', async () => {
  const code = `for (const level of ['debug', 'info', 'warn', 'error']) logger[level](level);`;
  const levels = async (logLevel: string) =>
    parse((await run(code, { logLevel })).stdout).map((l) => l['msg']);
  assert.deepEqual(await levels('debug'), ['debug', 'info', 'warn', 'error']);
  assert.deepEqual(await levels('error'), ['error']);
});

test('LOG_DIR is created; combined.log has every line and error.log those from error on', async (t) => {
  const logDir = join(temporaryFolder(t), 'deep', 'logs');
  const code = `
    for (const level of ['debug', 'info', 'error', 'fatal']) { logger[level](level[0]); await flushLog(logger); }`;
  const { stdout } = await run(code, { logDir, logLevel: 'debug' });
  const messages = (name: string) => parse(readFileSync(join(logDir, name), 'utf8')).map((l) => l['msg']);
  assert.deepEqual(messages('combined.log'), ['d', 'i', 'e', 'f']);
  assert.deepEqual(messages('error.log'), ['e', 'f']);
  assert.equal(stdout, readFileSync(join(logDir, 'combined.log'), 'utf8'));
});

test('a LOG_DIR that cannot be used is refused with a sentence that names it', async (t) => {
  const file = join(temporaryFolder(t), 'file');
  writeFileSync(file, '');
  const { status, stderr } = await run('', { logDir: join(file, 'logs') });
  assert.equal(status, 1);
  assert.match(
    stderr,
    /environment LOG_DIR: found ".*file\/logs", where log files cannot be written \(ENOTDIR.*\); allowed: /,
  );
});

test('two processes that log 10,000 lines each at once tear no line and lose none', async (t) => {
  const logDir = temporaryFolder(t);
  const code = `
    process.stdin.once('data', async () => {
      for (let i = 0; i < 10_000; i++) {
        logger.info({ i, text: 'é'.repeat(i % 200) }, 'many');
        if (i % 100 === 0) await new Promise(setImmediate);
      }
      process.stdin.destroy();
    });
    process.stdout.write('up\\n');`;
  const both = [start(code, { logDir }), start(code, { logDir })];
  await Promise.all(both.map(({ child }) => once(child.stdout, 'data')));
  for (const { child } of both) child.stdin.write('go');
  const ended = await Promise.all(both.map(({ done }) => done));
  assert.deepEqual(
    ended.map(({ status }) => status),
    [0, 0],
  );
  const lines = parse(readFileSync(join(logDir, 'combined.log'), 'utf8'));
  for (const { child } of both) {
    const own = lines.filter(({ pid }) => pid === child.pid).map(({ i }) => i);
    assert.deepEqual(own, Array.from(Array(10_000).keys()));
  }
});

test('several processes on one pipe tear no line', async () => {
  const code = `for (let i = 0; i < 3000; i++) logger.info({ text: 'é'.repeat(i % 300) }, 'many');`;
  const { stdout, status } = await run(code, { shell: '"$@" & "$@" & wait' });
  assert.equal(status, 0);
  assert.equal(parse(stdout).length, 6000);
});

test('a file truncated by copytruncate starts again at its beginning', async (t) => {
  const logDir = temporaryFolder(t);
  const file = join(logDir, 'combined.log');
  const code = `
    logger.info('before'); await flushLog(logger); process.stderr.write('written');
    process.stdin.once('data', () => { logger.info('after'); process.stdin.destroy(); });`;
  const { child, done } = start(code, { logDir });
  await once(child.stderr, 'data');
  assert.equal(parse(readFileSync(file, 'utf8')).length, 1);
  truncateSync(file);
  child.stdin.write('go');
  await done;
  assert.deepEqual(
    parse(readFileSync(file, 'utf8')).map(({ msg }) => msg),
    ['after'],
  );
});

test('everything logged before a fatal line and process.exit is written', async (t) => {
  const logDir = temporaryFolder(t);
  const code = `
    for (let i = 0; i < 2000; i++) logger.info({ i }, 'before');
    logger.fatal('the end');
    process.exit(1);`;
  const { status, stdout } = await run(code, { logDir });
  assert.equal(status, 1);
  for (const text of [stdout, readFileSync(join(logDir, 'combined.log'), 'utf8')]) {
    const lines = parse(text);
    assert.equal(lines.length, 2001);
    assert.ok(lines.some(({ level, msg }) => level === 'fatal' && msg === 'the end'));
  }
});

test('flushLog resolves when the lines are in the file', async (t) => {
  const logDir = temporaryFolder(t);
  const code = `
    import { readFileSync } from 'node:fs';
    for (let i = 0; i < 2000; i++) logger.info({ i }, 'line');
    await flushLog(logger);
    await flushLog(logger);
    const lines = readFileSync(${JSON.stringify(join(logDir, 'combined.log'))}, 'utf8').split('\\n').length - 1;
    process.kill(process.pid, lines === 2000 ? 'SIGKILL' : 'SIGTERM');`;
  const { child, done } = start(code, { logDir });
  const { stdout } = await done;
  assert.equal(child.signalCode, 'SIGKILL', 'all lines were in the file when flushLog had resolved');
  assert.equal(parse(stdout).length, 2000, 'and in the pipe');
});

test('secrets are redacted at any depth, in child loggers and inside of errors', async (t) => {
  const logDir = temporaryFolder(t);
  const code = `
    logger.info({ authorization: 'SECRET', token: 'SECRET', env: { A: 'SECRET' }, headers: { x: 'SECRET' } }, 'flat');
    logger.info({ a: { b: { c: { Authorization: 'SECRET', list: [{ accessToken: 'SECRET' }] } } } }, 'deep');
    logger.info({ a: { b: { c: { d: { e: { f: { g: 'SECRET' } } } } } } }, 'too deep');
    logger.child({ token: 'SECRET', sessionSecret: 'SECRET' }).info('bound');
    logger.error({ err: new BridgeError('server_error', 'refused', { rpc: 'SECRET', headers: [['x', 'SECRET']] }) }, 'e');
    logger.error({ failure: Object.assign(new Error('own'), { env: 'SECRET', request: 'SECRET' }) }, 'e');
    const loop = { name: 'kept' }; loop.loop = loop;
    logger.info({ loop, kept: 'kept' }, 'cycle');`;
  const { stdout } = await run(code, { logDir });
  const lines = parse(stdout);
  assert.equal(lines.length, 7);
  for (const text of [stdout, readFileSync(join(logDir, 'error.log'), 'utf8')]) {
    assert.doesNotMatch(text, /SECRET/);
  }
  assert.deepEqual(lines[0]?.['headers'], '[Redacted]');
  assert.equal(lines[6]?.['kept'], 'kept');
});

test('an error is logged with message, code, stack and its causes', async () => {
  const code = `
    const cause = Object.assign(new Error('no such file'), { code: 'ENOENT', cause: 'a text' });
    logger.error({ err: new BridgeError('server_start_failed', 'did not start', { cause }) }, 'failed');
    logger.error(cause);
    logger.error({ err: 'only text' }, 'failed');`;
  const [first, second, third] = parse((await run(code)).stdout);
  const err = first?.['err'] as Record<string, unknown>;
  const cause = err['cause'] as Record<string, unknown>;
  assert.equal(err['message'], 'did not start');
  assert.equal(err['code'], 'server_start_failed');
  assert.match(String(err['stack']), /^BridgeError: did not start\n {4}at /);
  assert.deepEqual([cause['message'], cause['code'], cause['cause']], ['no such file', 'ENOENT', 'a text']);
  assert.deepEqual(Object.keys(err), ['message', 'code', 'stack', 'cause']);
  assert.equal(second?.['msg'], 'no such file');
  assert.equal(third?.['err'], 'only text');
});

test('a full disk does not end the process: stderr says so once', async (t) => {
  const skip = !existsSync('/dev/full') && 'this platform has no /dev/full';
  if (skip) return t.skip(skip);
  const code = `
    for (let i = 0; i < 5; i++) { logger.info('line'); await new Promise((r) => setTimeout(r, 5)); }
    logger.fatal('last');
    await flushLog(logger);`;
  const { status, stderr } = await run(code, { shell: '"$@" > /dev/full' });
  assert.equal(status, 0);
  assert.match(stderr, /^mcp-bridge: log lines for stdout cannot be written: ENOSPC[^\n]*\n$/);
});

test('a closed pipe does not keep the process from ending', async () => {
  const code = `
    logger.fatal('first');
    for (let i = 0; i < 100; i++) { logger.info('line'); await new Promise(setImmediate); }
    logger.fatal('last');
    process.exit(3);`;
  const { stderr } = await run(code, { shell: '{ "$@"; echo "status $?" >&2; } | true' });
  assert.match(stderr, /status 3\n$/);
});

test('on a terminal in development lines are readable, elsewhere they are JSON', async (t) => {
  if (spawnSync('script', ['--version']).error)
    return t.skip('script(1) is missing: no terminal to try it on');
  const code = `logger.info({ bytes: 7 }, 'hello'); logger.fatal('end'); process.exit(0);`;
  const onTerminal = (nodeEnv: string) =>
    run(code, { nodeEnv, shell: 'export X="$6"; script -qec "$1 $2 $3 $4 $5 \\"\\$X\\"" /dev/null' });
  const pretty = (await onTerminal('development')).stdout;
  assert.match(pretty, /INFO.*hello/);
  assert.match(pretty, /FATAL.*end/);
  assert.doesNotMatch(pretty, /"level":/);
  assert.match((await onTerminal('production')).stdout, /"level":"info".*"msg":"hello"/);
  assert.match((await run(code, { nodeEnv: 'development' })).stdout, /"level":"info".*"msg":"hello"/);
});
