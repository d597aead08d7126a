/** What a developer does: `npm run dev` while the code changes, and a tunnel. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ENTRY } from '../harness/bridge.ts';
import { freePort } from '../harness/free-port.ts';
import { type Running, run, runProgram } from '../harness/process.ts';
import { send } from '../harness/rpc.ts';
import { temporaryFolder } from '../harness/temporary-folder.ts';
import { without } from '../harness/tool.ts';
import { until } from '../harness/until.ts';

test('npm run dev starts again when the code changes', { timeout: 120_000 }, async (t) => {
  const dir = temporary(t);
  for (const name of ['src', 'workers', 'package.json', 'mcp-servers.yaml']) {
    cpSync(name, join(dir, name), { recursive: true });
  }
  symlinkSync(resolve('node_modules'), join(dir, 'node_modules'));
  const port = await freePort();
  const env = { PORT: `${port}`, RUNTIME_DIR: join(dir, 'run'), WORKERS: '1' };
  const dev = runProgram(t, 'npm', ['run', 'dev'], { cwd: dir, env });
  await dev.printed(/Try it:/);
  assert.equal(await statusOf(port), 'ok');

  const file = join(dir, 'src/routes/operations.ts');
  writeFileSync(file, readFileSync(file, 'utf8').replace("status: 'ok'", "status: 'edited'"));
  const isEdited = async (): Promise<boolean> => (await statusOf(port)) === 'edited';
  await until('the changed code to serve', () => isEdited().catch(() => false));
});

test('--tunnel: public addresses are printed, lead here, come back and are closed', async (t) => {
  const { bridge, port } = await startLocal(t, {
    node: ['--import', resolve('test/fixtures/ngrok/in-its-place.mjs')],
    env: { NGROK_AUTH_TOKEN: 'token-of-ngrok' },
  });
  const [, address = '', publicPort] = await bridge.printed(
    /Public: (http:\/\/tunnel\.example:(\d+))\/mcp\/<server> and \1\/bridge/,
  );
  const answer = await send(
    { port: Number(publicPort) },
    { path: '/health', headers: { Host: new URL(address).host } },
  );
  assert.equal(answer.status, 200, answer.text);
  await bridge.printed(/the tunnel is lost/);
  await bridge.printed(/the tunnel is back/);

  bridge.child.kill('SIGTERM');
  assert.equal(await bridge.ended, 0);
  assert.match(bridge.stdout(), /the stand-in was closed/);
  await assert.rejects(statusOf(port), /ECONNREFUSED/);
});

const refusals: readonly [name: string, env: Record<string, string>, says: RegExp][] = [
  ['without a token', {}, /No tunnel: NGROK_AUTH_TOKEN is not set\. .* goes on without one/],
  [
    'with a token that ngrok does not know',
    { NGROK_AUTH_TOKEN: 'other' },
    /No tunnel: The authtoken you specified is not known\. The bridge goes on without one/,
  ],
];
for (const [name, env, says] of refusals) {
  test(`--tunnel ${name}: a sentence, and the bridge goes on`, async (t) => {
    const node = ['--import', resolve('test/fixtures/ngrok/in-its-place.mjs')];
    const { bridge, port } = await startLocal(t, { node, env });
    await bridge.printed(says);
    assert.equal(await statusOf(port), 'ok');
  });
}

const NO_NETWORK = {
  skip: without(['unshare', 'ip'], 'util-linux iproute2') || (process.getuid?.() !== 0 && 'needs root'),
};

test(
  '--tunnel without a network: the real package says so, and the bridge goes on',
  NO_NETWORK,
  async (t) => {
    const dir = temporary(t);
    const script = 'ip link set lo up && exec "$@"';
    const bridge = runProgram(
      t,
      'unshare',
      ['--net', 'sh', '-c', script, 'sh', process.execPath, ENTRY, '--tunnel', '--', 'true'],
      { cwd: dir, env: { RUNTIME_DIR: join(dir, 'run'), WORKERS: '1', NGROK_AUTH_TOKEN: 'token-of-ngrok' } },
    );
    await bridge.printed(/No tunnel: .*connect.*\. The bridge goes on without one/);
    bridge.child.kill('SIGTERM');
    assert.equal(await bridge.ended, 0);
  },
);

interface Local {
  readonly node: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

async function startLocal(t: TestContext, { node, env }: Local): Promise<{ bridge: Running; port: number }> {
  const dir = temporary(t);
  const port = await freePort();
  const bridge = run(t, [...node, ENTRY, '--tunnel', '--', 'true'], {
    cwd: dir,
    env: { PORT: `${port}`, RUNTIME_DIR: join(dir, 'run'), WORKERS: '1', ...env },
  });
  await bridge.printed(/Try it:/);
  return { bridge, port };
}

async function statusOf(port: number): Promise<string | undefined> {
  const { text } = await send({ port }, { path: '/health' });
  return (JSON.parse(text) as { status?: string }).status;
}

function temporary(t: TestContext): string {
  const dir = temporaryFolder(t);
  return dir;
}
