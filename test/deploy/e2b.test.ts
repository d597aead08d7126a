/**
 * deploy/e2b from the build of a template to the end of a sandbox, by its own commands and the real e2b package, against
 * a fake of E2B: what the template uploads is what runs in the sandbox.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Template } from 'e2b';
import type { Main } from '../../deploy/e2b/command.ts';
import { runInSandbox } from '../../deploy/e2b/run-in-sandbox.ts';
import { manageSandboxes } from '../../deploy/e2b/sandbox-manager.ts';
import { buildTemplate } from '../../deploy/e2b/template.ts';
import { viewLogs } from '../../deploy/e2b/view-sandbox-logs.ts';
import { type FakeE2b, startFakeE2b } from '../harness/fake-e2b.ts';
import { freePort } from '../harness/free-port.ts';
import { cleanEnvironment, isAlive, runProgram } from '../harness/process.ts';
import { callTool } from '../harness/rpc.ts';
import { echo, misbehave } from '../harness/servers.ts';
import { without } from '../harness/tool.ts';
import { until } from '../harness/until.ts';

const FOLDER = 'deploy/e2b';
const MINUTE_MS = 60_000;

/** What a command prints, run in this process with the variables of the fake. Rejects when it fails. */
async function printed(main: Main, ...args: string[]): Promise<string> {
  let text = '';
  await main(args, (more) => {
    text += more;
  });
  return text;
}

/** Sets variables of this process until the test ends. */
function setVariables(t: TestContext, variables: Record<string, string>): void {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  t.after(() => {
    process.env = before;
  });
}

/** What the RUN steps do in the cloud, and servers that run here. */
function prepare(servers: object): FakeE2b['prepare'] {
  return (root) => {
    const app = join(root, 'app');
    symlinkSync(resolve('node_modules'), join(app, 'node_modules'));
    writeFileSync(join(app, 'servers.json'), JSON.stringify({ servers }));
    // nginx would need a port of its own; e2b-images.ts runs it in the image.
    rmSync(join(app, 'nginx.conf'));
  };
}

test('a template is built by make, and the bridge runs in a sandbox made of it', {
  skip: without(['make', 'curl'], 'make curl'),
}, async (t) => {
  const fake = await startFakeE2b(t);
  setVariables(t, fake.env);
  const port = `${await freePort()}`;

  await t.test('make e2b:build:dev uploads the files and prints the id of the template', async () => {
    const made = runProgram(t, 'make', ['-C', FOLDER, 'e2b:build:dev'], { env: fake.env });
    assert.equal(await made.ended, 0, made.stderr());
    assert.match(made.stdout(), /step one\n {2}step two\n/);
    assert.match(made.stdout(), /^Template mcp-bridge-dev is ready: template1$/m);
    const [template] = fake.templates;
    assert.equal(template?.request.memoryMB, 2048);
    assert.equal(template?.build.fromImage, 'node:24-trixie-slim');
    assert.equal(template?.build.startCmd, undefined);
  });

  await t.test('the template for production is larger, and a minimal one has no nginx', async () => {
    assert.match(
      await printed(buildTemplate, 'prod', '--minimal'),
      /^Template mcp-bridge is ready: template2$/m,
    );
    const template = fake.templates[1];
    assert.equal(template?.request.memoryMB, 4096);
    const copied = template?.build.steps.map(({ args }: { args: string[] }) => args[0]);
    assert.ok(copied.includes('startup.sh') && !copied.includes('nginx.conf'));
  });

  await t.test('run-in-sandbox.ts starts the bridge, asks for tools, and ends the sandbox', async () => {
    fake.prepare = prepare({ echo: echo() });
    const text = await printed(runInSandbox, '--server', 'echo', '--port', port);
    assert.match(text, /^The bridge is ready\.\nTools of echo: .*\bwhoami\b.*\nStopped sandbox1\.$/m);
    assert.equal(fake.sandboxes.size, 0);
  });

  await t.test('with --keep it stays, until sandbox-manager.ts stops it', async (t) => {
    const args = ['--import', 'tsx', join(FOLDER, 'run-in-sandbox.ts'), '--keep', '--server', 'echo'];
    const kept = runProgram(t, process.execPath, [...args, '--port', port], { env: fake.env });
    assert.equal(await kept.ended, 0, kept.stderr());
    const [, address, token] = /: https:\/\/(\S+)\nAuthorization: Bearer (\S+)\n$/.exec(kept.stdout()) ?? [];
    assert.match(String(address), new RegExp(`^${port}-sandbox2\\.\\S+/mcp/echo$`));
    const said = await callTool({ port: Number(port), token: String(token) }, 'echo', 'echo', { text: 'hi' });
    assert.equal(said.content[0].text, 'hi');
    const pids = [...(fake.sandboxes.get('sandbox2')?.pids ?? [])];
    assert.equal(await printed(manageSandboxes, 'stop', 'sandbox2'), 'Stopped sandbox2.\n');
    await until('its processes to be gone', () => !pids.some(isAlive));
  });

  await t.test('what goes wrong in the sandbox is said in a sentence, and the sandbox ended', async () => {
    fake.prepare = prepare({ broken: misbehave('no-start') });
    const ask = (...args: string[]) => printed(runInSandbox, ...args, '--port', port);
    await assert.rejects(
      ask('--server', 'broken'),
      /^Error: tools\/list of broken failed: .*no API key was given/,
    );
    fake.prepare = prepare({ wrong: { comand: 'x' } });
    await assert.rejects(ask(), /^Error: the bridge did not start: .*servers\.json:/);
    await assert.rejects(ask('nobody'), /not found/);
    assert.equal(fake.sandboxes.size, 0);
  });
});

test('sandboxes are listed, looked at, stopped and cleaned up; logs are read page by page', async (t) => {
  const fake = await startFakeE2b(t);
  setVariables(t, fake.env);
  const ago = (minutes: number): Date => new Date(Date.now() - minutes * MINUTE_MS);
  const ours = { app: 'mcp-bridge' };
  fake.add({ id: 'young', metadata: ours, startedAt: ago(5) });
  fake.add({ id: 'old', metadata: ours, startedAt: ago(90) });
  fake.add({ id: 'ended', metadata: ours, startedAt: ago(10), endAt: ago(1) });
  fake.add({ id: 'foreign', metadata: { app: 'another' }, startedAt: ago(500) });
  const manage = (...args: string[]) => printed(manageSandboxes, ...args);

  assert.match(
    await manage('list'),
    /^SANDBOX +TEMPLATE +STATE +STARTED +ENDS\nyoung .*\nold .*\nended .*\n$/,
  );
  assert.match(await manage('list', '--all'), /^foreign +base +running /m);
  const status = await manage('status', 'old');
  assert.match(status, /^state +running$/m);
  assert.match(status, /^memory +300 MiB of 2048 MiB$/m);

  assert.equal(await manage('cleanup'), 'Stopped old.\nStopped ended.\n2 of 3 sandboxes stopped.\n');
  assert.deepEqual([...fake.sandboxes.keys()], ['young', 'foreign']);
  assert.match(await manage('cleanup', '1'), /^Stopped young\.$/m);
  assert.equal(await manage('list'), 'No sandbox is running.\n');

  const { logs } = fake.add({ id: 'chatty' });
  // Ten of each millisecond, so that a page ends in the middle of one.
  const first = Date.parse('2026-07-28T12:00:00.000Z');
  for (let i = 0; i < 2345; i++) {
    const timestamp = new Date(first + Math.floor((i + 5) / 10)).toISOString();
    logs.push({ timestamp, level: i % 2 === 0 ? 'info' : 'error', message: `line ${i}` });
  }
  const lines = (await printed(viewLogs, 'chatty')).split('\n').slice(0, -1);
  assert.equal(lines[1], '2026-07-28T12:00:00.000Z ERROR line 1');
  assert.deepEqual(
    lines.map((line) => line.split(' ').at(-1)),
    logs.map((_, i) => `${i}`),
  );
});

test('every command says what is missing or wrong', async (t) => {
  const fake = await startFakeE2b(t);
  setVariables(t, fake.env);
  const cases: [Main, string[], RegExp][] = [
    [buildTemplate, ['staging'], /unknown template "staging"; allowed: dev, prod/],
    [buildTemplate, ['dev', '--tiny'], /unknown option "--tiny"/],
    [runInSandbox, ['--port', '99999'], /--port: found "99999"; allowed: 1 to 65535/],
    [runInSandbox, ['one', 'two'], /unknown argument "two"/],
    [manageSandboxes, ['destroy'], /unknown command "destroy"; allowed: list, status ID/],
    [manageSandboxes, ['stop'], /stop needs the id of a sandbox/],
    [manageSandboxes, ['stop', 'nobody'], /there is no sandbox nobody/],
    [manageSandboxes, ['status', 'nobody'], /nobody not found/],
    [manageSandboxes, ['cleanup', 'soon'], /found "soon"; allowed: a number of minutes/],
    [viewLogs, [], /usage: view-sandbox-logs\.ts ID/],
    [viewLogs, ['nobody'], /there is no sandbox nobody/],
  ];
  for (const [main, args, says] of cases) await assert.rejects(printed(main, ...args), says);
  setVariables(t, { E2B_API_KEY: `e2b_${'f'.repeat(40)}` });
  await assert.rejects(printed(manageSandboxes, 'list'), /API key/);
  setVariables(t, { E2B_API_KEY: '' });
  for (const [main, args] of [
    [buildTemplate, ['prod']],
    [runInSandbox, []],
    [viewLogs, ['x']],
  ] as const) {
    await assert.rejects(printed(main, ...args), /E2B_API_KEY is not set; put it into \.env/);
  }

  const args = ['--import', 'tsx', join(FOLDER, 'sandbox-manager.ts'), 'destroy'];
  const running = runProgram(t, process.execPath, args);
  assert.equal(await running.ended, 2);
  assert.match(running.stderr(), /^sandbox-manager\.ts: unknown command "destroy"; [^\n]+\n$/);
});

test('startup.sh and the wrapper of Chrome say what is missing, and fail', () => {
  const run = (script: string, env: Record<string, string>, ...args: string[]) => {
    const options = { encoding: 'utf8', env: { ...cleanEnvironment(), ...env } } as const;
    const { status, stderr } = spawnSync('/bin/sh', [join(FOLDER, script), ...args], options);
    return `${status} ${stderr}`;
  };
  const token = { ACCESS_TOKEN: 'token-of-the-sandbox-0123456789' };
  assert.match(run('startup.sh', {}), /^78 startup\.sh: ACCESS_TOKEN is not set; [^\n]+\n$/);
  assert.match(run('startup.sh', token, 'begin'), /^78 startup\.sh: unknown argument "begin"; [^\n]+\n$/);
  const noFile = { ...token, MCP_SERVERS_FILE: '/nowhere/servers.json' };
  assert.match(
    run('startup.sh', noFile),
    /^78 startup\.sh: there is no readable \/nowhere\/servers\.json, [^\n]+\n$/,
  );
  const bare = { PATH: '/nowhere' };
  assert.match(
    run('chrome-devtools-wrapper.sh', bare),
    /^1 chrome-devtools-wrapper\.sh: chrome-devtools-mcp is not installed; [^\n]+\n$/,
  );
});

test('E2B reads both Dockerfiles as they are written: one stage, every RUN and COPY, no start command', async (t) => {
  const warnings = t.mock.method(console, 'warn', () => undefined);
  for (const name of ['e2b.Dockerfile', 'e2b.Dockerfile.minimal']) {
    const text = readFileSync(join(FOLDER, name), 'utf8');
    const template = Template({ fileContextPath: FOLDER }).fromDockerfile(join(FOLDER, name));
    const { fromImage, steps, startCmd } = JSON.parse(await Template.toJSON(template, false));
    const count = (type: string) => steps.filter((step: { type: string }) => step.type === type).length;
    assert.equal(fromImage, 'node:24-trixie-slim');
    assert.equal(count('RUN'), text.match(/^RUN /gm)?.length);
    const copied = text.match(/^COPY .*$/gm)?.flatMap((line) => line.split(' ').slice(1, -1)) ?? [];
    assert.equal(count('COPY'), copied.length);
    assert.equal(steps.at(-1).args[0], 'user', 'the sandbox runs as an ordinary user');
    assert.equal(startCmd, undefined);
    assert.equal(warnings.mock.callCount(), 0, 'an instruction that E2B does not know');
  }
});
