/**
 * What POST /bridge may run. By default exactly what the file configures, by name or by equal command and
 * arguments; beyond that, whole argument vectors, environment names and origins that `bridge` in the file allows.
 * Never by the name of an interpreter: `npx -c` is remote code execution (CVE-2026-40933).
 */
import { createHash } from 'node:crypto';
import type { ServerDefinition, Settings } from '../config/settings.ts';
import { BridgeError, messageOf } from '../errors.ts';
import type { Principal } from '../http/principal.ts';
import type { BridgeCall } from '../protocol/bridge-call.ts';
import { ToolGate } from '../protocol/tool-gate.ts';
import { createReach } from '../upstream/reach.ts';

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

/**
 * Variables that make a program load code, run another one or look elsewhere for either; no call sets them, whatever
 * the file says. By family where a runtime has many.
 */
const NEVER = new RegExp(
  `^(${[
    'PATH|PATHEXT|HOME|USERPROFILE|APPDATA|LOCALAPPDATA|TMPDIR|TEMP|TMP|XDG_.*',
    'SHELL|ENV|IFS|PS4|PROMPT_COMMAND|BASH.*|ZDOTDIR|PAGER|EDITOR|VISUAL|BROWSER|.*_ASKPASS',
    'LD_.*|DYLD_.*|GCONV_PATH|GLIBC_TUNABLES|MALLOC_.*|LOCPATH|HOSTALIASES|OPENSSL_.*',
    'NODE_(?!ENV$).*|NPM_CONFIG_.*|YARN_.*|PNPM_.*|COREPACK_.*|BUN_.*|DENO_.*|ELECTRON_.*',
    'PYTHON.*|UV_.*|PIP_.*|VIRTUAL_ENV|CONDA_.*|PERL.*|RUBY.*|GEM_.*|BUNDLE_.*|LUA_.*|PHPRC|PHP_INI_.*',
    'CLASSPATH|JAVA_.*|_JAVA_OPTIONS|JDK_.*|JVM_.*|MAVEN_.*|GRADLE_.*|DOTNET_.*|CORECLR_.*|COMPLUS_.*',
    'GO(FLAGS|PROXY|PATH|ROOT|ENV)|CARGO_.*|RUST.*|GIT_.*|DOCKER_.*',
    'SSL_.*|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|HTTPS?_PROXY|ALL_PROXY|NO_PROXY',
  ].join('|')})$`,
  'i',
);

const MAX_CONCURRENT = 64;
/** What one `*` or several may stand in. Beyond it patterns with several of them take long, and no name is longer. */
const MAX_STARRED_CHARS = 256;

/** Throws `invalid_request`, `command_not_allowed`, `url_not_allowed`, `server_not_allowed`, `tool_not_allowed`, `unknown_server`. */
export function resolveBridgeCall(
  call: BridgeCall,
  principal: Principal,
  input: BridgePolicyInput,
): Resolved {
  const { settings } = input;
  const equal = settings.servers.filter((server) => !server.disabled && isMeant(server, call));
  const usable = equal.filter(({ name }) => principal.servers === undefined || principal.servers.has(name));
  // A server is always to be had by its name, although an earlier one may have that for its command.
  const entry = usable.find((server) => isNamed(server, call)) ?? usable[0];
  if (entry === undefined && equal.length > 0) {
    throw new BridgeError('server_not_allowed', `This token may not use the server "${equal[0]?.name}".`);
  }
  // A tool that any entry of the same command denies is not to be had under another entry's name.
  const tools = new ToolGate([principal.tools, ...equal.map((server) => server.tools)]);
  const withEnv = Object.keys(call.env).length > 0;
  if (entry !== undefined && !withEnv) return { server: entry, adhoc: false, tools };
  if (withEnv) checkEnvironment(call, settings);
  if (entry === undefined) checkTarget(call, principal, settings);
  checkText(call);
  return { server: adhocServer(call, entry, input), adhoc: true, tools };
}

/** Throws `tool_not_allowed`. */
export function checkTool({ message }: BridgeCall, tools: ToolGate): void {
  if (message.method !== 'tools/call' || tools.allows(message.target)) return;
  throw new BridgeError('tool_not_allowed', `Unknown tool: ${message.target}`);
}

const isNamed = ({ name }: ServerDefinition, { serverPath, args }: BridgeCall): boolean =>
  name === serverPath && args.length === 0;

function isMeant(server: ServerDefinition, call: BridgeCall): boolean {
  const { serverPath, args } = call;
  if (isNamed(server, call)) return true;
  if (server.kind === 'remote') return server.url === serverPath && args.length === 0;
  return server.command === serverPath && equalLists(server.args, args);
}

/** What no program can be started with. */
function checkText({ serverPath, args, env }: BridgeCall): void {
  if (![serverPath, ...args, ...Object.values(env)].some((word) => word.includes('\0'))) return;
  throw new BridgeError('invalid_request', 'A command, its arguments and variables hold no NUL character.');
}

function checkEnvironment({ env }: BridgeCall, { bridge }: BridgePolicyInput['settings']): void {
  const allowed = bridge.env.map((glob) => globOf(glob, '[A-Za-z0-9_]*'));
  for (const name of Object.keys(env)) {
    if (!NEVER.test(name) && allowed.some((matches) => matches(name))) continue;
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
    if (call.args.length === 0 && (bridge.allow === 'any' || bridge.urls.includes(origin))) {
      checkReach(call.serverPath, bridge.urls);
      return;
    }
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

/** What an address says at once is told at once; where a name leads is found out when it is called. */
function checkReach(url: string, urls: readonly string[]): void {
  try {
    createReach({ url, reach: urls }).check(new URL(url));
  } catch (error) {
    throw new BridgeError('url_not_allowed', `The URL is refused: ${messageOf(error)}.`);
  }
}

function adhocServer(
  call: BridgeCall,
  entry: ServerDefinition | undefined,
  { settings, cwd }: BridgePolicyInput,
): ServerDefinition {
  const { serverPath, args, env } = call;
  const { urls } = settings.bridge;
  // The whole entry: defined anew it is another server, whose children are not to be mixed with the old ones.
  const identity = JSON.stringify([entry, serverPath, args, Object.entries(env).sort(), urls]);
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
  return { ...common, kind: 'remote', url: serverPath, transport, headers: {}, reach: urls };
}

function matches(globs: readonly string[], vector: readonly string[]): boolean {
  if (globs.length !== vector.length) return false;
  return globs.every((glob, i) => globOf(glob, '[A-Za-z0-9._-]+')(vector[i] as string));
}

/** `star` is what `*` stands for, as a regular expression. */
function globOf(glob: string, star: string): (text: string) => boolean {
  const parts = glob.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  if (parts.length === 1) return (text) => text === glob;
  const pattern = new RegExp(`^${parts.join(star)}$`);
  return (text) => text.length <= MAX_STARRED_CHARS && pattern.test(text);
}

function originOf(text: string): string | undefined {
  if (!/^(https?|wss?):\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, host } = new URL(text);
  return `${protocol}//${host}`;
}

function equalLists(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
