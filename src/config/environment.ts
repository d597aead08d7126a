/**
 * The one table of environment variables, and their reading. What several of them mean together is for `load`;
 * the tables of docs/configuration.md are generated from here.
 */
import type { Variables } from './dotenv.ts';
import { type Fault, shown } from './fault.ts';
import { distance, nearest } from './nearest.ts';
import {
  environmentName,
  host,
  hostHeaders,
  maxMs,
  origins,
  plainText,
  secret,
  secrets,
  trustedProxies,
  type Variable,
  wholeNumber,
  word,
  workerCount,
} from './variable.ts';

export const ENVIRONMENT = {
  PORT: wholeNumber({ min: 0, max: 65535, fallback: 3000, doc: 'Port it listens on; 0 takes any free one' }),
  HOST: host({
    fallback: undefined,
    default: '127.0.0.1; 0.0.0.0 when `NODE_ENV=production`',
    doc: 'Address it listens on',
  }),
  NODE_ENV: environmentName({
    fallback: 'development',
    doc: '`production` demands at least one of `ACCESS_TOKEN`, `auth.tokens` and `auth.jwt`; also names the file `.env.<NODE_ENV>`',
  }),
  ACCESS_TOKEN: secrets({
    fallback: [],
    default: 'none; in development one is generated and printed to the terminal',
    doc: 'Bearer token; several, separated by commas, while rotating',
  }),
  ALLOWED_HOSTS: hostHeaders({
    fallback: undefined,
    default: 'loopback names when bound to loopback, else any',
    doc: 'Names that the `Host` header may have, separated by commas; others get 403',
  }),
  ALLOWED_ORIGINS: origins({
    fallback: undefined,
    default: 'loopback origins in development, none in production',
    doc: 'Origins that browsers may call from, separated by commas; others get 403',
  }),
  LOG_LEVEL: word({
    words: ['debug', 'info', 'warn', 'error'],
    fallback: 'info',
    default: 'INFO',
    doc: 'Least level that is logged, in any case',
  }),
  LOG_DIR: plainText({
    fallback: undefined,
    allowed: 'a folder',
    doc: 'When set: JSON lines in `combined.log` and `error.log` of this folder too',
  }),
  WORKERS: workerCount({
    fallback: 'auto',
    doc: 'Number of workers; auto: the CPUs this process may use, limits of its control group respected',
  }),
  MCP_SERVERS_FILE: plainText({
    fallback: undefined,
    default: '`mcp-servers.yaml`, then `.yml`, then `.json`',
    allowed: 'a file',
    doc: 'Server definitions',
  }),
  MCP_SERVERS: plainText({
    fallback: undefined,
    allowed: 'JSON of the same shape as the file',
    doc: 'Server definitions as JSON, when no file exists',
  }),
  STREAM_SESSION_TTL_MS: wholeNumber({
    min: 1,
    max: maxMs,
    fallback: 300_000,
    doc: 'Idle life of a session',
  }),
  CLIENT_CACHE_TTL_MS: wholeNumber({
    min: 1,
    max: maxMs,
    fallback: 300_000,
    doc: 'Idle life of a pooled upstream client that no session holds',
  }),
  REQUEST_TIMEOUT_MS: wholeNumber({
    min: 1,
    max: maxMs,
    fallback: 60_000,
    doc: "Limit of one upstream request; progress starts it again; a server's `timeoutMs` overrides it",
  }),
  MAX_BODY_BYTES: wholeNumber({
    min: 1,
    max: 1_073_741_824,
    fallback: 4_194_304,
    doc: 'Larger request bodies get 413',
  }),
  MAX_SESSIONS: wholeNumber({
    min: 1,
    max: 100_000_000,
    fallback: 10_000,
    doc: 'Sessions of the whole bridge; past them 503 with `Retry-After`',
  }),
  MAX_SESSIONS_PER_PRINCIPAL: wholeNumber({
    min: 0,
    max: 100_000_000,
    fallback: 0,
    default: '0 (off)',
    doc: 'Sessions of one principal over all workers; past them 503 with `Retry-After`',
  }),
  MAX_CHILDREN: wholeNumber({
    min: 1,
    max: 1_000_000,
    fallback: 256,
    doc: 'Child processes of the whole bridge; past them 503 with `Retry-After`',
  }),
  DRAIN_TIMEOUT_MS: wholeNumber({
    min: 0,
    max: maxMs,
    fallback: 10_000,
    doc: 'How long a stopping worker lets requests finish',
  }),
  RATE_LIMIT_MAX: wholeNumber({
    min: 0,
    max: 1_000_000_000,
    fallback: 0,
    default: '0 (off)',
    doc: 'Requests per window, route and token (per address where there is none) over all workers; past them 429',
  }),
  RATE_LIMIT_WINDOW_MS: wholeNumber({ min: 1, max: maxMs, fallback: 900_000, doc: 'Length of that window' }),
  TRUST_PROXY: trustedProxies({
    fallback: false,
    doc: 'Whose `X-Forwarded-For` is believed: every peer, none, or those in a list of CIDRs',
  }),
  WORKER_MAX_MEMORY_MB: wholeNumber({
    min: 0,
    max: 1_048_576,
    fallback: 0,
    default: '0 (off)',
    doc: 'A worker above it is replaced, rolling',
  }),
  SESSION_SECRET: secret({
    fallback: '',
    default: 'made at start',
    doc: 'Authenticates session ids and `requestState`; set it to let sessions of shared servers outlive a restart of the bridge',
  }),
  METRICS_TOKEN: secret({ fallback: undefined, doc: 'When set, `/metrics` demands it as a bearer token' }),
  HTTP_ENGINE: word({
    words: ['auto', 'uws', 'node'],
    fallback: 'auto',
    doc: '`auto`: uWebSockets.js where its binary loads, else node:http with one warning that says why',
  }),
  RUNTIME_DIR: plainText({
    fallback: undefined,
    default: "under the system's temporary folder, derived from user and port",
    allowed: 'a folder',
    doc: 'Pid file, sockets between the workers, and what they share without a primary; mode 0700',
  }),
  NGROK_AUTH_TOKEN: secret({ fallback: undefined, doc: 'Token of the ngrok account, for `--tunnel`' }),
} as const satisfies Readonly<Record<string, Variable<unknown>>>;

type ValueOf<V> = V extends Variable<infer T, infer F> ? T | F : never;
type VariableName = keyof typeof ENVIRONMENT;
export type Environment = { readonly [Name in VariableName]: ValueOf<(typeof ENVIRONMENT)[Name]> };

const shownSecret = (text: string): string =>
  text.includes('${') ? 'found a ${ that nobody filled in' : 'found a value that cannot be used';

/** The value of every variable; a bad one gives a fault and its default. */
export function readEnvironment(variables: Variables): { values: Environment; faults: Fault[] } {
  const faults: Fault[] = [];
  const read = ([name, variable]: [string, Variable<unknown>]): [string, unknown] => {
    const sourced = variables.get(name);
    if (sourced === undefined) return [name, variable.fallback];
    const value = variable.parse(sourced.text.trim());
    if (value !== undefined) return [name, value];
    const { text, key = name, ...place } = sourced;
    const found = variable.secret ? shownSecret(text) : shown(text);
    faults.push({ ...place, key, found, allowed: `allowed: ${variable.allowed}` });
    return [name, variable.fallback];
  };
  const values = Object.fromEntries(Object.entries<Variable<unknown>>(ENVIRONMENT).map(read));
  return { values: values as Environment, faults };
}

/**
 * Variables that nobody reads and that look like one of ours. Only notes: the environment is not ours alone, so
 * the name must be nearly the same or the beginning of ours.
 */
export function misspelled(variables: Variables): string[] {
  const names = Object.keys(ENVIRONMENT);
  const notes: string[] = [];
  for (const name of variables.keys()) {
    if (name.length < 6 || names.includes(name)) continue;
    const meant = nearest(name, names);
    if (meant === undefined || variables.has(meant)) continue;
    if (distance(name, meant) > 2 && !meant.startsWith(name)) continue;
    notes.push(`The variable ${name} means nothing here; did you mean ${meant}?`);
  }
  return notes;
}
