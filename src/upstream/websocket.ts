/**
 * A remote server over WebSocket (subprotocol `mcp`): one text frame a message, passed on as it is, so that large
 * integers stay exact. Owns the socket and its signs of life; the v2 SDK has no such transport.
 */
import type { LookupFunction } from 'node:net';
import { WebSocket } from 'ws';
import type { RemoteServer } from '../config/settings.ts';
import { pause } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import type { Chunk } from '../http/engine.ts';
import type { Logger } from '../log.ts';
import { MAX_LINE_BYTES } from '../protocol/large.ts';
import { readMessage } from '../protocol/read-message.ts';
import { whatFailed } from './remote-failure.ts';
import { wholeText } from './remote-text.ts';
import { ServerLog } from './server-log.ts';
import type { Transport, TransportListener } from './transport.ts';

export interface WebSocketDeps {
  readonly log: Logger;
  /** Resolves host names, to addresses that may be connected to. */
  readonly lookup: LookupFunction;
}

const HANDSHAKE_MS = 10_000;
const CLOSE_GRACE_MS = 1_000;
/** A peer that does not answer a ping within this time is gone, although TCP does not know it yet. */
const PING_MS = 30_000;

/** Throws when `ws` refuses the URL. */
export function openWebSocket(
  server: RemoteServer,
  listener: TransportListener,
  deps: WebSocketDeps,
): Transport {
  return new WebSocketTransport(server, listener, deps);
}

class WebSocketTransport implements Transport {
  readonly pid = undefined;
  readonly #server: RemoteServer;
  readonly #listener: TransportListener;
  readonly #log: ServerLog;
  readonly #socket: WebSocket;
  readonly #gone: Promise<void>;
  /** What was sent before the handshake was over; undefined afterwards. */
  #waiting: string[] | undefined = [];
  #waitingBytes = 0;
  #closing = false;
  #spoke = false;
  #trouble: string | undefined;

  constructor(server: RemoteServer, listener: TransportListener, deps: WebSocketDeps) {
    this.#server = server;
    this.#listener = listener;
    this.#log = new ServerLog(deps.log, server.name);
    const socket = new WebSocket(server.url, 'mcp', {
      headers: { ...server.headers },
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: MAX_LINE_BYTES,
      perMessageDeflate: false,
      followRedirects: false,
      lookup: deps.lookup,
    });
    this.#socket = socket;
    socket.on('open', () => this.#open());
    socket.on('message', (data, isBinary) => this.#message(String(data), isBinary));
    socket.on('error', (error) => {
      this.#trouble = whatFailed(error);
    });
    this.#gone = new Promise((resolve) => {
      socket.on('close', (code) => {
        this.#log.close();
        this.#listener.closed(this.#reason(code));
        resolve();
      });
    });
  }

  get backlog(): number {
    return this.#waitingBytes + this.#socket.bufferedAmount;
  }

  send(message: Chunk | readonly Chunk[]): void {
    if (this.#closing) return;
    const text = wholeText(message);
    if (this.#waiting === undefined) {
      this.#socket.send(text, () => undefined); // a failed send is told by the socket's end
      return;
    }
    this.#waiting.push(text);
    this.#waitingBytes += Buffer.byteLength(text);
  }

  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#socket.close(1000);
      await Promise.race([this.#gone, pause(CLOSE_GRACE_MS)]);
      this.#socket.terminate();
    }
    await this.#gone;
  }

  #open(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    this.#waitingBytes = 0;
    for (const text of waiting) this.#socket.send(text, () => undefined);
    this.#watch();
  }

  #watch(): void {
    let alive = true;
    const timer = setInterval(() => {
      if (!alive) {
        this.#trouble = `did not answer a ping within ${PING_MS} ms`;
        this.#socket.terminate();
        return;
      }
      alive = false;
      this.#socket.ping();
    }, PING_MS);
    timer.unref();
    for (const sign of ['pong', 'message'] as const) {
      this.#socket.on(sign, () => {
        alive = true;
      });
    }
    this.#socket.once('close', () => clearInterval(timer));
  }

  #message(text: string, isBinary: boolean): void {
    const message = isBinary ? undefined : readMessage(text);
    if (message === undefined || message.kind === 'malformed') {
      const reason = message?.reason ?? 'A message is a text frame; found a binary one.';
      this.#log.warn({ reason, bytes: text.length }, 'noise from a remote server');
      return;
    }
    this.#spoke = true;
    this.#listener.message(message);
  }

  #reason(code: number): BridgeError {
    const { name, url } = this.#server;
    const how = this.#trouble ?? `closed the connection (code ${code})`;
    const origin = new URL(url).origin;
    return new BridgeError(
      this.#spoke ? 'server_died' : 'server_start_failed',
      this.#closing
        ? `The connection to server "${name}" at ${origin} was closed by the bridge.`
        : `Server "${name}" at ${origin} ${how}.`,
    );
  }
}
