import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BridgePolicy } from '../config/settings.ts';
import { BridgeError } from '../errors.ts';
import { createPrincipal } from '../http/principal.ts';
import { readBridgeCall } from './bridge-call.ts';
import { resolveBridgeCall } from './bridge-policy.ts';

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
