/**
 * A bridge is given every kind of secret it can have, and run through everything it says of itself: logs and log files,
 * errors, /servers, /metrics, --check, faults of a reload. None of the secrets stands in any of it. (That no test's
 * bridge writes its tokens is checked by the harness, for all of them: see harness/told-secrets.ts.)
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { generateKeyPair, SignJWT } from 'jose';
import { ENTRY, startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import { cleanEnvironment } from './harness/process.ts';
import { serveHttp } from './harness/remote-servers.ts';
import { type Answer, call, honest, initialize, post, postBridge, send } from './harness/rpc.ts';
import { echo, misbehave } from './harness/servers.ts';
import { until } from './harness/until.ts';

const secret = (name: string): string => `s3cret-${name}-0123456789`;

/** As environment variables, which the file refers to. */
const GIVEN = {
  ACCESS_TOKEN: secret('access'),
  METRICS_TOKEN: secret('metrics'),
  SESSION_SECRET: secret('session'),
  NGROK_AUTH_TOKEN: secret('ngrok'),
  CI_TOKEN: secret('named'),
  IN_ENV: secret('env'),
  IN_ARGUMENT: secret('argument'),
  IN_PATH: secret('path'),
  IN_USER: secret('user'),
  IN_QUERY: secret('query'),
  IN_HEADER: secret('header'),
};
/** What callers send, and what servers answer where it is not the answer itself. */
const SENT = {
  wrongToken: secret('wrong-token'),
  callEnv: secret('call-env'),
  callArgument: secret('call-argument'),
  callUrl: secret('call-url'),
  toolArgument: secret('tool-argument'),
  page: secret('error-page'),
};

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: the bridge fills them in
const serversOf = (far: string) => ({
  fine: { ...echo('--api-key', '${IN_ARGUMENT}', 'TOKEN=${IN_ARGUMENT}'), env: { API_KEY: '${IN_ENV}' } },
  broken: misbehave('no-start', '--password', '${IN_ARGUMENT}'),
  missing: { command: '/nowhere/${IN_PATH}', args: ['--token=${IN_ARGUMENT}'] },
  nobody: {
    url: 'http://u:${IN_USER}@127.0.0.1:9/mcp?key=${IN_QUERY}',
    headers: { 'X-Key': '${IN_HEADER}' },
  },
  socket: { url: 'ws://u:${IN_USER}@127.0.0.1:9/?key=${IN_QUERY}', headers: { 'X-Key': '${IN_HEADER}' } },
  angry: { url: `${far}?key=\${IN_QUERY}`, headers: { Authorization: 'Bearer ${IN_HEADER}' } },
});
const CI = { name: 'ci', token: '${CI_TOKEN}' };
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: as above

forEachEngine('no secret is told in whatever a bridge says of itself', async (t, engine) => {
  const far = await serveHttp(t, (_request, response) => response.writeHead(500).end(SENT.page));
  const { command, args } = echo('--token', SENT.callArgument);
  const config = {
    servers: serversOf(far),
    bridge: { allow: [[command, ...args]], env: ['CALL_*'], urls: ['http://127.0.0.1:9'] },
    auth: {
      tokens: [CI],
      jwt: { issuer: 'https://id.example', audience: 'x', jwksUri: 'http://127.0.0.1:9/jwks' },
    },
  };
  const bridge = await startBridge(t, { engine, config, env: { ...GIVEN, LOG_DIR: 'logs' } });
  const told: string[] = [];
  const tell = ({ headers, text }: Answer): void => void told.push(JSON.stringify(headers), text);

  const { privateKey } = await generateKeyPair('ES256');
  const jwt = await new SignJWT({ sub: secret('subject') })
    .setProtectedHeader({ alg: 'ES256' })
    .sign(privateKey);
  for (const token of [SENT.wrongToken, jwt, 'Basic x'])
    tell(
      await send(bridge, {
        path: `/servers?token=${SENT.wrongToken}`,
        headers: { Authorization: `Bearer ${token}` },
      }),
    );
  tell(await send(bridge, { path: '/metrics', headers: { Authorization: `Bearer ${SENT.wrongToken}` } }));
  tell(await send(bridge, { path: '/metrics', headers: { Authorization: `Bearer ${GIVEN.METRICS_TOKEN}` } }));

  const session = await initialize(bridge, 'fine');
  await call(bridge, 'fine', 'tools/call', { name: SENT.toolArgument }, { session });
  tell(await post(bridge, 'fine', `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["`));
  await call(
    bridge,
    'fine',
    'tools/call',
    { name: 'exit', arguments: { text: SENT.toolArgument } },
    { session },
  );
  for (const server of ['broken', 'missing', 'nobody', 'socket', 'angry']) {
    tell(await call(bridge, server, 'tools/list'));
    tell(await call(bridge, server, 'initialize', { protocolVersion: '2025-06-18', capabilities: {} }));
  }
  const ask = (body: object): Promise<Answer> => postBridge(bridge, { method: 'tools/list', ...body });
  tell(await ask({ serverPath: command, args, env: { CALL_KEY: SENT.callEnv } }));
  tell(await ask({ serverPath: 'fine', env: { OTHER: SENT.callEnv } }));
  tell(await ask({ serverPath: `http://u:${SENT.callUrl}@127.0.0.1:9/x?key=${SENT.callUrl}` }));
  tell(await send(bridge, { path: '/servers', headers: honest(bridge) }));
  for (const name of ['broken', 'nobody', 'angry'])
    tell(await send(bridge, { path: `/ready?server=${name}` }));

  // A reload whose faults stand beside secrets.
  const faulty = {
    ...config,
    auth: { tokens: [CI, { ...CI, name: 'again' }, { name: 'x', tokn: GIVEN.CI_TOKEN }] },
  };
  writeFileSync(join(bridge.dir, 'mcp-servers.yaml'), JSON.stringify(faulty));
  await bridge.printed(/tokn/);
  told.push(...checked(bridge.dir, JSON.stringify(config)), ...checked(bridge.dir, JSON.stringify(faulty)));

  await until('the death to be logged', () => bridge.logged({ msg: 'a server ended' }).length > 0);
  await bridge.stop();
  const files = readdirSync(join(bridge.dir, 'logs'));
  assert.ok(files.length >= 2);
  told.push(...files.map((file) => readFileSync(join(bridge.dir, 'logs', file), 'utf8')));
  told.push(bridge.stdout(), bridge.stderr());
  assertUntold(t, told.join('\n'), { ...GIVEN, ...SENT, jwt, session });
});

/** What `--check` prints for a file. */
function checked(dir: string, file: string): string[] {
  writeFileSync(join(dir, 'checked.json'), file);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [ENTRY, '--check', '--config', join(dir, 'checked.json')],
    { cwd: dir, env: { ...cleanEnvironment(), ...GIVEN }, encoding: 'utf8' },
  );
  assert.ok(status === 0 || status === 78, stderr);
  assert.ok(stdout.length + stderr.length > 100);
  return [stdout, stderr];
}

function assertUntold(t: TestContext, told: string, secrets: Readonly<Record<string, string>>): void {
  t.diagnostic(`${told.length} characters, ${Object.keys(secrets).length} secrets`);
  for (const [name, value] of Object.entries(secrets)) {
    const at = told.indexOf(value);
    assert.equal(at, -1, `${name} is told: ${told.slice(Math.max(0, at - 200), at + 100)}`);
  }
}
