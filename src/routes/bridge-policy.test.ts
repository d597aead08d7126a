import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stdioServer } from '../../test/harness/definitions.ts';
import type { BridgePolicy, ServerDefinition, StdioServer } from '../config/settings.ts';
import { BridgeError, type ErrorCode } from '../errors.ts';
import { createPrincipal } from '../http/principal.ts';
import { readBridgeCall } from '../protocol/bridge-call.ts';
import { type BridgePolicyInput, checkTool, resolveBridgeCall } from './bridge-policy.ts';

const anybody = createPrincipal('access-token', { tools: {}, bridge: true });

/** The code of the refusal; undefined when the call may run. */
function refusalOf(call: object, bridge: Partial<BridgePolicy>): string | undefined {
  const settings = {
    servers: [],
    requestTimeoutMs: 1_000,
    bridge: { allow: [], env: [], urls: [], ...bridge },
  };
  try {
    resolveBridgeCall(readBridgeCall(JSON.stringify({ method: 'tools/list', ...call })), anybody, {
      settings,
      cwd: '/',
    });
    return undefined;
  } catch (error) {
    assert.ok(error instanceof BridgeError);
    return error.code;
  }
}

test('variables that make a program load code are never set, whatever the file allows (X-MCP-ENV-*)', () => {
  const bridge: Partial<BridgePolicy> = { allow: [['uvx', 'server']], env: ['*'] };
  const call = (name: string) => ({ serverPath: 'uvx', args: ['server'], env: { [name]: '1' } });
  assert.equal(refusalOf(call('GITHUB_TOKEN'), bridge), undefined);
  for (const name of [
    'NODE_OPTIONS',
    'Node_Options',
    'NODE_TLS_REJECT_UNAUTHORIZED',
    'LD_PRELOAD',
    'LD_AUDIT',
    'DYLD_INSERT_LIBRARIES',
    'GCONV_PATH',
    'GLIBC_TUNABLES',
    'PATH',
    'PYTHONPATH',
    'PYTHONSTARTUP',
    'PERL5OPT',
    'RUBYOPT',
    'GEM_PATH',
    'CLASSPATH',
    'JAVA_TOOL_OPTIONS',
    'DOTNET_STARTUP_HOOKS',
    'npm_config_registry',
    'NPM_CONFIG_NODE_OPTIONS',
    'UV_INDEX_URL',
    'PIP_INDEX_URL',
    'GIT_SSH_COMMAND',
    'BASH_ENV',
    'BASH_FUNC_ls%%',
    'PS4',
    'HOME',
    'XDG_CONFIG_HOME',
    'https_proxy',
    'SSL_CERT_FILE',
    'PAGER',
  ]) {
    assert.equal(refusalOf(call(name), bridge), 'command_not_allowed', name);
  }
});

test('an interpreter that is allowed with one argument runs with no other (CVE-2026-40933, CVE-2026-30625)', () => {
  const bridge: Partial<BridgePolicy> = { allow: [['npx', '-y', '@modelcontextprotocol/server-*']] };
  const npx = (...args: string[]) => refusalOf({ serverPath: 'npx', args }, bridge);
  assert.equal(npx('-y', '@modelcontextprotocol/server-memory'), undefined);
  assert.equal(npx('-y', '-c', 'id'), 'command_not_allowed');
  assert.equal(npx('-c', 'id'), 'command_not_allowed');
  assert.equal(npx('-y', '@modelcontextprotocol/server-memory', '--call=id'), 'command_not_allowed');
  assert.equal(npx('-y', '@modelcontextprotocol/server-x/../../evil'), 'command_not_allowed');
  assert.equal(npx('-y', '@modelcontextprotocol/server-x@evil:1'), 'command_not_allowed');
});

test('a long argument does not keep a pattern with several stars busy (CVE-2026-0621)', () => {
  const bridge: Partial<BridgePolicy> = { allow: [['uvx', '*-*-*-*=*']] };
  assert.equal(refusalOf({ serverPath: 'uvx', args: ['a-b-c-d=e'] }, bridge), undefined);
  const long = (length: number) => ({ serverPath: 'uvx', args: ['-a'.repeat(length)] });
  assert.equal(refusalOf(long(4_000), bridge), 'command_not_allowed');
  assert.equal(refusalOf(long(500_000), bridge), 'invalid_request');
  const many = { serverPath: 'uvx', args: Array.from({ length: 300 }, () => 'a') };
  assert.equal(refusalOf(many, bridge), 'invalid_request');
});

const refusal = (code: ErrorCode, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BridgeError);
  assert.equal(error.code, code);
  assert.match(error.message, text);
  return true;
};

const stdio = (name: string, more: Partial<StdioServer> = {}): StdioServer =>
  stdioServer({ name, command: 'uvx', args: ['fetch'], env: { KEY: 'of the file' }, ...more });

const only = (...servers: string[]) => createPrincipal('token:x', { servers, tools: {}, bridge: true });

function resolve(
  call: object,
  { principal = anybody, bridge = {}, servers = [stdio('one')] as readonly ServerDefinition[] } = {},
) {
  const input: BridgePolicyInput = {
    cwd: '/',
    settings: { servers, requestTimeoutMs: 1, bridge: { allow: [], env: [], urls: [], ...bridge } },
  };
  const read = readBridgeCall(JSON.stringify({ method: 'ping', ...call }));
  return { ...resolveBridgeCall(read, principal, input), read };
}

test('a name means its server, although an earlier one has it for its command', () => {
  const servers = [stdio('one', { command: 'two', args: [], tools: { deny: ['write'] } }), stdio('two')];
  const { server, tools } = resolve({ serverPath: 'two' }, { servers });
  assert.equal(server.name, 'two');
  assert.equal(tools.allows('write'), false, 'both are equal to the call, so that both filter');
  assert.equal(resolve({ serverPath: 'two' }, { servers, principal: only('one') }).server.name, 'one');
});

test('what no program can be started with is the fault of the call', () => {
  const bridge: Partial<BridgePolicy> = { allow: 'any', env: ['*'] };
  for (const call of [
    { serverPath: 'a\0b' },
    { serverPath: 'uvx', args: ['\0'] },
    { serverPath: 'uvx', args: ['fetch'], env: { A: 'b\0' } },
  ]) {
    assert.throws(() => resolve(call, { bridge }), refusal('invalid_request', /NUL/));
  }
});

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
