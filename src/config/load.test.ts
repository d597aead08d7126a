// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the texts under test
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../../test/harness/temporary-folder.ts';
import { describe } from './describe.ts';
import { renderFault } from './fault.ts';
import { type Loaded, type LoadOptions, load } from './load.ts';

interface Case {
  readonly files?: Record<string, string>;
  readonly environment?: NodeJS.ProcessEnv;
  readonly options?: LoadOptions;
}

function run(t: TestContext, { files = {}, environment = {}, options = {} }: Case) {
  const cwd = temporaryFolder(t);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(cwd, name)), { recursive: true });
    writeFileSync(join(cwd, name), text);
  }
  return { cwd, result: load({ cwd, environment, options }) };
}

function good(t: TestContext, input: Case): Loaded & { cwd: string } {
  const { cwd, result } = run(t, input);
  if ('faults' in result) assert.fail(result.faults.map(renderFault).join('\n'));
  return { ...result, cwd };
}

function faults(t: TestContext, input: Case): string[] {
  const { cwd, result } = run(t, input);
  return 'faults' in result ? result.faults.map((fault) => renderFault(fault).replaceAll(cwd, 'CWD')) : [];
}

const yaml = (text: string): Record<string, string> => ({ 'mcp-servers.yaml': text });
const one = yaml('servers:\n  s: { command: node }\n');

test('a minimal file gets every default', (t) => {
  const { settings, notes, generatedToken = '', cwd } = good(t, { files: one });
  assert.deepEqual(notes, []);
  assert.match(generatedToken, /^[\w-]{32}$/);
  const { workers, ...rest } = settings;
  assert.ok(workers >= 1);
  assert.deepEqual(rest, {
    nodeEnv: 'development',
    host: '127.0.0.1',
    port: 3000,
    accessTokens: [generatedToken],
    allowedHosts: ['localhost', '127.0.0.1', '[::1]', '::1'],
    allowedOrigins: [],
    loopbackOrigins: true,
    logLevel: 'info',
    sessionTtlMs: 300_000,
    clientCacheTtlMs: 300_000,
    requestTimeoutMs: 60_000,
    maxBodyBytes: 4_194_304,
    maxSessions: 10_000,
    maxSessionsPerPrincipal: 0,
    maxChildren: 256,
    drainTimeoutMs: 10_000,
    rateLimitMax: 0,
    rateLimitWindowMs: 900_000,
    trustProxy: false,
    workerMaxMemoryMb: 0,
    sessionSecret: '',
    httpEngine: 'auto',
    serversFile: join(cwd, 'mcp-servers.yaml'),
    servers: [
      {
        name: 's',
        kind: 'stdio',
        command: 'node',
        args: [],
        env: {},
        cwd,
        limits: {},
        isolation: 'session',
        instances: 0,
        prewarm: 0,
        timeoutMs: 60_000,
        maxConcurrent: 64,
        tools: {},
        disabled: false,
        written: ['node'],
      },
    ],
    bridge: { allow: [], env: [], urls: [] },
    tokens: [],
  });
});

test('every key of the file arrives', (t) => {
  const { settings, cwd } = good(t, {
    environment: { ACCESS_TOKEN: 'a, b,', T: 'secret', REQUEST_TIMEOUT_MS: '5' },
    files: {
      'conf/servers.yml': `
servers:
  a:
    command: \${PROGRAM:-uvx}
    args: [x, 8080, 1.10, true, "", "--key=\${T}"]
    env: { KEY: "\${T}", NUMBER: 12, FLAG: true, EMPTY: "", __proto__: p }
    cwd: ../work
    user: nobody
    group: 100
    limits: { memoryMb: 512, cpuSeconds: 3600, openFiles: 256 }
    isolation: shared
    instances: 2
    prewarm: 1
    timeoutMs: 30000
    maxConcurrent: 3
    tools: { allow: ["read_*"], deny: ["write_*"] }
  b: { url: "https://example.com/\${T}", headers: { Authorization: "Bearer \${T}" }, disabled: true }
  c: { url: "wss://example.com" }
  d: { url: "http://example.com/sse", transport: sse }
  __proto__: { command: x }
bridge:
  allow: [[uvx, mcp-server-fetch], [npx, -y, "@modelcontextprotocol/server-*"]]
  env: ["GITHUB_*"]
  urls: ["https://Example.com:443/"]
auth:
  tokens:
    - { name: ci, token: "\${T}", servers: [a, b], tools: { deny: [x] }, bridge: false }
    - { name: ops, token: 12345 }
  jwt: { issuer: https://id.example.com, audience: mcp-bridge, jwksUri: https://id.example.com/jwks }
`,
    },
    options: { config: 'conf/servers.yml' },
  });
  const [a, b, c, d, proto] = settings.servers;
  assert.deepEqual(a, {
    name: 'a',
    kind: 'stdio',
    command: 'uvx',
    args: ['x', '8080', '1.10', 'true', '', '--key=secret'],
    env: Object.fromEntries([
      ['KEY', 'secret'],
      ['NUMBER', '12'],
      ['FLAG', 'true'],
      ['EMPTY', ''],
      ['__proto__', 'p'],
    ]),
    cwd: join(cwd, 'work'),
    user: 'nobody',
    group: '100',
    limits: { memoryMb: 512, cpuSeconds: 3600, openFiles: 256 },
    isolation: 'shared',
    instances: 2,
    prewarm: 1,
    timeoutMs: 30_000,
    maxConcurrent: 3,
    tools: { allow: ['read_*'], deny: ['write_*'] },
    disabled: false,
    written: ['${PROGRAM:-uvx}', 'x', '8080', '1.10', 'true', '', '--key=${T}'],
  });
  assert.ok(b?.kind === 'remote' && b.transport === 'http' && b.disabled && b.timeoutMs === 5);
  assert.ok(c?.kind === 'remote' && c.transport === 'ws');
  assert.ok(d?.kind === 'remote' && d.transport === 'sse');
  assert.equal(proto?.name, '__proto__');
  assert.deepEqual(settings.bridge, {
    allow: [
      ['uvx', 'mcp-server-fetch'],
      ['npx', '-y', '@modelcontextprotocol/server-*'],
    ],
    env: ['GITHUB_*'],
    urls: ['https://example.com'],
  });
  assert.deepEqual(settings.tokens, [
    { name: 'ci', token: 'secret', servers: ['a', 'b'], tools: { deny: ['x'] }, bridge: false },
    { name: 'ops', token: '12345', tools: {}, bridge: true },
  ]);
  assert.equal(settings.jwt?.jwksUri, 'https://id.example.com/jwks');
  assert.deepEqual(settings.accessTokens, ['a', 'b']);
  assert.equal(JSON.parse(JSON.stringify(settings)).servers[0].env.KEY, 'secret');
});

test('the JSON file of a desktop client works as it is', (t) => {
  const { settings, notes } = good(t, {
    files: {
      'mcp-servers.json': JSON.stringify({
        globalShortcut: 'Ctrl+Space',
        mcpServers: {
          fs: { command: 'npx', args: ['-y', 'x', '/tmp'], env: {}, autoApprove: ['read'], disabled: false },
          remote: { type: 'streamableHttp', url: 'https://example.com/mcp', headers: { 'X-Key': 'k' } },
          old: { type: 'sse', url: 'https://example.com/sse' },
          local: { type: 'stdio', command: 'x' },
        },
      }),
    },
  });
  assert.deepEqual(
    settings.servers.map((server) => [
      server.name,
      server.kind === 'remote' ? server.transport : server.command,
    ]),
    [
      ['fs', 'npx'],
      ['remote', 'http'],
      ['old', 'sse'],
      ['local', 'x'],
    ],
  );
  assert.deepEqual(notes, [
    'mcp-servers.json: the file: "globalShortcut" is another program\'s key and is ignored.',
    'mcp-servers.json: mcpServers.fs: "autoApprove" is another program\'s key and is ignored.',
  ]);
});

test('all faults of a file are reported at once, each with its line and column', (t) => {
  const text = `servers:
  fetch:
    comand: uvx
  both: { command: a, url: http://b }
  bad name: { command: a }
  adhoc: { command: a }
  "..": { command: a }
  types:
    command: 12
    args: x
    env: { A-B=: x, C: [], D: }
    timeoutMs: 1.5
    prewarm: -1
    disabled: yes
    isolation: share
    tools: { alow: [] }
    limits: { memoryMb: lots }
    user: "a b"
    headers: {}
  unset: { command: x, args: ["\${NOT_SET}"] }
  scheme: { url: "ftp://example.com" }
  ws: { url: "https://example.com", transport: ws }
  typed: { command: x, type: http }
  remote: { url: "https://example.com", type: stdio, cwd: . }
  header: { url: "https://example.com", headers: { "A B": x, C: "a\\nb" } }
  list: []
  empty:
  bare: { isolation: shared }
bridge:
  allow: [[], uvx]
  env: ["A B"]
  urls: ["https://example.com/path"]
auth:
  tokens:
    - { name: ci, token: same, servers: [fech, fetch] }
    - { name: ci, token: same }
    - { name: x }
    - { name: y, token: "with blank" }
    - { name: z, token: main }
  jwt: { issuer: id.example.com, audience: x }
sessions: 1
`;
  assert.deepEqual(faults(t, { files: yaml(text), environment: { ACCESS_TOKEN: 'main' } }), [
    'mcp-servers.yaml:3:5 servers.fetch.comand: unknown key; did you mean "command"?',
    'mcp-servers.yaml:4:23 servers.both: found command and url; allowed: exactly one of them',
    'mcp-servers.yaml:5:3 servers["bad name"]: not a good name; allowed: up to 64 of A-Z a-z 0-9 . _ -, but not adhoc',
    'mcp-servers.yaml:6:3 servers.adhoc: not a good name; allowed: up to 64 of A-Z a-z 0-9 . _ -, but not adhoc',
    'mcp-servers.yaml:7:3 servers[".."]: not a good name; allowed: up to 64 of A-Z a-z 0-9 . _ -, but not adhoc',
    'mcp-servers.yaml:9:14 servers.types.command: found 12; allowed: a program, without its arguments',
    'mcp-servers.yaml:10:11 servers.types.args: found "x"; allowed: a list of arguments',
    'mcp-servers.yaml:11:12 servers.types.env["A-B="]: not a good name; allowed: letters, digits and _, not beginning with a digit',
    'mcp-servers.yaml:11:24 servers.types.env.C: found a list; allowed: text, a number, true or false',
    'mcp-servers.yaml:11:31 servers.types.env.D: found nothing; allowed: text, a number, true or false',
    'mcp-servers.yaml:12:16 servers.types.timeoutMs: found 1.5; allowed: a whole number from 1 to 2147483647',
    'mcp-servers.yaml:13:14 servers.types.prewarm: found -1; allowed: a whole number from 0 to 10000',
    'mcp-servers.yaml:14:15 servers.types.disabled: found "yes"; allowed: true or false',
    'mcp-servers.yaml:15:16 servers.types.isolation: found "share"; did you mean "shared"?',
    'mcp-servers.yaml:16:14 servers.types.tools.alow: unknown key; did you mean "allow"?',
    'mcp-servers.yaml:17:25 servers.types.limits.memoryMb: found "lots"; allowed: a whole number from 1 to 1048576',
    'mcp-servers.yaml:18:11 servers.types.user: found "a b"; allowed: the name or number of an account',
    'mcp-servers.yaml:19:5 servers.types.headers: does not belong here; allowed: only in a server with a url',
    'mcp-servers.yaml:20:31 servers.unset.args[0]: NOT_SET is not set; set it in the environment or in .env, or write ${NOT_SET:-default}',
    'mcp-servers.yaml:21:13 servers.scheme.url: found "ftp://example.com"; allowed: an http or https URL for transport http',
    'mcp-servers.yaml:22:9 servers.ws.url: found "https://example.com"; allowed: a ws or wss URL for transport ws',
    'mcp-servers.yaml:23:24 servers.typed.type: found "http"; allowed: stdio, for a server with a command',
    'mcp-servers.yaml:24:41 servers.remote.type: found "stdio"; allowed: stdio only for a server with a command',
    'mcp-servers.yaml:24:54 servers.remote.cwd: does not belong here; allowed: only in a server with a command',
    'mcp-servers.yaml:25:52 servers.header.headers["A B"]: not a good name; allowed: a header name, such as Authorization',
    'mcp-servers.yaml:25:65 servers.header.headers.C: found a value that cannot be used; allowed: one line of visible text',
    'mcp-servers.yaml:26:9 servers.list: found a list; allowed: a map with keys such as command, args, env',
    'mcp-servers.yaml:27:9 servers.empty: found nothing; allowed: a map with keys such as command, args, env',
    'mcp-servers.yaml:28:9 servers.bare: found neither command nor url; allowed: exactly one of them',
    'mcp-servers.yaml:30:11 bridge.allow[0]: found an empty list; allowed: a command and its arguments, one glob each',
    'mcp-servers.yaml:30:15 bridge.allow[1]: found "uvx"; allowed: a command and its arguments, one glob each',
    'mcp-servers.yaml:31:9 bridge.env[0]: found "A B"; allowed: a variable name, * for any part of it',
    'mcp-servers.yaml:32:10 bridge.urls[0]: found "https://example.com/path"; allowed: an origin such as https://example.com, without a path',
    'mcp-servers.yaml:35:32 auth.tokens[0].servers: found the unknown server "fech"; did you mean "fetch"?',
    'mcp-servers.yaml:36:9 auth.tokens[1].name: found "ci" twice; allowed: a name of its own',
    'mcp-servers.yaml:36:19 auth.tokens[1].token: found a token that is in use already; allowed: a token of its own',
    'mcp-servers.yaml:37:7 auth.tokens[2].token: found nothing; allowed: visible ASCII characters without blanks',
    'mcp-servers.yaml:38:25 auth.tokens[3].token: found a value that cannot be used; allowed: visible ASCII characters without blanks',
    'mcp-servers.yaml:39:18 auth.tokens[4].token: found a token that is in use already; allowed: a token of its own',
    'mcp-servers.yaml:40:8 auth.jwt.jwksUri: found nothing; allowed: an http or https URL',
    'mcp-servers.yaml:40:18 auth.jwt.issuer: found "id.example.com"; allowed: an http or https URL',
    'mcp-servers.yaml:41:1 sessions: unknown key; allowed: servers, mcpServers, bridge, auth, $schema',
  ]);
});

test('a disabled server may name variables that are not set', (t) => {
  const off = 'servers:\n  s: { command: x, env: { A: "${NOT_SET}" }, disabled: true }\n';
  assert.equal(good(t, { files: yaml(off) }).settings.servers[0]?.disabled, true);
  assert.equal(faults(t, { files: yaml(off.replace('true', 'false')) }).length, 1);
});

test('both names of the server map, or none, are refused', (t) => {
  assert.deepEqual(faults(t, { files: yaml('servers: {}\nmcpServers: {}\n') }), [
    'mcp-servers.yaml:2:1 mcpServers: found beside servers; allowed: one of them',
  ]);
  assert.deepEqual(faults(t, { files: yaml('bridge: {}\n') }), [
    'mcp-servers.yaml:1:1 servers: found nothing; allowed: a map of servers by name',
  ]);
  assert.match(
    faults(t, { files: yaml('') })[0] ?? '',
    /^mcp-servers.yaml:1:1: found nothing; allowed: a map with keys such as servers/,
  );
  assert.match(
    faults(t, { files: yaml('servers: [a]') })[0] ?? '',
    /^mcp-servers.yaml:1:10 servers: found a list/,
  );
  assert.deepEqual(good(t, { files: yaml('servers:') }).notes, [
    'mcp-servers.yaml: no server is configured.',
  ]);
});

test('every bad variable is reported, with the place it came from and no secret', (t) => {
  const environment = {
    PORT: '65536',
    HOST: 'http://x',
    NODE_ENV: 'Production',
    ACCESS_TOKEN: 'good,${TEMPLATE}',
    METRICS_TOKEN: 'two words',
    ALLOWED_HOSTS: 'https://example.com',
    ALLOWED_ORIGINS: 'https://example.com/path',
    LOG_LEVEL: 'loud',
    WORKERS: '0',
    MAX_BODY_BYTES: '4mb',
    REQUEST_TIMEOUT_MS: '-5',
    TRUST_PROXY: '10.0.0.0/33',
    HTTP_ENGINE: 'deno',
  };
  const found = faults(t, { files: { ...one, '.env': '\n  MAX_SESSIONS=many\n' }, environment });
  assert.deepEqual(found, [
    'environment PORT: found "65536"; allowed: a whole number from 0 to 65535',
    'environment HOST: found "http://x"; allowed: an IP address or a host name',
    'environment NODE_ENV: found "Production"; allowed: production, development, or a plain name that is unlike both',
    'environment ACCESS_TOKEN: found a ${ that nobody filled in; allowed: visible ASCII characters without blanks, and no ${ that waits to be filled in; several separated by commas',
    'environment ALLOWED_HOSTS: found "https://example.com"; allowed: host names such as mcp.example.com, separated by commas, without scheme or path',
    'environment ALLOWED_ORIGINS: found "https://example.com/path"; allowed: origins such as https://app.example.com, separated by commas, without a path',
    'environment LOG_LEVEL: found "loud"; allowed: debug, info, warn, error',
    'environment WORKERS: found "0"; allowed: auto, or a whole number from 1 to 1024',
    'environment REQUEST_TIMEOUT_MS: found "-5"; allowed: a whole number from 1 to 2147483647',
    'environment MAX_BODY_BYTES: found "4mb"; allowed: a whole number from 1 to 1073741824',
    '.env:2:3 MAX_SESSIONS: found "many"; allowed: a whole number from 1 to 100000000',
    'environment TRUST_PROXY: found "10.0.0.0/33"; allowed: true, false, or CIDRs such as 10.0.0.0/8, separated by commas',
    'environment METRICS_TOKEN: found a value that cannot be used; allowed: visible ASCII characters without blanks, and no ${ that waits to be filled in',
    'environment HTTP_ENGINE: found "deno"; allowed: auto, uws, node',
  ]);
});

test('the command line stands above the environment and is named in its faults', (t) => {
  const environment = { PORT: '1', HOST: 'localhost', WORKERS: '3' };
  const { settings } = good(t, { files: one, environment, options: { port: 0, host: '::', workers: 2 } });
  assert.deepEqual(
    [settings.port, settings.host, settings.workers, settings.allowedHosts],
    [0, '::', 2, undefined],
  );
  assert.deepEqual(faults(t, { files: one, options: { port: 70_000, config: 'none.yaml' } }), [
    'command line --port: found "70000"; allowed: a whole number from 0 to 65535',
    'command line --config: none.yaml: no such file; allowed: a readable YAML or JSON file',
  ]);
});

test('a command on the command line is served without a file', (t) => {
  const { settings, cwd } = good(t, {
    files: yaml('broken: ['),
    options: { command: ['node', 'a.js', '${A}'] },
  });
  assert.equal(settings.serversFile, undefined);
  const [server] = settings.servers;
  assert.ok(server?.kind === 'stdio' && server.name === 'default' && server.cwd === cwd);
  assert.deepEqual(server.args, ['a.js', '${A}']);
  assert.deepEqual(faults(t, { options: { command: [], config: 'x' } }), [
    'command line --: found no command; allowed: -- COMMAND ARGS',
    'command line --config: found together with -- COMMAND; allowed: one of them',
  ]);
});

test('the servers come from the named file, the usual ones in order, then MCP_SERVERS', (t) => {
  const file = (name: string) => `{"servers": {"${name}": {"command": "x"}}}`;
  const nameOf = (input: Case) => good(t, input).settings.servers[0]?.name;
  const all = {
    'mcp-servers.json': file('json'),
    'mcp-servers.yml': file('yml'),
    'mcp-servers.yaml': file('yaml'),
  };
  assert.equal(
    nameOf({ files: { ...all, other: file('other') }, environment: { MCP_SERVERS_FILE: 'other' } }),
    'other',
  );
  assert.equal(nameOf({ files: all }), 'yaml');
  const { 'mcp-servers.yaml': _, ...two } = all;
  assert.equal(nameOf({ files: two }), 'yml');
  assert.equal(nameOf({ files: { 'mcp-servers.json': file('json') } }), 'json');
  assert.equal(nameOf({ environment: { MCP_SERVERS: file('inline') } }), 'inline');
  assert.equal(nameOf({ environment: { MCP_SERVERS: '{"bare": {"command": "x"}}' } }), 'bare');
  assert.deepEqual(good(t, { files: all, environment: { MCP_SERVERS: file('inline') } }).notes, [
    'MCP_SERVERS is ignored, since mcp-servers.yaml is there.',
  ]);
  assert.deepEqual(faults(t, { environment: { MCP_SERVERS: '{"s": {"command": "x", "arg": []}}' } }), [
    'MCP_SERVERS:1:24 servers.s.arg: unknown key; did you mean "args"?',
  ]);
  assert.deepEqual(faults(t, { files: { '.env': 'MCP_SERVERS_FILE=gone\n' } }), [
    '.env:1:1 MCP_SERVERS_FILE: gone: no such file; allowed: a readable YAML or JSON file',
  ]);
  assert.deepEqual(faults(t, {}), [
    'mcp-servers.yaml: no such file in CWD; write one, name one with --config or MCP_SERVERS_FILE, set MCP_SERVERS, or start with -- COMMAND ARGS',
  ]);
});

test('spares that leave no room for anything else are noted', (t) => {
  const files = yaml(`servers:
  a: { command: x, prewarm: 3 }
  b: { command: x, prewarm: 2 }
  c: { command: x, prewarm: 9, disabled: true }`);
  const notes = (most: string) => good(t, { files, environment: { MAX_CHILDREN: most } }).notes;
  assert.deepEqual(notes('6'), []);
  assert.match(notes('5').join(), /prewarm, together 5\) leave no call a child: MAX_CHILDREN is 5\.$/);
});

test('another address of the loopback interface is a name that clients may use', (t) => {
  const { settings } = good(t, { files: one, environment: { HOST: '127.0.0.2' } });
  assert.deepEqual(settings.allowedHosts, ['localhost', '127.0.0.1', '[::1]', '::1', '127.0.0.2']);
});

test('production listens everywhere, allows no origin, and demands a way in', (t) => {
  const environment = { NODE_ENV: 'production' };
  const demand =
    'environment ACCESS_TOKEN: found nothing; production demands at least one of ACCESS_TOKEN, auth.tokens and auth.jwt';
  assert.deepEqual(faults(t, { files: one, environment }), [demand]);
  assert.deepEqual(
    faults(t, { files: yaml('servers: { s: { command: x } }\nauth: { tokens: [] }'), environment }),
    [demand],
  );
  assert.deepEqual(faults(t, { options: { command: ['x'] }, environment }), [demand]);

  const { settings, generatedToken } = good(t, {
    files: one,
    environment: { ...environment, ACCESS_TOKEN: 'x' },
  });
  assert.equal(generatedToken, undefined);
  assert.deepEqual(
    [settings.host, settings.loopbackOrigins, settings.allowedHosts],
    ['0.0.0.0', false, undefined],
  );

  const named = 'servers: { s: { command: x } }\nauth: { tokens: [{ name: a, token: b }] }\n';
  const withTokens = good(t, { files: yaml(named), environment });
  assert.deepEqual(withTokens.settings.accessTokens, []);
  const jwt =
    'servers: { s: { command: x } }\nauth: { jwt: { issuer: "http://i", audience: a, jwksUri: "http://i/k" } }\n';
  assert.deepEqual(good(t, { files: yaml(jwt), environment }).settings.accessTokens, []);
});

test('bridge.allow any is noted in development and refused in production', (t) => {
  const files = yaml('servers: { s: { command: x } }\nbridge:\n  allow: any\n');
  const { settings, notes } = good(t, { files });
  assert.equal(settings.bridge.allow, 'any');
  assert.match(notes[0] ?? '', /can run every program/);
  assert.deepEqual(faults(t, { files, environment: { NODE_ENV: 'production', ACCESS_TOKEN: 'x' } }), [
    'mcp-servers.yaml:3:3 bridge.allow: found "any"; allowed in production: a list of argument vectors',
  ]);
});

test('lists of hosts, origins and proxies are brought into one form', (t) => {
  const { settings } = good(t, {
    files: one,
    environment: {
      ALLOWED_HOSTS: 'MCP.example.com:8443, [2001:DB8::1]:80, 10.0.0.1',
      ALLOWED_ORIGINS: 'https://App.example.com:443/,chrome-extension://abc, http://localhost:5173',
      TRUST_PROXY: '10.0.0.0/8, 192.168.1.1, fd00::/8',
      LOG_LEVEL: 'Warn',
      LOG_DIR: 'logs',
      HOST: '[::1]',
    },
  });
  assert.deepEqual(settings.allowedHosts, ['mcp.example.com', '[2001:db8::1]', '2001:db8::1', '10.0.0.1']);
  assert.deepEqual(settings.allowedOrigins, [
    'https://app.example.com',
    'chrome-extension://abc',
    'http://localhost:5173',
  ]);
  assert.equal(settings.loopbackOrigins, false);
  assert.deepEqual(settings.trustProxy, ['10.0.0.0/8', '192.168.1.1/32', 'fd00::/8']);
  assert.deepEqual([settings.logLevel, settings.host], ['warn', '::1']);
  assert.ok(settings.logDir?.startsWith('/') && settings.logDir.endsWith('/logs'));
});

test('a near miss of a variable is a note, not a fault', (t) => {
  const environment = {
    REQUEST_TIMEOUT: '5',
    ACCESS_TOKENS: 'x',
    HOSTNAME: 'a',
    LOGNAME: 'b',
    XDG_RUNTIME_DIR: '/x',
  };
  assert.deepEqual(good(t, { files: one, environment }).notes, [
    'The variable REQUEST_TIMEOUT means nothing here; did you mean REQUEST_TIMEOUT_MS?',
    'The variable ACCESS_TOKENS means nothing here; did you mean ACCESS_TOKEN?',
  ]);
});

test('a reload keeps the generated token', (t) => {
  const { cwd, generatedToken } = good(t, { files: one });
  const again = load({ cwd, environment: {}, options: {}, ...(generatedToken && { generatedToken }) });
  assert.ok('settings' in again);
  assert.deepEqual(again.settings.accessTokens, [generatedToken]);
});

test('the description says what is set, and that a token is made where none is', (t) => {
  const environment = { MAX_SESSIONS_PER_PRINCIPAL: '9', WORKER_MAX_MEMORY_MB: '512', RUNTIME_DIR: '/run/b' };
  const text = describe(good(t, { files: one, environment }));
  for (const line of [
    /^ {2}ACCESS_TOKEN is not set: every start makes a token and shows it$/m,
    /10000 sessions \(9 of one principal\), /,
    /^ {2}a worker above 512 MiB is replaced$/m,
    /^ {2}runtime files in \/run\/b$/m,
  ]) {
    assert.match(text, line);
  }
  assert.match(
    describe(good(t, { files: one, environment: { ACCESS_TOKEN: 'abc' } })),
    /^ {2}ACCESS_TOKEN: \*{4}$/m,
  );
});

test('the description and the faults show no secret', (t) => {
  const secret = 'hunter2';
  const environment = {
    ACCESS_TOKEN: secret,
    METRICS_TOKEN: secret,
    SESSION_SECRET: secret,
    T: `${secret}x`,
    URL_KEY: secret,
  };
  const files = yaml(`servers:
  a: { command: x, args: [--api-key, ${secret}, "TOKEN=${secret}", "\${T}", plain], env: { KEY: ${secret} } }
  b: { url: "https://u:${secret}@example.com/\${URL_KEY}?key=${secret}", headers: { Authorization: "Bearer \${T}" } }
auth: { tokens: [{ name: ci, token: "\${T}" }] }
`);
  const text = describe(good(t, { files, environment }));
  assert.doesNotMatch(text, /hunter2/);
  for (const part of [
    'x --api-key **** TOKEN=**** ${T} plain',
    'env KEY=****',
    'Authorization: ****',
    'token ci: ****',
  ]) {
    assert.ok(text.includes(part), `${part} is not in\n${text}`);
  }
  const broken = yaml(`servers:
  a: { command: x, env: { KEY: [${secret}] } }
  b: { url: "ftp://u:${secret}@x" }
auth: { tokens: [{ name: ci, token: "${secret} ${secret}" }, { name: d, token: ["${secret}"] }] }
`);
  const found = faults(t, { files: broken, environment: { ...environment, METRICS_TOKEN: `${secret} x` } });
  assert.equal(found.length, 5);
  assert.doesNotMatch(found.join('\n'), /hunter2/);
});
