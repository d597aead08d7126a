import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerDefinition } from '../config/settings.ts';
import { BridgeError, type ErrorCode } from '../errors.ts';
import { createPrincipal } from '../http/principal.ts';
import { payloadOf } from '../protocol/message.ts';
import { readBridgeCall } from './bridge-call.ts';
import { type BridgePolicyInput, checkTool, resolveBridgeCall } from './bridge-policy.ts';

const refusal = (code: ErrorCode, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BridgeError);
  assert.equal(error.code, code);
  assert.match(error.message, text);
  return true;
};

test('params reach the server as they were sent', () => {
  const params = '{ "name" : "a", "n": 9007199254740993, "x": "\\u0061" }';
  const { message } = readBridgeCall(`{"params":${params},"serverPath":"x","method":"tools/call"}`);
  assert.deepEqual([message.method, message.target, payloadOf(message)], ['tools/call', 'a', params]);
});

test('a method cannot smuggle members into the request', () => {
  const { message } = readBridgeCall(JSON.stringify({ serverPath: 'x', method: 'a","id":9,"x":"' }));
  assert.deepEqual([message.method, message.id], ['a","id":9,"x":"', '0']);
});

test('a body of the wrong shape is refused by the name of what is wrong', () => {
  const cases: [string, RegExp][] = [
    ['', /not valid JSON/],
    ['[]', /must be an object/],
    ['null', /must be an object/],
    ['{"method":"x"}', /"serverPath" must be .*; found nothing/],
    ['{"serverPath":7,"method":"x"}', /found 7/],
    ['{"serverPath":"","method":"x"}', /"serverPath"/],
    ['{"serverPath":"x"}', /"method" must name/],
    ['{"serverPath":"x","method":"x","args":"-x"}', /"args" must be a list of strings/],
    ['{"serverPath":"x","method":"x","args":[1]}', /"args"/],
    ['{"serverPath":"x","method":"x","env":{"A":1}}', /"env" must be an object of strings/],
    ['{"serverPath":"x","method":"x","env":[]}', /"env"/],
    ['{"serverPath":"x","method":"x","params":[]}', /"params" must be an object/],
    ['{"serverPath":"x","method":"x","arg":[]}', /"arg" is not a key of \/bridge/],
    ['{"serverPath":"x","method":"x","__proto__":{}}', /"__proto__" is not a key/],
    ['{"serverPath":"x","method":"x","serverPat\\u0068":"y"}', /"serverPath" stands there twice/],
    ['{"serverPath":"x","method":"x","params":{"name":"a","name":"b"}}', /"params.name" stands there twice/],
  ];
  for (const [body, text] of cases)
    assert.throws(() => readBridgeCall(body), refusal('invalid_request', text), body);
});

const stdio = (name: string, more: Partial<ServerDefinition> = {}): ServerDefinition =>
  ({
    kind: 'stdio',
    name,
    isolation: 'session',
    instances: 0,
    prewarm: 0,
    timeoutMs: 1,
    maxConcurrent: 1,
    tools: {},
    disabled: false,
    command: 'uvx',
    args: ['fetch'],
    env: { KEY: 'of the file' },
    cwd: '/',
    limits: {},
    ...more,
  }) as ServerDefinition;

const anyone = createPrincipal('access-token', { tools: {}, bridge: true });
const only = (...servers: string[]) => createPrincipal('token:x', { servers, tools: {}, bridge: true });

function resolve(
  call: object,
  { principal = anyone, bridge = {}, servers = [stdio('one')] as readonly ServerDefinition[] } = {},
) {
  const input: BridgePolicyInput = {
    cwd: '/',
    settings: { servers, requestTimeoutMs: 1, bridge: { allow: [], env: [], urls: [], ...bridge } },
  };
  const read = readBridgeCall(JSON.stringify({ method: 'ping', ...call }));
  return { ...resolveBridgeCall(read, principal, input), read };
}

test('a configured server is meant by its name, or by its very command and arguments', () => {
  for (const call of [{ serverPath: 'one' }, { serverPath: 'uvx', args: ['fetch'] }]) {
    const { server, adhoc } = resolve(call);
    assert.deepEqual([server.name, adhoc], ['one', false]);
  }
  for (const args of [[], ['fetch', '-x'], ['fetc'], ['-x', 'fetch']]) {
    assert.throws(
      () => resolve({ serverPath: 'uvx', args }),
      refusal('command_not_allowed', /configured servers are one/),
    );
  }
  assert.throws(() => resolve({ serverPath: 'one', args: ['x'] }), refusal('command_not_allowed', /one x/));
});

test('a disabled server is none', () => {
  const servers = [stdio('one', { disabled: true })];
  assert.throws(
    () => resolve({ serverPath: 'one' }, { servers }),
    refusal('command_not_allowed', /are none/),
  );
});

test('of equal entries the first that the token may use counts, and the denials of all of them', () => {
  const servers = [stdio('one', { tools: { deny: ['write'] } }), stdio('two')];
  const call = { serverPath: 'uvx', args: ['fetch'], method: 'tools/call', params: { name: 'write' } };
  const { server, tools, read } = resolve(call, { servers, principal: only('two') });
  assert.equal(server.name, 'two');
  assert.throws(() => checkTool(read, tools), refusal('tool_not_allowed', /Unknown tool: write/));
  assert.throws(
    () => resolve({ serverPath: 'one' }, { servers, principal: only('two') }),
    refusal('server_not_allowed', /"one"/),
  );
});

test('whole argument vectors may be allowed; a star stays within one element', () => {
  const bridge = { allow: [['npx', '-y', '@mcp/server-*']] };
  const allowed = resolve({ serverPath: 'npx', args: ['-y', '@mcp/server-git'] }, { bridge });
  assert.deepEqual([allowed.adhoc, allowed.server.isolation], [true, 'principal']);
  for (const args of [
    ['-y', '@mcp/server-'],
    ['-y', '@mcp/server-a/b'],
    ['-y', '@mcp/server-a@1'],
    ['-y', '@mcp/server-a\nb'],
    ['-y', '@mcp/server-a', '-c'],
    ['-y'],
    ['-c', '@mcp/server-a'],
  ]) {
    assert.throws(
      () => resolve({ serverPath: 'npx', args }, { bridge }),
      refusal('command_not_allowed', /npx/),
    );
  }
  assert.throws(
    () => resolve({ serverPath: 'npx', args: ['-y', '@mcp/server-git'] }, { bridge, principal: only('one') }),
    refusal('server_not_allowed', /configured servers only/),
  );
});

test('a call sets only the variables that are allowed, and never those that load code', () => {
  const bridge = { env: ['GITHUB_*', '*'] };
  const { server, adhoc } = resolve({ serverPath: 'one', env: { GITHUB_TOKEN: 'x' } }, { bridge });
  assert.equal(adhoc, true);
  assert.deepEqual(server.kind === 'stdio' && server.env, { KEY: 'of the file', GITHUB_TOKEN: 'x' });
  for (const name of [
    'NODE_OPTIONS',
    'node_options',
    'LD_PRELOAD',
    'PYTHONPATH',
    'Path',
    'npm_config_registry',
  ]) {
    assert.throws(
      () => resolve({ serverPath: 'one', env: { [name]: 'x' } }, { bridge }),
      refusal('command_not_allowed', /may not set/),
      name,
    );
  }
  assert.throws(
    () => resolve({ serverPath: 'one', env: { OTHER: 'x' } }, { bridge: { env: ['GITHUB_*'] } }),
    refusal('command_not_allowed', /allows GITHUB_\*/),
  );
});

test('calls that differ in environment never share a child; the order of its names does not matter', () => {
  const bridge = { env: ['*'] };
  const name = (env: Record<string, string>) => resolve({ serverPath: 'one', env }, { bridge }).server.name;
  assert.equal(name({ A: '1', B: '2' }), name({ B: '2', A: '1' }));
  assert.equal(
    new Set([name({ A: '1' }), name({ A: '2' }), name({ B: '1' }), name({ A: '1', B: '' })]).size,
    4,
  );
});

test('a URL is allowed by its origin, not by what it begins with', () => {
  const bridge = { urls: ['https://ok.example'] };
  const { server } = resolve({ serverPath: 'https://ok.example/mcp?x=1' }, { bridge });
  assert.equal(server.kind === 'remote' && server.url, 'https://ok.example/mcp?x=1');
  for (const url of [
    'https://ok.example.evil.com/',
    'https://ok.example@evil.com/',
    'http://ok.example/',
    'https://ok.example:444/',
    'HTTPS://evil.com',
  ]) {
    assert.throws(
      () => resolve({ serverPath: url }, { bridge }),
      refusal('url_not_allowed', /not among bridge.urls/),
    );
  }
});
