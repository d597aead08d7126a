/**
 * What POST /bridge may run. By default exactly what the file configures, by name or by equal command and
 * arguments; beyond that, whole argument vectors, environment names and origins that `bridge` in the file allows.
 * Never by the name of an interpreter: `npx -c` is remote code execution (CVE-2026-40933).
 */
import { createHash } from 'node:crypto';
import type { ServerDefinition, Settings } from '../config/settings.ts';
import { BridgeError } from '../errors.ts';
import type { Principal } from '../http/principal.ts';
import { ToolGate } from '../protocol/tool-gate.ts';
import type { BridgeCall } from './bridge-call.ts';

export interface Resolved {
  readonly server: ServerDefinition;
  /** Not from the file: starting it is worth an audit line. */
  readonly adhoc: boolean;
  readonly tools: ToolGate;
}

export interface BridgePolicyInput {
  readonly settings: Pick<Settings, 'servers' | 'bridge' | 'requestTimeoutMs'>;
  /** Where ad-hoc commands run. */
  readonly cwd: string;
}

/** Variables that make a program load code or look elsewhere for it; no call sets them, whatever the file says. */
const NEVER =
  /^(NODE_OPTIONS|NODE_PATH|NODE_EXTRA_CA_CERTS|PATH|PATHEXT|SHELL|BASH_ENV|ENV|IFS|LD_.*|DYLD_.*|PYTHON.*|PERL.*|RUBY.*|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|NPM_CONFIG_.*|UV_.*|PIP_.*|GIT_.*|SSL_CERT_.*|HTTPS?_PROXY|ALL_PROXY|NO_PROXY|HOME|TMPDIR)$/i;

const MAX_CONCURRENT = 64;

/** Throws `command_not_allowed`, `url_not_allowed`, `server_not_allowed`, `tool_not_allowed`, `unknown_server`. */
export function resolveBridgeCall(
  call: BridgeCall,
  principal: Principal,
  input: BridgePolicyInput,
): Resolved {
  const { settings } = input;
  const equal = settings.servers.filter((server) => !server.disabled && isMeant(server, call));
  const usable = equal.filter(({ name }) => principal.servers === undefined || principal.servers.has(name));
  const [entry] = usable;
  if (entry === undefined && equal.length > 0) {
    throw new BridgeError('server_not_allowed', `This token may not use the server "${equal[0]?.name}".`);
  }
  // A tool that any entry of the same command denies is not to be had under another entry's name.
  const tools = new ToolGate([principal.tools, ...equal.map((server) => server.tools)]);
  const withEnv = Object.keys(call.env).length > 0;
  if (entry !== undefined && !withEnv) return { server: entry, adhoc: false, tools };
  if (withEnv) checkEnvironment(call, settings);
  if (entry === undefined) checkTarget(call, principal, settings);
  return { server: adhocServer(call, entry, input), adhoc: true, tools };
}

/** Throws `tool_not_allowed`. */
export function checkTool({ message }: BridgeCall, tools: ToolGate): void {
  if (message.method !== 'tools/call' || tools.allows(message.target)) return;
  throw new BridgeError('tool_not_allowed', `Unknown tool: ${message.target}`);
}

function isMeant(server: ServerDefinition, { serverPath, args }: BridgeCall): boolean {
  if (server.name === serverPath && args.length === 0) return true;
  if (server.kind === 'remote') return server.url === serverPath && args.length === 0;
  return server.command === serverPath && equalLists(server.args, args);
}

function checkEnvironment({ env }: BridgeCall, { bridge }: BridgePolicyInput['settings']): void {
  const allowed = bridge.env.map((glob) => pattern(glob, '[A-Za-z0-9_]*'));
  for (const name of Object.keys(env)) {
    if (!NEVER.test(name) && allowed.some((glob) => glob.test(name))) continue;
    const list = bridge.env.length === 0 ? 'none' : bridge.env.join(', ');
    throw new BridgeError(
      'command_not_allowed',
      `A call may not set the variable "${name.slice(0, 100)}"; bridge.env allows ${list}.`,
    );
  }
}

function checkTarget(
  call: BridgeCall,
  principal: Principal,
  { bridge, servers }: BridgePolicyInput['settings'],
): void {
  if (principal.servers !== undefined) {
    throw new BridgeError('server_not_allowed', 'This token may use configured servers only.');
  }
  const origin = originOf(call.serverPath);
  if (origin !== undefined) {
    if (call.args.length === 0 && (bridge.allow === 'any' || bridge.urls.includes(origin))) return;
    throw new BridgeError(
      'url_not_allowed',
      `"${origin}" is not among bridge.urls, and no configured server has this URL.`,
    );
  }
  const vector = [call.serverPath, ...call.args];
  if (bridge.allow === 'any' || bridge.allow.some((globs) => matches(globs, vector))) return;
  const names = servers.filter(({ disabled }) => !disabled).map(({ name }) => name);
  throw new BridgeError(
    'command_not_allowed',
    `"${vector.join(' ').slice(0, 200)}" is neither configured nor allowed by bridge.allow; configured servers are ${names.join(', ') || 'none'}.`,
  );
}

function adhocServer(
  call: BridgeCall,
  entry: ServerDefinition | undefined,
  { settings, cwd }: BridgePolicyInput,
): ServerDefinition {
  const { serverPath, args, env } = call;
  // The whole entry: defined anew it is another server, whose children are not to be mixed with the old ones.
  const identity = JSON.stringify([entry, serverPath, args, Object.entries(env).sort()]);
  const name = `adhoc:${createHash('sha256').update(identity).digest('hex').slice(0, 16)}`;
  if (entry?.kind === 'stdio') return { ...entry, name, env: { ...entry.env, ...env } };
  if (entry !== undefined) return { ...entry, name };
  const common = {
    name,
    isolation: 'principal',
    instances: 0,
    prewarm: 0,
    timeoutMs: settings.requestTimeoutMs,
    maxConcurrent: MAX_CONCURRENT,
    tools: {},
    disabled: false,
  } as const;
  if (originOf(serverPath) === undefined) {
    return { ...common, kind: 'stdio', command: serverPath, args, env, cwd, limits: {} };
  }
  const transport = serverPath.startsWith('ws') ? 'ws' : 'http';
  return { ...common, kind: 'remote', url: serverPath, transport, headers: {} };
}

function matches(globs: readonly string[], vector: readonly string[]): boolean {
  if (globs.length !== vector.length) return false;
  return globs.every((glob, i) => pattern(glob, '[A-Za-z0-9._-]+').test(vector[i] as string));
}

function pattern(glob: string, star: string): RegExp {
  return new RegExp(
    `^${glob
      .split('*')
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join(star)}$`,
  );
}

function originOf(text: string): string | undefined {
  if (!/^(https?|wss?):\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, host } = new URL(text);
  return `${protocol}//${host}`;
}

function equalLists(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
