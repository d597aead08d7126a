/**
 * Everything that was written for the bridge, read and checked at once: environment, `.env` files, servers file and
 * command line become Settings, or the list of all faults. Reads files; keeps nothing, so that a reload is a second
 * call. `process.env` is handed in.
 */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { closedBridge, namesAnyone, readAuth, readBridge } from './access.ts';
import { isLoopback, loopbackHostsWith } from './address.ts';
import { usableCpus } from './cpus.ts';
import { gatherVariables, type Sourced, type Variables } from './dotenv.ts';
import { type Environment, misspelled, readEnvironment } from './environment.ts';
import type { Fault } from './fault.ts';
import { interpolate } from './interpolate.ts';
import { TOP_KEYS } from './server-keys.ts';
import { readServers } from './servers.ts';
import type { BridgePolicy, JwtAuth, NamedToken, ServerDefinition, Settings } from './settings.ts';
import type { Reader } from './shape.ts';
import { findServers, type Source } from './source.ts';
import { fieldsOf } from './table.ts';

export interface LoadOptions {
  /** `--config`; wins over MCP_SERVERS_FILE. */
  readonly config?: string;
  readonly host?: string;
  readonly port?: number;
  readonly workers?: number | 'auto';
  /** What stands after `--`: the one server `default`, for which no file is read. */
  readonly command?: readonly string[];
}

export interface LoadInput {
  /** Absolute. */
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly options: LoadOptions;
  /** Of the load before, when this is a reload: it stays valid instead of a new one being made. */
  readonly generatedToken?: string;
}

export interface Loaded {
  readonly settings: Settings;
  /** Sentences that the operator should see once. */
  readonly notes: readonly string[];
  /** Among the settings' `accessTokens`; for the terminal only. */
  readonly generatedToken?: string;
}

export interface Refused {
  readonly faults: readonly Fault[];
}

interface Served {
  readonly servers: readonly ServerDefinition[];
  readonly bridge: BridgePolicy;
  readonly tokens: readonly NamedToken[];
  readonly jwt?: JwtAuth;
  /** Whether `auth` lets anyone in. */
  readonly auth: boolean;
  readonly serversFile?: string;
}

/** Settings, or all faults together. Never throws for what an operator wrote. */
export function load({ cwd, environment, options, generatedToken }: LoadInput): Loaded | Refused {
  const gathered = gatherVariables(cwd, environment);
  const variables = withOptions(gathered.variables, options);
  const { values, faults: badValues } = readEnvironment(variables);
  const faults = [...gathered.faults, ...badValues];
  const notes = misspelled(variables);

  const served = servedBy({ cwd, variables, values, options, faults, notes });
  const production = values.NODE_ENV === 'production';
  const open = !variables.has('ACCESS_TOKEN') && !served.auth;
  if (open && production) {
    faults.push({
      file: 'environment',
      key: 'ACCESS_TOKEN',
      found: 'found nothing',
      allowed: 'production demands at least one of ACCESS_TOKEN, auth.tokens and auth.jwt',
    });
  }
  if (values.SESSION_SECRET !== '' && values.SESSION_SECRET.length < 32) {
    notes.push('SESSION_SECRET is shorter than 32 characters; `openssl rand -base64 32` makes a good one.');
  }
  const prewarmed = served.servers.reduce((sum, { prewarm, disabled }) => sum + (disabled ? 0 : prewarm), 0);
  if (prewarmed >= values.MAX_CHILDREN) {
    notes.push(
      `The spares of all servers (prewarm, together ${prewarmed}) leave no call a child: MAX_CHILDREN is ${values.MAX_CHILDREN}.`,
    );
  }
  if (faults.length > 0) return { faults };

  const token = open ? (generatedToken ?? randomBytes(24).toString('base64url')) : undefined;
  return {
    settings: settingsOf({
      cwd,
      values,
      served,
      accessTokens: token === undefined ? values.ACCESS_TOKEN : [token],
    }),
    notes,
    ...(token !== undefined && { generatedToken: token }),
  };
}

/** The command line as if it stood in the environment, above all else. */
function withOptions(variables: Variables, { config, host, port, workers }: LoadOptions): Variables {
  const given = {
    MCP_SERVERS_FILE: ['--config', config],
    HOST: ['--host', host],
    PORT: ['--port', port],
    WORKERS: ['--workers', workers],
  } as const;
  const merged = new Map<string, Sourced>(variables);
  for (const [name, [key, value]] of Object.entries(given)) {
    if (value !== undefined) merged.set(name, { text: String(value), file: 'command line', key });
  }
  return merged;
}

interface Reading {
  readonly cwd: string;
  readonly variables: Variables;
  readonly values: Environment;
  readonly options: LoadOptions;
  readonly faults: Fault[];
  readonly notes: string[];
}

function servedBy(reading: Reading): Served {
  const { cwd, variables, values, options, faults, notes } = reading;
  const none: Served = { servers: [], bridge: closedBridge, tokens: [], auth: false };
  if (options.command === undefined) {
    const found = findServers(cwd, variables);
    faults.push(...found.faults);
    notes.push(...found.notes);
    // What a broken file says about `auth` is not known; one fault is enough.
    return found.source === undefined ? { ...none, auth: true } : readSource(found.source, reading);
  }
  const [command = '', ...args] = options.command;
  const commandLine = (key: string, found: string, allowed: string): void => {
    faults.push({ file: 'command line', key, found, allowed });
  };
  if (command === '') commandLine('--', 'found no command', 'allowed: -- COMMAND ARGS');
  if (options.config !== undefined)
    commandLine('--config', 'found together with -- COMMAND', 'allowed: one of them');
  return { ...none, servers: [commandServer(command, args, { cwd, timeoutMs: values.REQUEST_TIMEOUT_MS })] };
}

function commandServer(
  command: string,
  args: readonly string[],
  { cwd, timeoutMs }: { cwd: string; timeoutMs: number },
): ServerDefinition {
  return {
    name: 'default',
    kind: 'stdio',
    command,
    args,
    env: {},
    cwd,
    limits: {},
    isolation: 'session',
    instances: 0,
    prewarm: 0,
    timeoutMs,
    maxConcurrent: 64,
    tools: {},
    disabled: false,
  };
}

function readSource(
  { tree, shownAs, folder, path }: Source,
  { variables, values, faults, notes }: Reading,
): Served {
  const found: Fault[] = [];
  const reader: Reader = {
    fault(at, key, what, allowed) {
      found.push({ file: shownAs, ...at, key, found: what, allowed });
      return undefined;
    },
    note: (sentence) => notes.push(`${shownAs}: ${sentence}`),
    fill: (text) => interpolate(text, (name) => variables.get(name)?.text),
  };
  // A desktop client keeps settings of its own beside its servers.
  const isClientFile = tree.kind === 'map' && tree.entries.some(({ name }) => name === 'mcpServers');
  const ignore = isClientFile ? (name: string) => !/^(bri|auth|ser|mcp)/i.test(name) : () => false;
  const fields = fieldsOf(TOP_KEYS, tree, { key: '', reader, ignore });
  const list = fields?.values.servers ?? fields?.values.mcpServers;
  if (fields?.has('servers') && fields.has('mcpServers')) {
    reader.fault(fields.where('mcpServers'), 'mcpServers', 'found beside servers', 'allowed: one of them');
  } else if (fields !== undefined && list === undefined) {
    reader.fault(fields.at, 'servers', 'found nothing', 'allowed: a map of servers by name');
  }
  const key = fields?.values.servers === undefined ? 'mcpServers' : 'servers';
  const context = { key, reader, folder, requestTimeoutMs: values.REQUEST_TIMEOUT_MS };
  const servers = list === undefined ? [] : readServers(list, context);
  if (servers.length === 0) reader.note('no server is configured.');
  const names = list?.kind === 'map' ? list.entries.map(({ name }) => name) : [];
  const served = {
    servers,
    bridge: readBridge(fields?.values.bridge, { reader, production: values.NODE_ENV === 'production' }),
    ...readAuth(fields?.values.auth, { reader, servers: new Set(names), accessTokens: values.ACCESS_TOKEN }),
    auth: fields?.values.auth === undefined ? fields?.has('auth') !== false : namesAnyone(fields.values.auth),
    ...(path !== undefined && { serversFile: path }),
  };
  faults.push(...found.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)));
  return served;
}

interface Parts {
  readonly cwd: string;
  readonly values: Environment;
  readonly served: Served;
  readonly accessTokens: readonly string[];
}

function settingsOf({ cwd, values, served, accessTokens }: Parts): Settings {
  const production = values.NODE_ENV === 'production';
  const host = values.HOST ?? (production ? '0.0.0.0' : '127.0.0.1');
  const allowedHosts = values.ALLOWED_HOSTS ?? (isLoopback(host) ? loopbackHostsWith(host) : undefined);
  const { auth: _, ...rest } = served;
  return {
    nodeEnv: values.NODE_ENV,
    host,
    port: values.PORT,
    accessTokens,
    ...(allowedHosts !== undefined && { allowedHosts }),
    allowedOrigins: values.ALLOWED_ORIGINS ?? [],
    loopbackOrigins: values.ALLOWED_ORIGINS === undefined && !production,
    logLevel: values.LOG_LEVEL,
    ...(values.LOG_DIR !== undefined && { logDir: resolve(cwd, values.LOG_DIR) }),
    workers: values.WORKERS === 'auto' ? usableCpus() : values.WORKERS,
    sessionTtlMs: values.STREAM_SESSION_TTL_MS,
    clientCacheTtlMs: values.CLIENT_CACHE_TTL_MS,
    requestTimeoutMs: values.REQUEST_TIMEOUT_MS,
    maxBodyBytes: values.MAX_BODY_BYTES,
    maxSessions: values.MAX_SESSIONS,
    maxSessionsPerPrincipal: values.MAX_SESSIONS_PER_PRINCIPAL,
    maxChildren: values.MAX_CHILDREN,
    drainTimeoutMs: values.DRAIN_TIMEOUT_MS,
    rateLimitMax: values.RATE_LIMIT_MAX,
    rateLimitWindowMs: values.RATE_LIMIT_WINDOW_MS,
    trustProxy: values.TRUST_PROXY,
    workerMaxMemoryMb: values.WORKER_MAX_MEMORY_MB,
    sessionSecret: values.SESSION_SECRET,
    ...(values.METRICS_TOKEN !== undefined && { metricsToken: values.METRICS_TOKEN }),
    httpEngine: values.HTTP_ENGINE,
    ...(values.RUNTIME_DIR !== undefined && { runtimeDir: resolve(cwd, values.RUNTIME_DIR) }),
    ...(values.NGROK_AUTH_TOKEN !== undefined && { ngrokAuthToken: values.NGROK_AUTH_TOKEN }),
    ...rest,
  };
}
