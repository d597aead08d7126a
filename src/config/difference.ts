/**
 * Two configurations compared: which servers need new children, which only new rules, and which variables would
 * need a new start of the bridge. Pure; carrying out is for the pool and the reloader.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ServerDefinition, Settings } from './settings.ts';

/** Disabled servers count as absent on both sides. */
export interface ServersDifference {
  readonly added: readonly ServerDefinition[];
  /** Defined otherwise: children started before are not what the file says any more. */
  readonly changed: readonly ServerDefinition[];
  /** Their children are right as they are; tools, or the form that is shown, differ. */
  readonly adjusted: readonly ServerDefinition[];
  readonly removed: readonly string[];
}

export function compareServers(
  before: readonly ServerDefinition[],
  after: readonly ServerDefinition[],
): ServersDifference {
  const old = enabledByName(before);
  const added: ServerDefinition[] = [];
  const changed: ServerDefinition[] = [];
  const adjusted: ServerDefinition[] = [];
  for (const server of enabledByName(after).values()) {
    const known = old.get(server.name);
    old.delete(server.name);
    if (known === undefined) added.push(server);
    else if (!needSameChildren(known, server)) changed.push(server);
    else if (!isDeepStrictEqual(known, server)) adjusted.push(server);
  }
  return { added, changed, adjusted, removed: [...old.keys()] };
}

export function enabledByName(servers: readonly ServerDefinition[]): Map<string, ServerDefinition> {
  return new Map(servers.filter(({ disabled }) => !disabled).map((server) => [server.name, server]));
}

/** Whether a child of one may serve as a child of the other. Tools are filtered by the bridge, not by the child. */
export function needSameChildren(a: ServerDefinition, b: ServerDefinition): boolean {
  return isDeepStrictEqual(childPart(a), childPart(b));
}

function childPart({ tools: _tools, written: _written, ...rest }: ServerDefinition): unknown {
  return rest;
}

/** `after`, but each server in `refused` as it was before, or not at all where it is new. */
export function withoutRefused(
  before: readonly ServerDefinition[],
  after: readonly ServerDefinition[],
  refused: ReadonlySet<string>,
): readonly ServerDefinition[] {
  return after.flatMap((server) => {
    if (!refused.has(server.name)) return [server];
    return before.filter(({ name }) => name === server.name);
  });
}

type Applied = 'servers' | 'bridge' | 'tokens' | 'jwt' | 'accessTokens' | 'requestTimeoutMs' | 'serversFile';

/** The running settings with what a reload can change taken from `fresh`. */
export function applicable(running: Settings, fresh: Settings): Settings {
  const { jwt: _jwt, serversFile: _serversFile, ...rest } = running;
  const { servers, bridge, tokens, accessTokens, requestTimeoutMs, jwt, serversFile } = fresh;
  return {
    ...rest,
    ...{ servers, bridge, tokens, accessTokens, requestTimeoutMs },
    ...(jwt && { jwt }),
    ...(serversFile !== undefined && { serversFile }),
  };
}

/** Every other setting, by the variable that sets it. */
const NEEDS_RESTART: Readonly<Record<Exclude<keyof Settings, Applied>, string>> = {
  nodeEnv: 'NODE_ENV',
  host: 'HOST',
  port: 'PORT',
  allowedHosts: 'ALLOWED_HOSTS',
  allowedOrigins: 'ALLOWED_ORIGINS',
  loopbackOrigins: 'ALLOWED_ORIGINS',
  logLevel: 'LOG_LEVEL',
  logDir: 'LOG_DIR',
  workers: 'WORKERS',
  sessionTtlMs: 'STREAM_SESSION_TTL_MS',
  clientCacheTtlMs: 'CLIENT_CACHE_TTL_MS',
  maxBodyBytes: 'MAX_BODY_BYTES',
  maxSessions: 'MAX_SESSIONS',
  maxSessionsPerPrincipal: 'MAX_SESSIONS_PER_PRINCIPAL',
  maxChildren: 'MAX_CHILDREN',
  drainTimeoutMs: 'DRAIN_TIMEOUT_MS',
  rateLimitMax: 'RATE_LIMIT_MAX',
  rateLimitWindowMs: 'RATE_LIMIT_WINDOW_MS',
  trustProxy: 'TRUST_PROXY',
  workerMaxMemoryMb: 'WORKER_MAX_MEMORY_MB',
  sessionSecret: 'SESSION_SECRET',
  metricsToken: 'METRICS_TOKEN',
  httpEngine: 'HTTP_ENGINE',
  runtimeDir: 'RUNTIME_DIR',
  ngrokAuthToken: 'NGROK_AUTH_TOKEN',
};

/** The variables whose new values wait for a new start of the bridge, each once. */
export function needingRestart(running: Settings, fresh: Settings): readonly string[] {
  const keys = Object.keys(NEEDS_RESTART) as (keyof typeof NEEDS_RESTART)[];
  const differing = keys.filter((key) => !isDeepStrictEqual(running[key], fresh[key]));
  return [...new Set(differing.map((key) => NEEDS_RESTART[key]))];
}
