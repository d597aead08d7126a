import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import pino from 'pino';
import { stdioServer } from '../../test/harness/definitions.ts';
import { until } from '../../test/harness/until.ts';
import type { StdioServer } from '../config/settings.ts';
import type { BridgeError } from '../errors.ts';
import { LARGE_MESSAGE_BYTES } from '../protocol/large.ts';
import { type Message, rewrite } from '../protocol/message.ts';
import { createTasks } from '../tasks.ts';
import { openStdio, type StdioDeps } from './stdio.ts';

const MISBEHAVE = resolve('test/fixtures/servers/misbehave.mjs');
const CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}';

function open(t: TestContext, server: Partial<StdioServer>) {
  const tasks = createTasks(1);
  const messages: Message[] = [];
  const started: number[] = [];
  const exited: number[] = [];
  let arrived: () => void = () => undefined;
  let closedBy: BridgeError | undefined;
  let resolveClosed: (reason: BridgeError) => void = () => undefined;
  const closed = new Promise<BridgeError>((done) => {
    resolveClosed = done;
  });
  const transport = openStdio(
    stdioServer(server),
    {
      message(message) {
        assert.equal(closedBy, undefined, 'nothing is said after the end');
        messages.push(message);
        arrived();
      },
      closed(reason) {
        assert.equal(closedBy, undefined, 'the end is told once');
        closedBy = reason;
        resolveClosed(reason);
      },
    },
    {
      log: pino({ enabled: false }) as unknown as StdioDeps['log'],
      tasks,
      baseEnvironment: { PATH: process.env['PATH'] ?? '' },
      started: (pgid) => started.push(pgid),
      exited: (pgid) => exited.push(pgid),
    },
  );
  t.after(async () => {
    await transport.close();
    await tasks.close();
  });
  return {
    transport,
    messages,
    started,
    exited,
    closed,
    isClosed: () => closedBy !== undefined,
    async received(count: number): Promise<readonly Message[]> {
      while (messages.length < count) {
        await new Promise<void>((done) => {
          arrived = done;
        });
      }
      return messages;
    },
  };
}

/** A server whose whole program is given as text. */
const script = (program: string) => ({ args: ['-e', program] });
const misbehave = (...args: readonly string[]) => ({ args: [MISBEHAVE, ...args] });

const idsOf = (messages: readonly Message[]) => messages.map(({ id }) => id);

/** Gone, or dead and not yet reaped by whoever inherited it. */
function isGone(pid: number): boolean {
  try {
    return /^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

test('messages go back and forth in order, joined and cut as the pipes like it', async (t) => {
  const { transport, received } = open(t, script('process.stdin.pipe(process.stdout)'));
  const sent = Array.from(
    { length: 500 },
    (_, i) => `{"jsonrpc":"2.0","id":${i},"result":"é${'x'.repeat(i)}"}`,
  );
  for (const text of sent) transport.send(text);
  assert.deepEqual(
    (await received(sent.length)).map(({ text }) => text),
    sent,
  );
});

test('a message in parts, text and bytes mixed, reaches the server as one line', async (t) => {
  const { transport, received } = open(t, script('process.stdin.pipe(process.stdout)'));
  transport.send(['{"jsonrpc":"2.0",', Buffer.from('"result":"é",'), '"id":', Buffer.from('7}')]);
  transport.send('{"jsonrpc":"2.0","id":8,"result":1}');
  const [first] = await received(2);
  assert.equal(first?.text, '{"jsonrpc":"2.0","result":"é","id":7}');
});

test('a large line keeps its place among small ones', async (t) => {
  const { transport, received } = open(t, script('process.stdin.pipe(process.stdout)'));
  const sizes = [1, LARGE_MESSAGE_BYTES, 1, 1, 3 * LARGE_MESSAGE_BYTES, LARGE_MESSAGE_BYTES, 1];
  sizes.forEach((size, id) => {
    transport.send(`{"jsonrpc":"2.0","result":"${'é'.repeat(size)}","id":${id}}`);
  });
  const messages = await received(sizes.length);
  assert.deepEqual(idsOf(messages), ['0', '1', '2', '3', '4', '5', '6']);
  assert.ok(messages[1]?.text instanceof Uint8Array);
  const [head, id, tail] = rewrite(messages[4] as Message, '"z"', undefined) as (string | Uint8Array)[];
  assert.ok(
    Buffer.from(head as Uint8Array)
      .toString()
      .endsWith('","id":'),
  );
  assert.deepEqual([id, Buffer.from(tail as Uint8Array).toString()], ['"z"', '}']);
});

test('what a server says last is heard although it exits at once, however large', async (t) => {
  const large = 5_000_000;
  const program = `
    const say = (id, size) => process.stdout.write('{"jsonrpc":"2.0","id":' + id + ',"result":"' + 'x'.repeat(size) + '"}\\n');
    say(1, 1); say(2, ${large}); say(3, 1); say(4, ${large}); say(5, 1);`;
  const { closed, messages } = open(t, script(program));
  const reason = await closed;
  assert.deepEqual(idsOf(messages), ['1', '2', '3', '4', '5']);
  assert.equal(reason.code, 'server_died');
});

test('noise on stdout is passed over', async (t) => {
  const { transport, received } = open(t, misbehave('noise'));
  transport.send(CALL);
  const [answer] = await received(1);
  assert.equal(answer?.kind, 'result');
});

test('a server that exits before it said anything failed to start; its last words are in the error', async (t) => {
  const { closed, started, exited, transport } = open(t, misbehave('no-start'));
  const reason = await closed;
  assert.equal(reason.code, 'server_start_failed');
  assert.match(reason.message, /"one" exited with code 3 before it said anything/);
  assert.match(reason.message, /reading the settings \| fatal: no API key was given/);
  await transport.close();
  assert.deepEqual(exited, started);
});

test('a server that exits later has died; its last words are in the error', async (t) => {
  const { transport, received, closed } = open(t, misbehave('dies-on-call'));
  transport.send('{"jsonrpc":"2.0","id":1,"method":"ping"}');
  await received(1);
  transport.send(CALL);
  const reason = await closed;
  assert.equal(reason.code, 'server_died');
  assert.match(reason.message, /exited with code 4\. Its last stderr lines: fatal: out of cheese/);
});

test('half a line at the end is no message', async (t) => {
  const { transport, messages, closed } = open(t, misbehave('half-line'));
  transport.send(CALL);
  assert.match((await closed).message, /exited with code 5/);
  assert.deepEqual(messages, []);
});

test('a command and a folder that do not exist are told apart from other failures', async (t) => {
  for (const server of [{ command: '/no/such/command' }, { cwd: '/no/such/folder' }]) {
    const { transport, closed, started } = open(t, server);
    const reason = await closed;
    assert.equal(reason.code, 'server_start_failed');
    assert.match(
      reason.message,
      /"one" could not be started: the command ".*" or the folder ".*" was not found/,
    );
    transport.send(CALL);
    await transport.close();
    assert.deepEqual(started, []);
  }
});

test('a user that does not exist is told after the transport was handed over', async (t) => {
  const { closed, isClosed } = open(t, { user: 'no-such-user' });
  assert.equal(isClosed(), false);
  assert.match((await closed).message, /no-such-user/);
});

test('a server that heeds the end of its stdin is not signalled', async (t) => {
  const program = `process.stdin.resume().on('end', () => process.exit(7)); process.on('SIGTERM', () => process.exit(8))`;
  const { transport, closed } = open(t, script(`${program}; console.log('{"jsonrpc":"2.0","method":"up"}')`));
  await transport.close();
  assert.match((await closed).message, /exited with code 7/);
});

test('a server that ignores the end of its stdin and SIGTERM is killed', async (t) => {
  const { transport, received, started, exited, closed } = open(t, misbehave('stubborn'));
  transport.send(CALL);
  await received(1);
  const [first, second] = [transport.close(), transport.close()];
  transport.send(CALL);
  await Promise.all([first, second]);
  assert.match((await closed).message, /was ended by SIGKILL/);
  assert.deepEqual(exited, started);
  assert.ok(isGone(started[0] ?? 0));
});

test('what a server has started ends with it, however it ends', async (t) => {
  for (const way of ['closed', 'killed']) {
    const { transport, received, started, exited } = open(t, misbehave('grandchild'));
    transport.send(CALL);
    const [answer] = await received(1);
    const [, pid = ''] = /"text":"(\d+)"/.exec(String(answer?.text)) ?? [];
    assert.equal(isGone(Number(pid)), false);
    if (way === 'killed') process.kill(started[0] ?? 0, 'SIGKILL');
    else void transport.close();
    await until('the grandchild to be gone', () => isGone(Number(pid)));
    await transport.close();
    assert.deepEqual(exited, started);
  }
});

test('a grandchild that holds the pipes open does not keep a dead server alive', async (t) => {
  const program = `
    require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)'], { stdio: 'inherit' });
    console.log('{"jsonrpc":"2.0","method":"up"}');
    setTimeout(() => process.exit(6), 100)`;
  const { closed, messages, transport } = open(t, script(program));
  assert.match((await closed).message, /exited with code 6/);
  assert.equal(messages.length, 1);
  await transport.close();
});

test('a line without end is given up before it fills the memory, and its server is ended', async (t) => {
  const { transport, closed, started } = open(t, misbehave('endless-line'));
  transport.send(CALL);
  const reason = await closed;
  assert.equal(reason.code, 'message_too_large');
  assert.match(reason.message, /at most 67108864 are allowed/);
  await transport.close();
  assert.ok(isGone(started[0] ?? 0));
});

test('what a server does not read counts as its backlog', async (t) => {
  const { transport, received } = open(
    t,
    script(`console.log('{"jsonrpc":"2.0","method":"up"}'); setInterval(() => 0, 1000)`),
  );
  await received(1);
  assert.equal(transport.backlog, 0);
  transport.send('x'.repeat(1_000_000));
  assert.ok(transport.backlog >= 1_000_000);
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.ok(transport.backlog > 500_000, 'a pipe takes 64 KiB');
});

test('a child sees its own environment and the base, nothing of ours', async (t) => {
  process.env['SECRET_OF_THE_BRIDGE'] = 'x';
  t.after(() => delete process.env['SECRET_OF_THE_BRIDGE']);
  const program = `console.log(JSON.stringify({jsonrpc:'2.0',id:1,result:Object.keys(process.env).sort()}))`;
  const { received } = open(t, { ...script(program), env: { MINE: '1' } });
  const [answer] = await received(1);
  assert.deepEqual(JSON.parse(String(answer?.text)).result, ['MINE', 'PATH']);
});
