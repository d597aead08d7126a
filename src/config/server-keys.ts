/**
 * The tables of keys of mcp-servers.yaml. The loader, the JSON schema and the tables of docs/configuration.md all
 * follow from them: a new key is one row here, and its use.
 */
import { parseOrigin } from './address.ts';
import type { Tree } from './file.ts';
import { filled, filledText, flag, integer, listOf, mapOf, oneOf, type Shape, text } from './shape.ts';
import { record, type Table, tableSchema } from './table.ts';
import { maxMs } from './variable.ts';

/** Names of servers and tokens; they stand in URLs, labels and file names. */
export const namePattern = /^(?!\.+$)[A-Za-z0-9._-]{1,64}$/;
export const nameAllowed = 'up to 64 of A-Z a-z 0-9 . _ -';

const globs = (allowed: string): Shape<readonly string[]> =>
  listOf(text({ allowed: 'a name, * for any part of it' }), { allowed });

export const TOOL_KEYS = {
  allow: {
    shape: globs('a list of tool names, * for any part of them'),
    doc: 'Tools that are offered',
    default: 'all',
  },
  deny: {
    shape: globs('a list of tool names, * for any part of them'),
    doc: 'Tools that are not; wins over `allow`',
    default: 'none',
  },
} satisfies Table;

export const LIMIT_KEYS = {
  memoryMb: {
    shape: integer(1, 1_048_576),
    doc: 'Address space of a child, in MiB, which is much more than it uses: one on Node needs 2048 to start',
    default: 'none',
  },
  cpuSeconds: { shape: integer(1, 1_000_000_000), doc: 'CPU time of a child', default: 'none' },
  openFiles: { shape: integer(8, 1_048_576), doc: 'File descriptors of a child', default: 'none' },
} satisfies Table;

const account = text({
  allowed: 'the name or number of an account',
  pattern: /^[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$/,
  loose: true,
});

export const SERVER_KEYS = {
  command: {
    shape: filled({ allowed: 'a program, without its arguments' }),
    doc: 'Program of a stdio server',
    only: 'stdio',
  },
  args: {
    shape: listOf(filled({ allowed: 'text', loose: true, empty: true }), { allowed: 'a list of arguments' }),
    doc: 'Its arguments; no shell sees them',
    default: '[]',
    only: 'stdio',
  },
  env: {
    shape: mapOf(
      filledText({ allowed: 'text, a number, true or false', loose: true, secret: true, empty: true }),
      {
        allowed: 'a map of variables',
        names: /^[A-Za-z_][A-Za-z0-9_.-]*$/,
        namesAllowed: 'letters, digits and _, not beginning with a digit',
      },
    ),
    doc: 'Variables added to its small environment',
    default: '{}',
    only: 'stdio',
  },
  cwd: {
    shape: filledText({ allowed: 'a folder' }),
    doc: "Its working folder, relative to the file's",
    default: "the file's folder",
    only: 'stdio',
  },
  user: {
    shape: account,
    doc: 'Account its children run under, with its group and home; a number needs no account',
    default: "the bridge's",
    only: 'stdio',
  },
  group: { shape: account, doc: 'Group its children run under', default: "the bridge's", only: 'stdio' },
  limits: { shape: record(LIMIT_KEYS), doc: 'Limits of each child', default: 'none', only: 'stdio' },
  url: { shape: filled({ allowed: 'a URL' }), doc: 'Address of a remote server', only: 'remote' },
  transport: {
    shape: oneOf(['http', 'sse', 'ws']),
    doc: 'How it is spoken to: Streamable HTTP, HTTP+SSE of 2024-11-05, WebSocket',
    default: 'http; ws for a ws or wss URL',
    only: 'remote',
  },
  headers: {
    shape: mapOf(
      filledText({
        allowed: 'one line of visible text',
        pattern: /^[\x20-\x7e\x80-\xff]*$/,
        loose: true,
        secret: true,
        empty: true,
      }),
      {
        allowed: 'a map of headers',
        names: /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/,
        namesAllowed: 'a header name, such as Authorization',
      },
    ),
    doc: 'Headers sent with every request to it',
    default: '{}',
    only: 'remote',
  },
  type: {
    shape: oneOf(['stdio', 'http', 'streamable-http', 'streamableHttp', 'sse', 'ws']),
    doc: 'As the files of desktop clients have it; `command` or `url` and `transport` say the same',
  },
  isolation: {
    shape: oneOf(['session', 'principal', 'shared']),
    doc: 'Who shares a child: nobody beyond one session, the sessions of one principal, everybody',
    default: 'session',
  },
  instances: {
    shape: integer(1, 10_000),
    doc: 'Children of a shared server per bridge, at most',
    default: 'one per worker',
  },
  prewarm: { shape: integer(0, 10_000), doc: 'Spare started children kept ready, per bridge', default: '0' },
  timeoutMs: {
    shape: integer(1, maxMs),
    doc: 'Limit of one upstream request; progress starts it again',
    default: '`REQUEST_TIMEOUT_MS`',
  },
  maxConcurrent: {
    shape: integer(1, 100_000),
    doc: 'Requests in flight per child; more wait in a bounded queue, then get 503',
    default: '64',
  },
  tools: {
    shape: record(TOOL_KEYS),
    doc: 'Filter over its tools, for lists and calls alike',
    default: 'all',
  },
  disabled: { shape: flag(), doc: 'Kept in the file but not served', default: 'false' },
} satisfies Table;

const origin: Shape<string> = {
  allowed: 'an origin such as https://example.com, without a path',
  schema: { type: 'string', pattern: '^(https?|wss?)://[^/?#@]+/?$' },
  read: (tree, key, reader) => {
    const value =
      tree.kind === 'scalar' && /^(https?|wss?):/i.test(tree.text) ? parseOrigin(tree.text) : undefined;
    if (value !== undefined) return value;
    const found = tree.kind === 'scalar' ? `found ${JSON.stringify(tree.text)}` : `found a ${tree.kind}`;
    return reader.fault(tree.at, key, found, `allowed: ${origin.allowed}`);
  },
};

const vectors = listOf(
  listOf(text({ allowed: 'text, * for [A-Za-z0-9._-]+', loose: true, empty: true }), {
    allowed: 'a command and its arguments, one glob each',
    min: 1,
  }),
  { allowed: 'a list of argument vectors, or any' },
);

const allowed: Shape<'any' | readonly (readonly string[])[]> = {
  allowed: vectors.allowed,
  schema: { oneOf: [{ const: 'any' }, vectors.schema] },
  read: (tree, key, reader) =>
    tree.kind === 'scalar' && tree.value === 'any' ? 'any' : vectors.read(tree, key, reader),
};

export const BRIDGE_KEYS = {
  allow: {
    shape: allowed,
    doc: "Argument vectors that a call may start, one glob per element, as long as the call's; `*` stands for `[A-Za-z0-9._-]+`; `any` is for a closed laboratory and refused in production",
    default: 'none',
  },
  env: {
    shape: listOf(
      text({ allowed: 'a variable name, * for any part of it', pattern: /^[A-Za-z_*][A-Za-z0-9_*]*$/ }),
      { allowed: 'a list of variable names' },
    ),
    doc: 'Names a call may set; `NODE_OPTIONS`, `LD_*`, `PATH`, `PYTHON*`, `npm_config_*` and their like never',
    default: 'none',
  },
  urls: {
    shape: listOf(origin, { allowed: 'a list of origins' }),
    doc: 'Origins a call may name; loopback, private and link-local ones only if listed here',
    default: 'none',
  },
} satisfies Table;

const webUrl = filledText({ allowed: 'an http or https URL', pattern: /^https?:\/\/[^\s/?#]+/ });

export const TOKEN_KEYS = {
  name: {
    shape: text({ allowed: nameAllowed, pattern: namePattern }),
    doc: 'Who it is: the principal, in logs and for isolation',
    required: true,
  },
  token: {
    shape: filledText({
      allowed: 'visible ASCII characters without blanks',
      pattern: /^[\x21-\x7e]+$/,
      loose: true,
      secret: true,
    }),
    doc: 'The bearer token',
    required: true,
  },
  servers: {
    shape: listOf(text({ allowed: 'the name of a server' }), { allowed: 'a list of server names' }),
    doc: 'Servers it may use',
    default: 'all',
  },
  tools: { shape: record(TOOL_KEYS), doc: "Filter over tools, on top of the server's", default: 'all' },
  bridge: { shape: flag(), doc: 'Whether it may use POST /bridge', default: 'true' },
} satisfies Table;

export const JWT_KEYS = {
  issuer: { shape: webUrl, doc: 'The `iss` that tokens must have', required: true },
  audience: {
    shape: filledText({ allowed: 'text' }),
    doc: 'The `aud` that tokens must have; where it is the origin of the bridge, a token for `ORIGIN/mcp/NAME` is good for that server',
    required: true,
  },
  jwksUri: { shape: webUrl, doc: "Where the issuer's keys are", required: true },
} satisfies Table;

export const AUTH_KEYS = {
  tokens: {
    shape: listOf(record(TOKEN_KEYS), { allowed: 'a list of tokens' }),
    doc: 'Named tokens with scopes, besides `ACCESS_TOKEN`',
    default: 'none',
  },
  jwt: {
    shape: record(JWT_KEYS),
    doc: 'JWTs of one issuer; claim `mcp_servers` narrows the servers, scope `mcp:bridge` grants /bridge',
    default: 'none',
  },
} satisfies Table;

const serverSchema = {
  ...tableSchema(SERVER_KEYS),
  oneOf: [{ required: ['command'] }, { required: ['url'] }],
};

/** Left as a tree: how a server is read depends on the file around it. */
const serverMap: Shape<Tree> = {
  allowed: 'a map of servers by name',
  schema: {
    type: 'object',
    propertyNames: { pattern: namePattern.source },
    additionalProperties: serverSchema,
  },
  read: (tree) => tree,
};

export const TOP_KEYS = {
  servers: { shape: serverMap, doc: 'The servers by name' },
  mcpServers: { shape: serverMap, doc: 'The same, under the name that desktop clients use' },
  bridge: { shape: record(BRIDGE_KEYS), doc: 'What POST /bridge may start besides the servers named above' },
  auth: { shape: record(AUTH_KEYS), doc: 'Who may call, besides the holders of `ACCESS_TOKEN`' },
  $schema: {
    shape: text({ allowed: 'the address of a JSON schema' }),
    doc: 'For editors of JSON files; not used',
  },
} satisfies Table;
