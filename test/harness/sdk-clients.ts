/**
 * The official clients as users run them, both generations of the SDK behind one face: v1 `Client`, and v2 `Client`
 * in its legacy mode. They answer what a server asks them, and keep every notification.
 */
import type { TestContext } from 'node:test';
import * as v2 from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport as AnyTransportV1 } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { Bridge } from './bridge.ts';
import type { Json } from './rpc.ts';

export type SdkVersion = 'v1' | 'v2';
export const SDK_VERSIONS: readonly SdkVersion[] = ['v1', 'v2'];

export interface CallOptions {
  readonly onprogress?: (progress: {
    progress: number;
    total?: number | undefined;
    message?: string | undefined;
  }) => void;
  readonly signal?: AbortSignal;
  readonly timeout?: number;
  readonly resetTimeoutOnProgress?: boolean;
}

/** What both clients have in common. */
type Common = Pick<
  v2.Client,
  'ping' | 'getServerVersion' | 'getServerCapabilities' | 'getInstructions' | 'sendRootsListChanged' | 'close'
>;

export interface SdkClient extends Common {
  readonly version: SdkVersion;
  readonly sessionId: string | undefined;
  /** Every notification that belongs to no call, in order. */
  readonly notifications: { method: string; params?: Json }[];
  /** Errors that the transport reported. */
  readonly errors: Error[];
  callTool(name: string, args?: object, options?: CallOptions): Promise<Json>;
  /** Any other request; `params` as in the protocol. */
  request(method: string, params?: object): Promise<Json>;
  /** DELETEs the session. */
  terminate(): Promise<void>;
}

export interface ConnectOptions {
  readonly capabilities?: object;
  /** Answers what the server asks, by method; throws, or has no entry, to answer with an error. */
  readonly answers?: Readonly<Record<string, (params: Json) => object | Promise<object>>>;
  readonly token?: string;
  readonly name?: string;
}

/** A connected client; closed when the test ends. */
export async function connect(
  t: TestContext,
  bridge: Pick<Bridge, 'url' | 'token'>,
  server: string,
  { version = 'v1', ...options }: ConnectOptions & { readonly version?: SdkVersion } = {},
): Promise<SdkClient> {
  const url = new URL(`/mcp/${server}`, bridge.url);
  const init = { requestInit: { headers: { Authorization: `Bearer ${options.token ?? bridge.token}` } } };
  const client =
    version === 'v1'
      ? await connectV1(new TransportV1(url, init), options)
      : await connectV2(new v2.StreamableHTTPClientTransport(url, init), options);
  t.after(() => client.close());
  return client;
}

/** What the two clients do with the same words in different places. */
interface Loose {
  fallbackRequestHandler?: (request: { method: string; params?: Json }) => Promise<Json>;
  fallbackNotificationHandler?: (notification: { method: string; params?: Json }) => Promise<void>;
  onerror?: (error: Error) => void;
}

const CALLS: Readonly<Record<string, string>> = {
  'tools/list': 'listTools',
  'resources/list': 'listResources',
  'resources/templates/list': 'listResourceTemplates',
  'resources/read': 'readResource',
  'resources/subscribe': 'subscribeResource',
  'resources/unsubscribe': 'unsubscribeResource',
  'prompts/list': 'listPrompts',
  'prompts/get': 'getPrompt',
  'completion/complete': 'complete',
};

export async function connectV1(
  transport: TransportV1 | AnyTransportV1,
  options: ConnectOptions,
): Promise<SdkClient> {
  const info = { name: options.name ?? 'sdk-v1', version: '1.0.0' };
  const client = new ClientV1(info, { capabilities: options.capabilities ?? {} });
  const kept = listenIn(client as unknown as Loose, options);
  await client.connect(transport as AnyTransportV1);
  return face(
    'v1',
    client as unknown as v2.Client,
    transport as TransportV1,
    kept,
    (name, args, callOptions) => client.callTool({ name, arguments: args }, undefined, callOptions),
  );
}

export async function connectV2(
  transport: v2.StreamableHTTPClientTransport | v2.Transport,
  options: ConnectOptions,
): Promise<SdkClient> {
  const info = { name: options.name ?? 'sdk-v2', version: '1.0.0' };
  const client = new v2.Client(info, { capabilities: options.capabilities ?? {} });
  const kept = listenIn(client as unknown as Loose, options);
  await client.connect(transport);
  return face('v2', client, transport as v2.StreamableHTTPClientTransport, kept, (name, args, callOptions) =>
    client.callTool({ name, arguments: args }, callOptions),
  );
}

interface Kept {
  readonly notifications: { method: string; params?: Json }[];
  readonly errors: Error[];
}

function listenIn(client: Loose, { answers = {} }: ConnectOptions): Kept {
  const kept: Kept = { notifications: [], errors: [] };
  client.fallbackRequestHandler = async ({ method, params }) => {
    const answer = answers[method];
    if (answer === undefined) throw new Error(`the test has no answer for ${method}`);
    return answer(params);
  };
  client.fallbackNotificationHandler = async (notification) => {
    kept.notifications.push(notification);
  };
  client.onerror = (error) => kept.errors.push(error);
  return kept;
}

function face(
  version: SdkVersion,
  client: v2.Client,
  transport: Pick<v2.StreamableHTTPClientTransport, 'sessionId' | 'terminateSession'>,
  kept: Kept,
  callTool: (name: string, args: Record<string, unknown>, options?: CallOptions) => Promise<Json>,
): SdkClient {
  return {
    version,
    ...kept,
    get sessionId() {
      return transport.sessionId;
    },
    callTool: (name, args = {}, options) => callTool(name, args as Record<string, unknown>, options),
    request(method, params) {
      if (method === 'logging/setLevel') return client.setLoggingLevel((params as Json).level);
      const methods = client as unknown as Record<string, (params?: object) => Promise<Json>>;
      const call = methods[CALLS[method] ?? ''];
      if (call === undefined) throw new Error(`the harness knows no call for ${method}`);
      return call.call(client, params);
    },
    terminate: () => transport.terminateSession(),
    ping: () => client.ping(),
    getServerVersion: () => client.getServerVersion(),
    getServerCapabilities: () => client.getServerCapabilities(),
    getInstructions: () => client.getInstructions(),
    sendRootsListChanged: () => client.sendRootsListChanged(),
    close: () => client.close(),
  };
}

/** The text of a tool result's first content. */
export const textOf = (result: Json): string => result.content[0].text;
