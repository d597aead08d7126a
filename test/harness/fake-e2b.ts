/**
 * What the e2b package asks of E2B, on the loopback: templates, sandboxes, logs, metrics, and commands in a sandbox. A
 * sandbox is a folder with the files that its template has copied, and its commands are real processes of this machine,
 * which find that folder's `/app` and `/home/user` under those names. Steps of a template other than COPY are not done.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { cleanEnvironment, descendants } from './process.ts';
import type { Json } from './rpc.ts';

export interface FakeSandbox {
  readonly id: string;
  readonly root: string;
  readonly template: string;
  readonly metadata: Record<string, string>;
  readonly startedAt: Date;
  readonly endAt: Date;
  readonly logs: { timestamp: string; level: string; message: string }[];
  readonly pids: number[];
}

export interface FakeTemplate {
  readonly id: string;
  readonly name: string;
  readonly request: Json;
  /** What the package sent to be built: image, steps. */
  build?: Json;
}

export interface FakeE2b {
  /** For the environment of whoever uses the package. */
  readonly env: Record<string, string>;
  readonly templates: FakeTemplate[];
  readonly sandboxes: Map<string, FakeSandbox>;
  /** Called with the folder of each new sandbox: does what a RUN step would have done. */
  prepare: (root: string) => void;
  add(sandbox: Partial<FakeSandbox>): FakeSandbox;
}

const KEY = `e2b_${'0123456789'.repeat(4)}`;
const HOUR_MS = 3_600_000;

export async function startFakeE2b(t: TestContext): Promise<FakeE2b> {
  const dir = mkdtempSync(join(tmpdir(), 'fake-e2b-'));
  const templates: FakeTemplate[] = [];
  const sandboxes = new Map<string, FakeSandbox>();
  const uploads = join(dir, 'uploads');
  mkdirSync(uploads);
  let url = '';
  let started = 0;

  const add = (given: Partial<FakeSandbox>): FakeSandbox => {
    const id = given.id ?? `sandbox${++started}`;
    const root = join(dir, id);
    mkdirSync(root);
    const now = Date.now();
    const dates = { startedAt: new Date(now), endAt: new Date(now + HOUR_MS) };
    const sandbox = { root, template: 'base', metadata: {}, logs: [], pids: [], ...dates, ...given, id };
    sandboxes.set(id, sandbox);
    return sandbox;
  };
  const end = ({ id, pids }: FakeSandbox): void => {
    for (const pid of pids) for (const each of [...descendants(pid), pid]) kill(each);
    sandboxes.delete(id);
  };

  const fake: FakeE2b = { env: {}, templates, sandboxes, prepare: () => undefined, add };

  /** By method and path; the path's parts that begin with a colon are handed over. */
  const routes: Record<string, (request: Request) => Promise<Answer> | Answer> = {
    'POST /v3/templates': ({ body }) => {
      const id = `template${templates.length + 1}`;
      templates.push({ id, name: body.name, request: body });
      const names = { aliases: [body.name], names: [body.name], tags: [], public: false };
      return { status: 202, body: { templateID: id, buildID: `build-${id}`, ...names } };
    },
    'GET /templates/:id/files/:hash': ({ params: [, hash] }) => ({
      status: 201,
      body: { present: false, url: `${url}/upload/${hash}` },
    }),
    'PUT /upload/:hash': ({ params: [hash = ''], raw }) => {
      writeFileSync(join(uploads, hash), raw);
      return { status: 200 };
    },
    'POST /v2/templates/:id/builds/:build': ({ params: [id], body }) => {
      const template = templates.find((each) => each.id === id);
      if (template === undefined) return notFound;
      template.build = body;
      return { status: 202 };
    },
    'GET /templates/:id/builds/:build/status': ({ params: [templateID, buildID], query }) => {
      const log = ['step one', 'step two'].map((message) => ({ level: 'info', message, timestamp: stamp() }));
      const logEntries = log.slice(Number(query.get('logsOffset') ?? 0));
      return { status: 200, body: { templateID, buildID, status: 'ready', logEntries, logs: [] } };
    },
    'POST /v2/sandboxes': ({ body }) => {
      const template = templates.find(({ id, name }) => [id, name].includes(body.templateID));
      if (template === undefined) return notFound;
      const endAt = new Date(Date.now() + body.timeout * 1000);
      const sandbox = add({ template: template.name, metadata: body.metadata ?? {}, endAt });
      copyFiles(template.build, uploads, sandbox.root);
      fake.prepare(sandbox.root);
      return { status: 201, body: described(sandbox) };
    },
    'GET /v2/sandboxes': ({ query }) => {
      const wanted = [...new URLSearchParams(query.get('metadata') ?? '')];
      const all = [...sandboxes.values()].filter(({ metadata }) =>
        wanted.every(([name, value]) => metadata[name] === value),
      );
      // Two a page.
      const from = Number(query.get('nextToken') ?? 0);
      const headers = from + 2 < all.length ? { 'x-next-token': `${from + 2}` } : {};
      return { status: 200, body: all.slice(from, from + 2).map(described), headers };
    },
    'GET /sandboxes/:id': ({ sandbox }) => ({ status: 200, body: sandbox && described(sandbox) }),
    'DELETE /sandboxes/:id': ({ sandbox }) => {
      if (sandbox !== undefined) end(sandbox);
      return { status: 204 };
    },
    'GET /sandboxes/:id/metrics': () => ({
      status: 200,
      body: [
        {
          ...{ timestamp: stamp(), timestampUnix: 1, cpuCount: 2, cpuUsedPct: 12.5 },
          ...{
            memUsed: 300 * 2 ** 20,
            memTotal: 2 ** 31,
            memCache: 0,
            diskUsed: 2 ** 30,
            diskTotal: 2 ** 33,
          },
        },
      ],
    }),
    'GET /v2/sandboxes/:id/logs': ({ sandbox, query }) => {
      const from = Number(query.get('cursor') ?? 0);
      const later = (sandbox?.logs ?? []).filter(({ timestamp }) => Date.parse(timestamp) >= from);
      return { status: 200, body: { logs: later.slice(0, Number(query.get('limit'))) } };
    },
  };

  const server = createServer(async (incoming, response) => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const raw = Buffer.concat(parts);
    const { pathname, searchParams } = new URL(incoming.url ?? '/', url);
    if (pathname === '/process.Process/Start') {
      const sandbox = sandboxes.get(String(incoming.headers['e2b-sandbox-id']));
      return sandbox === undefined ? answer(response, notFound) : startCommand(sandbox, raw, response);
    }
    const isUpload = pathname.startsWith('/upload/');
    if (!isUpload && incoming.headers['x-api-key'] !== KEY) {
      return answer(response, { status: 401, body: { code: 401, message: 'Invalid API key' } });
    }
    const found = routeOf(Object.keys(routes), incoming, pathname);
    if (found === undefined) return answer(response, notFound);
    const sandbox = sandboxes.get(found.params[0] ?? '');
    if (found.pattern.includes('/sandboxes/:id') && sandbox === undefined) return answer(response, notFound);
    const body: Json = isUpload || raw.length === 0 ? undefined : JSON.parse(raw.toString());
    const route = routes[found.pattern];
    if (route !== undefined) {
      answer(response, await route({ params: found.params, query: searchParams, raw, body, sandbox }));
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  Object.assign(fake.env, { E2B_API_URL: url, E2B_SANDBOX_URL: url, E2B_API_KEY: KEY });
  t.after(() => {
    for (const sandbox of sandboxes.values()) end(sandbox);
    server.closeAllConnections();
    server.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return fake;
}

interface Request {
  readonly params: readonly string[];
  readonly query: URLSearchParams;
  readonly raw: Buffer;
  readonly body: Json;
  readonly sandbox: FakeSandbox | undefined;
}

interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const notFound: Answer = { status: 404, body: { code: 404, message: 'not found' } };
const stamp = (): string => new Date().toISOString();

/** An empty answer says so: the package reads a body where no length is given. */
function answer(response: ServerResponse, { status, body, headers }: Answer): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  const own = status === 204 ? {} : { 'Content-Length': Buffer.byteLength(text) };
  response.writeHead(status, { 'Content-Type': 'application/json', ...own, ...headers }).end(text);
}

function routeOf(patterns: readonly string[], { method }: IncomingMessage, pathname: string) {
  for (const pattern of patterns) {
    const path = new RegExp(`^${pattern.replaceAll(/:\w+/g, '([^/]+)')}$`).exec(`${method} ${pathname}`);
    if (path !== null) return { pattern, params: path.slice(1) };
  }
  return undefined;
}

const described = ({ id, template, metadata, startedAt, endAt }: FakeSandbox) => ({
  ...{ sandboxID: id, templateID: template, alias: template, clientID: 'c', envdVersion: '0.4.0' },
  ...{ metadata, startedAt, endAt, state: 'running', cpuCount: 2, memoryMB: 2048, diskSizeMB: 8192 },
});

/** The COPY steps, from the archives that were uploaded for them. */
function copyFiles(build: Json, uploads: string, root: string): void {
  for (const { type, args, filesHash } of build.steps) {
    if (type !== 'COPY') continue;
    const [source, target] = args as [string, string];
    const unpacked = mkdtempSync(join(uploads, 'unpacked-'));
    execFileSync('tar', ['-xf', join(uploads, filesHash), '-C', unpacked]);
    const from = join(unpacked, source);
    const to = join(root, target);
    // As Docker has it: the content of a folder, or a file into the folder that is named with a slash.
    cpSync(from, target.endsWith('/') && !statSync(from).isDirectory() ? join(to, source) : to, {
      recursive: true,
    });
  }
}

/** The protocol of Connect: each message behind a byte of flags and its length. */
const framed = (message: object, flags = 0): Buffer => {
  const text = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, text]);
};
const END_OF_STREAM = 2;

function startCommand(sandbox: FakeSandbox, raw: Buffer, response: ServerResponse): void {
  const { process: wanted } = JSON.parse(raw.subarray(5).toString()) as Json;
  const inside = (text: string): string =>
    text.replaceAll(/(?<![\w.])\/(app|home\/user)(?=\/|\s|$)/g, (path) => join(sandbox.root, path));
  const cwd = join(sandbox.root, 'app');
  const child = spawn(wanted.cmd, wanted.args.map(inside), {
    cwd: existsSync(cwd) ? cwd : sandbox.root,
    // Its own home: a login shell reads the profile there.
    env: { ...cleanEnvironment(), HOME: join(sandbox.root, 'home/user'), ...wanted.envs },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid === undefined) return void answer(response, notFound);
  sandbox.pids.push(child.pid);
  response.writeHead(200, { 'Content-Type': 'application/connect+json' });
  const event = (what: object): void => void response.write(framed({ event: what }));
  event({ start: { pid: child.pid } });
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (bytes: Buffer) => event({ data: { [name]: bytes.toString('base64') } }));
  }
  child.once('close', (code, signal) => {
    const exitCode = code ?? -1;
    event({ end: { exitCode, exited: code !== null, status: signal ?? `exit status ${exitCode}` } });
    response.end(framed({}, END_OF_STREAM));
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // gone already
  }
}
