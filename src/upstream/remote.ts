/**
 * A remote MCP server behind the transports of the v2 SDK: Streamable HTTP and HTTP+SSE here, WebSocket in its own
 * file. Owns which failure ends the whole connection and which is only the answer to one request.
 *
 * The SDK's transports take and give parsed messages: on these two, and nowhere else in the bridge, integers
 * beyond 2^53 lose their last digits.
 *
 * MCP transports, "Streamable HTTP"; 2024-11-05, "HTTP with SSE".
 */
import { randomUUID } from 'node:crypto';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { LookupFunction } from 'node:net';
import {
  type JSONRPCMessage,
  SdkHttpError,
  type Transport as SdkTransport,
  SSEClientTransport,
  SseError,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import type { RemoteServer } from '../config/settings.ts';
import { pause, within } from '../deadline.ts';
import { BridgeError, messageOf, RPC } from '../errors.ts';
import type { Chunk } from '../http/engine.ts';
import type { Logger } from '../log.ts';
import { readMessage } from '../protocol/read-message.ts';
import { traceInMeta } from '../protocol/trace.ts';
import { createReach, type Reach } from './reach.ts';
import { isUnreachable, statusOf, whatFailed } from './remote-failure.ts';
import { createRemoteFetch, type RemoteFetch } from './remote-fetch.ts';
import { RemoteParams } from './remote-params.ts';
import { noAnswer, type RpcError, rpcErrorIn, wholeText } from './remote-text.ts';
import { ServerLog } from './server-log.ts';
import type { Transport, TransportListener } from './transport.ts';
import { openWebSocket } from './websocket.ts';

export interface RemoteDeps {
  readonly log: Logger;
  /** Resolves host names; the system's resolver when left out. */
  readonly lookup?: LookupFunction;
}

/** How long an SSE server may take to name its endpoint, and a server to take `notifications/initialized`. */
const OPEN_MS = 10_000;
const DELETE_MS = 1_000;
const RECONNECTION = {
  initialReconnectionDelay: 1_000,
  maxReconnectionDelay: 10_000,
  reconnectionDelayGrowFactor: 2,
  maxRetries: 5,
};

/** Returns at once; the listener hears of a server that cannot be reached. */
export function openRemote(server: RemoteServer, listener: TransportListener, deps: RemoteDeps): Transport {
  try {
    for (const [name, value] of Object.entries(server.headers)) {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    }
    const reach = createReach(server, deps.lookup);
    reach.check(new URL(server.url));
    if (server.transport === 'ws') return openWebSocket(server, listener, { ...deps, lookup: reach.lookup });
    return new RemoteTransport(server, listener, { log: deps.log, reach });
  } catch (error) {
    const reason = new BridgeError(
      'server_start_failed',
      `Server "${server.name}" cannot be called with its url and headers: ${messageOf(error)}.`,
    );
    // Later, so that the listener never hears from a transport it does not know yet.
    setImmediate(() => listener.closed(reason));
    return { send: () => undefined, backlog: 0, pid: undefined, close: async () => undefined };
  }
}

class RemoteTransport implements Transport {
  readonly pid = undefined;
  readonly #server: RemoteServer;
  readonly #origin: string;
  readonly #listener: TransportListener;
  readonly #log: ServerLog;
  readonly #fetch: RemoteFetch;
  readonly #client: SdkTransport;
  /** The same, where it has a session. */
  readonly #http: StreamableHTTPClientTransport | undefined;
  /** Requests without an answer, by their id as JSON text; aborting one lets go of its connection. */
  readonly #pending = new Map<string, AbortController>();
  /** Requests of this transport's own, which nobody above knows. */
  readonly #own = new Map<string, (result: Record<string, unknown> | undefined) => void>();
  readonly #params = new RemoteParams((params) => this.#askTools(params));
  #initializeId: string | undefined;
  /** What every later message waits for: the SSE endpoint, then `notifications/initialized`, which must not be overtaken. */
  #gate: Promise<void>;
  #backlog = 0;
  #spoke = false;
  #closed = false;
  #gone: Promise<void> | undefined;

  constructor(
    server: RemoteServer,
    listener: TransportListener,
    deps: { readonly log: Logger; readonly reach: Reach },
  ) {
    const url = new URL(server.url);
    this.#server = server;
    this.#origin = url.origin;
    this.#listener = listener;
    this.#log = new ServerLog(deps.log, server.name);
    this.#fetch = createRemoteFetch(deps.reach);
    const common = { fetch: this.#fetch.fetch, requestInit: { headers: { ...server.headers } } };
    if (server.transport === 'http') {
      const options = { ...common, reconnectionOptions: RECONNECTION, reconnectionScheduler: unhurried };
      this.#http = new StreamableHTTPClientTransport(url, options);
    }
    this.#client = this.#http ?? new SSEClientTransport(url, common);
    this.#client.onmessage = (message) => this.#receive(message);
    this.#client.onerror = (error) => this.#troubled(error);
    this.#gate = this.#start();
  }

  get backlog(): number {
    return this.#backlog;
  }

  send(message: Chunk | readonly Chunk[]): void {
    if (this.#closed || this.#gone !== undefined) return;
    const text = wholeText(message);
    const bytes = Buffer.byteLength(text);
    this.#backlog += bytes;
    void this.#post(JSON.parse(text) as Outgoing).finally(() => {
      this.#backlog -= bytes;
    });
  }

  close(): Promise<void> {
    this.#gone ??= this.#end();
    return this.#gone;
  }

  async #start(): Promise<void> {
    const late = pause(OPEN_MS).then(() => {
      throw new Error(`it named no endpoint within ${OPEN_MS} ms`);
    });
    try {
      await Promise.race([this.#client.start(), late]);
    } catch (error) {
      this.#lose(whatFailed(error));
    }
  }

  async #post(message: Outgoing): Promise<void> {
    const { method, id } = message;
    const request = method !== undefined && id !== undefined ? JSON.stringify(id) : undefined;
    const controller = new AbortController();
    if (request !== undefined) {
      this.#pending.set(request, controller);
      if (method === 'initialize') this.#initializeId = request;
    }
    const sent = this.#gate.then(() => this.#hand(message, request, controller));
    if (method === 'notifications/initialized') this.#gate = Promise.race([sent, pause(OPEN_MS)]);
    await sent;
    if (method === 'notifications/cancelled') this.#forget(message.params?.['requestId']);
  }

  /** Gives one message to the server; never rejects. */
  async #hand(message: Outgoing, request: string | undefined, controller: AbortController): Promise<void> {
    if (this.#closed) return;
    try {
      const repeated = await this.#params.headersOf(message.method, message.params);
      const headers = { ...traceInMeta(message.params?.['_meta']), ...repeated };
      if (request === undefined) {
        await this.#client.send(message as JSONRPCMessage, { headers });
        return;
      }
      await this.#client.send(message as JSONRPCMessage, {
        headers,
        requestSignal: controller.signal,
        onRequestStreamEnd: () => this.#fail(request, new Error('it ended the stream without an answer')),
      });
    } catch (error) {
      if (request !== undefined) this.#fail(request, error);
      else if (!this.#endedBy(error)) this.#warn(error, message.method ?? 'response');
    }
  }

  /** The server was told that nobody waits any more; a connection that it keeps open all the same is let go. */
  #forget(requestId: unknown): void {
    const id = JSON.stringify(requestId);
    this.#pending.get(id)?.abort();
    this.#pending.delete(id);
  }

  /** Never rejects; undefined when there is no answer in time. */
  async #askTools(params: Record<string, unknown>): Promise<Record<string, unknown> | undefined> {
    const id = `tools-${randomUUID()}`;
    const answer = new Promise<Record<string, unknown> | undefined>((resolve) => this.#own.set(id, resolve));
    const none = (): undefined => undefined;
    const sent = this.#client
      .send({ jsonrpc: '2.0', id, method: 'tools/list', params })
      .then(() => answer, none);
    const result = await Promise.race([sent, pause(OPEN_MS).then(none)]);
    this.#own.delete(id);
    return result;
  }

  #receive(message: JSONRPCMessage): void {
    if (this.#closed) return;
    this.#learn(message);
    if (!('method' in message) && message.id !== undefined) {
      const own = this.#own.get(String(message.id));
      if (own !== undefined) {
        own('result' in message ? message.result : undefined);
        return;
      }
      const id = JSON.stringify(message.id);
      this.#pending.delete(id);
      if (id === this.#initializeId && 'result' in message) {
        const version = message.result['protocolVersion'];
        if (typeof version === 'string') this.#client.setProtocolVersion?.(version);
      }
    }
    this.#spoke = true;
    this.#deliver(JSON.stringify(message));
  }

  #learn(message: JSONRPCMessage): void {
    if ('result' in message) this.#params.learn(message.result);
    else if ('error' in message && message.error.code === RPC.headerMismatch) this.#params.forget();
    else if ('method' in message && message.method === 'notifications/tools/list_changed')
      this.#params.forget();
  }

  #deliver(text: string): void {
    const message = readMessage(text);
    if (message.kind !== 'malformed') this.#listener.message(message);
    else this.#log.warn({ reason: message.reason }, 'noise from a remote server');
  }

  /** Requests that failed are answered where they were sent; this is about the streams that belong to none. */
  #troubled(error: unknown): void {
    if (this.#closed || this.#gone !== undefined) return;
    if (error instanceof SseError) {
      // The SDK would open another stream, which is another session that nobody initialized.
      this.#lose(this.#spoke ? 'ended its event stream' : whatFailed(error));
      return;
    }
    if (isUnreachable(error)) this.#lose(whatFailed(error));
    else this.#log.debug({ cause: whatFailed(error) }, 'trouble with a remote server');
  }

  #fail(request: string, error: unknown): void {
    if (!this.#pending.has(request) || this.#endedBy(error)) return;
    const rpc = error instanceof SdkHttpError ? rpcErrorIn(error.data.text) : undefined;
    if (rpc === undefined && request === this.#initializeId) this.#lose(whatFailed(error));
    else this.#answer(request, rpc ?? noAnswer(`Server "${this.#server.name}" ${whatFailed(error)}.`));
  }

  #answer(request: string, error: RpcError): void {
    this.#pending.delete(request);
    this.#deliver(`{"jsonrpc":"2.0","id":${request},"error":${JSON.stringify(error)}}`);
  }

  /** Whether the failure of one message means that the whole connection is over; then it is. */
  #endedBy(error: unknown): boolean {
    if (this.#closed || this.#gone !== undefined) return true;
    if (isUnreachable(error)) {
      this.#lose(whatFailed(error));
      return true;
    }
    if (!(error instanceof SdkHttpError) || statusOf(error) !== 404) return false;
    if (this.#http?.sessionId === undefined || rpcErrorIn(error.data.text)?.code === RPC.methodNotFound)
      return false;
    this.#lose('no longer knows the session (HTTP 404)');
    return true;
  }

  #warn(error: unknown, method: string): void {
    const cause = whatFailed(error);
    this.#log.warn({ method, cause }, 'a remote server did not take a message');
  }

  #lose(how: string): void {
    this.#tellClosed(`Server "${this.#server.name}" at ${this.#origin} ${how}.`);
    void this.close();
  }

  async #end(): Promise<void> {
    if (!this.#closed && this.#http !== undefined) {
      const late = (): Error => new Error(`it did not answer within ${DELETE_MS} ms`);
      await within(this.#http.terminateSession(), DELETE_MS, late).catch((error: unknown) =>
        this.#log.debug({ cause: whatFailed(error) }, 'a remote session was not ended'),
      );
    }
    await this.#client.close();
    this.#fetch.close();
    this.#tellClosed(
      `The connection to server "${this.#server.name}" at ${this.#origin} was closed by the bridge.`,
    );
  }

  #tellClosed(sentence: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#log.close();
    this.#pending.clear();
    this.#listener.closed(new BridgeError(this.#spoke ? 'server_died' : 'server_start_failed', sentence));
  }
}

/** What `send` looks into. */
interface Outgoing {
  readonly method?: string;
  readonly id?: string | number;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** Waits for the next try at a stream without keeping the process alive. */
function unhurried(reconnect: () => void, delayMs: number): () => void {
  const timer = setTimeout(reconnect, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}
