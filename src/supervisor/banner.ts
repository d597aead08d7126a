/** What a developer sees when the bridge runs: where, by whom, and a command to try it with. */
import type { ServerDefinition, Settings } from '../config/settings.ts';
import type { ReadyWorker } from './supervisor.ts';

export interface BannerInput {
  readonly settings: Settings;
  readonly port: number;
  readonly workers: readonly ReadyWorker[];
  /** Shown in full, unless it is in a file. */
  readonly generatedToken?: string | undefined;
  /** Where the generated token is when what reads this keeps it, as a log does. */
  readonly tokenFile?: string | undefined;
}

/** Ends with a new line. The curl works as printed (a configured token must be in the shell's environment: the token line says so). */
export function banner(input: BannerInput): string {
  const { settings, port, workers } = input;
  const url = urlOf(settings.host, port);
  const pids = workers.map(({ pid }) => pid).join(', ');
  const engines = [...new Set(workers.map(({ engine }) => ENGINE_NAMES[engine] ?? engine))].join(', ');
  const lines = [
    `MCP Bridge on ${url}`,
    `  workers  ${workers.length} of ${settings.workers} (pid ${pids}) on ${engines}`,
    `  servers  ${settings.servers.map(({ name }) => name).join(', ') || 'none'}`,
    tokenLine(input),
  ];
  return `\n${lines.join('\n')}\n\nTry it:\n\n${curl(input, url)}\n\n`;
}

const ENGINE_NAMES: Readonly<Record<string, string>> = { uws: 'uWebSockets.js', node: 'node:http' };

/** An address that a client on this machine can use, where the bridge listens on all of them. */
export function urlOf(host: string, port: number): string {
  if (host === '0.0.0.0') return `http://127.0.0.1:${port}`;
  if (host === '::') return `http://[::1]:${port}`;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** A token from a file or another terminal is not in the shell in which the call is pasted. */
function tokenLine({ settings, generatedToken, tokenFile }: BannerInput): string {
  if (generatedToken !== undefined) {
    const shown = tokenFile === undefined ? generatedToken : `in ${tokenFile}`;
    return `  token    ${shown} (made for this run; set ACCESS_TOKEN to choose one)`;
  }
  return settings.accessTokens.length > 0
    ? '  token    ACCESS_TOKEN, as you set it (export it where you paste the call)'
    : '  token    as auth of the servers file says (export one as TOKEN where you paste the call)';
}

function curl(input: BannerInput, url: string): string {
  const { settings } = input;
  const server = settings.servers.find(({ disabled }) => !disabled);
  if (server === undefined) return `curl -s ${url}/health`;
  return [
    `curl -s ${url}/bridge`,
    `-H ${authorization(input)}`,
    `-H 'Content-Type: application/json'`,
    `-d ${singleQuoted(JSON.stringify(callOf(server)))}`,
  ].join(' ');
}

function callOf({ name }: ServerDefinition): unknown {
  if (name !== 'everything') return { serverPath: name, method: 'tools/list' };
  const params = { name: 'echo', arguments: { message: 'hello' } };
  return { serverPath: name, method: 'tools/call', params };
}

/** A configured token is never printed; the shell fills it in, the first one when several are in rotation. */
function authorization({ settings: { accessTokens }, generatedToken, tokenFile }: BannerInput): string {
  if (tokenFile !== undefined) return `"Authorization: Bearer $(cat ${singleQuoted(tokenFile)})"`;
  if (generatedToken !== undefined) return singleQuoted(`Authorization: Bearer ${generatedToken}`);
  if (accessTokens.length === 0) return '"Authorization: Bearer $TOKEN"';
  return `"Authorization: Bearer ${accessTokens.length === 1 ? '$ACCESS_TOKEN' : `\${ACCESS_TOKEN%%,*}`}"`;
}

const singleQuoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
