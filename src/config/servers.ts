/** From the tree of a servers file to server definitions: what single keys cannot say is checked here. */
import { resolve } from 'node:path';
import { shown } from './fault.ts';
import { type Tree, under } from './file.ts';
import { nameAllowed, namePattern, SERVER_KEYS } from './server-keys.ts';
import type { ChildLimits, RemoteServer, ServerDefinition, StdioServer, ToolFilter } from './settings.ts';
import type { Reader } from './shape.ts';
import { type Fields, fieldsOf } from './table.ts';

type ServerFields = Fields<typeof SERVER_KEYS>;

export interface ServersContext {
  /** The key of the map: `servers` or `mcpServers`. */
  readonly key: string;
  readonly reader: Reader;
  /** Relative `cwd`s start here; absolute. */
  readonly folder: string;
  readonly requestTimeoutMs: number;
}

/** Keys that desktop clients put beside the server's own and that change nothing about what it may do. */
const clientKeys = new Set([
  'alwaysAllow',
  'autoApprove',
  'description',
  'displayName',
  'icon',
  'name',
  'timeout',
]);

/** The label of ad-hoc servers in the metrics. */
const reserved = 'adhoc';

/** Every good definition of the map, in the file's order. */
export function readServers(tree: Tree, context: ServersContext): ServerDefinition[] {
  const { key, reader } = context;
  if (tree.kind !== 'map') {
    const empty = tree.kind === 'scalar' && tree.value === null;
    if (empty) return [];
    reader.fault(
      tree.at,
      key,
      tree.kind === 'list' ? 'found a list' : shown(tree.value),
      'allowed: a map of servers by name',
    );
    return [];
  }
  const servers: ServerDefinition[] = [];
  for (const entry of tree.entries) {
    if (!namePattern.test(entry.name) || entry.name === reserved) {
      reader.fault(
        entry.at,
        under(key, entry.name),
        'not a good name',
        `allowed: ${nameAllowed}, but not ${reserved}`,
      );
      continue;
    }
    const server = readServer(entry.name, entry.value, { ...context, key: under(key, entry.name) });
    if (server !== undefined) servers.push(server);
  }
  return servers;
}

/** A disabled server is kept although its variables are not set: that is often why it is disabled. */
function readerFor(tree: Tree, reader: Reader): Reader {
  const disabled =
    tree.kind === 'map' &&
    tree.entries.some(
      ({ name, value }) => name === 'disabled' && value.kind === 'scalar' && value.value === true,
    );
  return disabled ? { ...reader, fill: (text) => ({ text }) } : reader;
}

function readServer(name: string, tree: Tree, context: ServersContext): ServerDefinition | undefined {
  const { key } = context;
  const reader = readerFor(tree, context.reader);
  const ignore = key.startsWith('mcpServers') ? (other: string) => clientKeys.has(other) : undefined;
  const fields = fieldsOf(SERVER_KEYS, tree, { key, reader, ...(ignore && { ignore }) });
  if (fields === undefined) return undefined;

  if (fields.has('command') && fields.has('url')) {
    return reader.fault(fields.where('url'), key, 'found command and url', 'allowed: exactly one of them');
  }
  if (!fields.has('command') && !fields.has('url')) {
    if (fields.meant('command') || fields.meant('url')) return undefined;
    return reader.fault(fields.at, key, 'found neither command nor url', 'allowed: exactly one of them');
  }
  const kind = fields.has('command') ? 'stdio' : 'remote';
  for (const [other, row] of Object.entries(SERVER_KEYS)) {
    if (!('only' in row) || row.only === kind || !fields.has(other)) continue;
    const owner = row.only === 'stdio' ? 'a server with a command' : 'a server with a url';
    reader.fault(fields.where(other), under(key, other), 'does not belong here', `allowed: only in ${owner}`);
  }
  if (fields.has('instances') && fields.values.isolation !== 'shared') {
    reader.note(`${key}.instances means nothing unless isolation is shared.`);
  }
  return kind === 'stdio'
    ? readStdio(name, fields, { ...context, reader })
    : readRemote(name, fields, { ...context, reader });
}

function common(name: string, { values }: ServerFields, requestTimeoutMs: number) {
  return {
    name,
    isolation: values.isolation ?? 'session',
    instances: values.instances ?? 0,
    prewarm: values.prewarm ?? 0,
    timeoutMs: values.timeoutMs ?? requestTimeoutMs,
    maxConcurrent: values.maxConcurrent ?? 64,
    tools: (values.tools?.values ?? {}) satisfies ToolFilter,
    disabled: values.disabled ?? false,
  };
}

function readStdio(
  name: string,
  fields: ServerFields,
  { key, reader, folder, requestTimeoutMs }: ServersContext,
): StdioServer | undefined {
  const { command, args = [], env = new Map(), cwd = '.', user, group, limits, type } = fields.values;
  if (type !== undefined && type !== 'stdio') {
    reader.fault(
      fields.where('type'),
      under(key, 'type'),
      shown(type),
      'allowed: stdio, for a server with a command',
    );
  }
  if (command === undefined) return undefined;
  return {
    ...common(name, fields, requestTimeoutMs),
    kind: 'stdio',
    command: command.text,
    args: args.map(({ text }) => text),
    env: Object.fromEntries(env),
    cwd: resolve(folder, cwd),
    ...(user !== undefined && { user }),
    ...(group !== undefined && { group }),
    limits: (limits?.values ?? {}) satisfies ChildLimits,
    written: [command.written, ...args.map(({ written }) => written)],
  };
}

const transportOf = {
  http: 'http',
  'streamable-http': 'http',
  streamableHttp: 'http',
  sse: 'sse',
  ws: 'ws',
} as const;

function readRemote(
  name: string,
  fields: ServerFields,
  { key, reader, requestTimeoutMs }: ServersContext,
): RemoteServer | undefined {
  const { url, transport, headers = new Map(), type } = fields.values;
  if (type === 'stdio') {
    return reader.fault(
      fields.where('type'),
      under(key, 'type'),
      shown(type),
      'allowed: stdio only for a server with a command',
    );
  }
  const typed = type === undefined ? undefined : transportOf[type];
  if (typed !== undefined && transport !== undefined && typed !== transport) {
    reader.fault(
      fields.where('type'),
      under(key, 'type'),
      shown(type),
      'allowed: the same as transport, or left out',
    );
  }
  if (url === undefined) return undefined;
  const isWs = /^wss?:\/\//i.test(url.text);
  const spoken = transport ?? typed ?? (isWs ? 'ws' : 'http');
  const good = spoken === 'ws' ? isWs : /^https?:\/\//i.test(url.text);
  if (!fields.values.disabled && (!good || !URL.canParse(url.text))) {
    const schemes = spoken === 'ws' ? 'a ws or wss URL' : 'an http or https URL';
    const found = url.written.includes('@') ? 'found another URL' : shown(url.written);
    return reader.fault(
      fields.where('url'),
      under(key, 'url'),
      found,
      `allowed: ${schemes} for transport ${spoken}`,
    );
  }
  return {
    ...common(name, fields, requestTimeoutMs),
    kind: 'remote',
    url: url.text,
    transport: spoken,
    headers: Object.fromEntries(headers),
    written: [url.written],
  };
}
