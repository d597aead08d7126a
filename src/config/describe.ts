/** What would run, for `npm run check` and the curious: no token, no value of a variable or header is in it. */
import type { Loaded } from './load.ts';
import { mask, maskArguments, maskUrl } from './mask.ts';
import type { NamedToken, ServerDefinition, Settings, ToolFilter } from './settings.ts';

const seconds = (ms: number): string => (ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`);
const listed = (items: readonly string[]): string => (items.length === 0 ? 'none' : items.join(', '));
const masked = (names: Readonly<Record<string, string>>, sign: string): string =>
  Object.keys(names)
    .map((name) => `${name}${sign}${mask}`)
    .join(', ');

function describeTools({ allow, deny }: ToolFilter): string {
  const parts = [allow && `allow ${listed(allow)}`, deny && `deny ${listed(deny)}`];
  return parts.filter((part) => part !== undefined).join('; ');
}

function describeServer(server: ServerDefinition): string[] {
  const stdio = server.kind === 'stdio';
  const written = server.written ?? (stdio ? [server.command, ...server.args] : [server.url]);
  const what = stdio ? maskArguments(written) : `${server.transport} ${maskUrl(written[0] ?? '')}`;
  const tools = describeTools(server.tools);
  const details = [
    `isolation ${server.isolation}`,
    ...(server.instances > 0 ? [`instances ${server.instances}`] : []),
    ...(server.prewarm > 0 ? [`prewarm ${server.prewarm}`] : []),
    `timeout ${seconds(server.timeoutMs)}`,
    `${server.maxConcurrent} in flight per child`,
  ];
  const env = stdio ? masked(server.env, '=') : masked(server.headers, ': ');
  return [
    `  ${server.name}${server.disabled ? ' (disabled)' : ''}: ${what}`,
    `    ${details.join(', ')}`,
    ...(env === '' ? [] : [`    ${stdio ? 'env' : 'headers'} ${env}`]),
    ...(tools === '' ? [] : [`    tools ${tools}`]),
  ];
}

function describeToken({ name, servers, tools, bridge }: NamedToken): string {
  const filter = describeTools(tools);
  const scope = `servers ${servers === undefined ? 'all' : listed(servers)}, /bridge ${bridge ? 'yes' : 'no'}`;
  return `  token ${name}: ${mask}, ${scope}${filter === '' ? '' : `, tools ${filter}`}`;
}

function describeAccess({ accessTokens, tokens, jwt }: Settings, isGenerated: boolean): string[] {
  if (isGenerated) return ['  ACCESS_TOKEN is not set: every start makes a token and shows it'];
  return [
    ...(accessTokens.length === 0 ? [] : [`  ACCESS_TOKEN: ${accessTokens.map(() => mask).join(', ')}`]),
    ...tokens.map(describeToken),
    ...(jwt === undefined ? [] : [`  JWT of ${jwt.issuer} for ${jwt.audience}`]),
  ];
}

function describeOrigins({ allowedOrigins, loopbackOrigins }: Settings): string {
  return listed([...(loopbackOrigins ? ['loopback'] : []), ...allowedOrigins]);
}

/** Several lines, without a line end after the last. */
export function describe({ settings, notes, generatedToken }: Loaded): string {
  const { bridge, servers, rateLimitMax, allowedHosts, trustProxy } = settings;
  const address = settings.host.includes(':') ? `[${settings.host}]` : settings.host;
  const rate = rateLimitMax === 0 ? 'off' : `${rateLimitMax} per ${seconds(settings.rateLimitWindowMs)}`;
  const each = settings.maxSessionsPerPrincipal;
  return [
    `MCP Bridge, ${settings.nodeEnv}: http://${address}:${settings.port}`,
    `  workers ${settings.workers}, engine ${settings.httpEngine}, log level ${settings.logLevel}${settings.logDir ? ` also to ${settings.logDir}` : ''}`,
    `  hosts ${allowedHosts === undefined ? 'any' : listed(allowedHosts)}; origins ${describeOrigins(settings)}`,
    `  at most ${settings.maxSessions} sessions${each === 0 ? '' : ` (${each} of one principal)`}, ${settings.maxChildren} children, ${settings.maxBodyBytes} bytes of body; rate limit ${rate}`,
    `  idle sessions live ${seconds(settings.sessionTtlMs)}, idle clients ${seconds(settings.clientCacheTtlMs)}; drain ${seconds(settings.drainTimeoutMs)}`,
    ...(settings.workerMaxMemoryMb === 0
      ? []
      : [`  a worker above ${settings.workerMaxMemoryMb} MiB is replaced`]),
    ...(settings.runtimeDir === undefined ? [] : [`  runtime files in ${settings.runtimeDir}`]),
    `  trusted proxies: ${typeof trustProxy === 'boolean' ? (trustProxy ? 'every peer' : 'none') : listed(trustProxy)}`,
    `  set: ${listed(secretsSet(settings))}`,
    'Access',
    ...describeAccess(settings, generatedToken !== undefined),
    `Servers of ${settings.serversFile ?? 'MCP_SERVERS or the command line'}`,
    ...servers.flatMap(describeServer),
    'POST /bridge beyond these',
    `  commands: ${bridge.allow === 'any' ? 'any' : listed(bridge.allow.map(maskArguments))}`,
    `  variables: ${listed(bridge.env)}; URLs: ${listed(bridge.urls)}`,
    ...notes.map((note) => `Note: ${note}`),
  ].join('\n');
}

function secretsSet({ sessionSecret, metricsToken, ngrokAuthToken }: Settings): string[] {
  const secrets = {
    SESSION_SECRET: sessionSecret,
    METRICS_TOKEN: metricsToken,
    NGROK_AUTH_TOKEN: ngrokAuthToken,
  };
  return Object.entries(secrets)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name]) => `${name}=${mask}`);
}
