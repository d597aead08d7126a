/**
 * HttpEngine on node:http, for every platform where uWebSockets.js does not load. In a cluster worker the listener
 * is the primary's, shared by all workers.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { asBytes, joinChunks, lengthBound } from './chunks.ts';
import { maxConnections } from './connection-limit.ts';
import {
  type AnswerHead,
  type Chunk,
  type HttpEngine,
  type Listener,
  MAX_HEAD_BYTES,
  type RawRequest,
  type RawResponse,
  type ResponseListener,
} from './engine.ts';
import { HeaderList } from './header-list.ts';

const HEAD_TIMEOUT_MS = 15_000;
/** Head and body of one request. */
const REQUEST_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 10_000;
/** A reader that takes nothing for so long, while there is something for it, is cut off. */
const STALLED_READER_MS = 15_000;
/** Up to here an answer is joined to one piece and written with its head. */
const SMALL_ANSWER_BYTES = 256 * 1024;
const LAST_WORDS_MS = 1_000;
const NO_BYTES = new Uint8Array(0);

export function createNodeEngine(): HttpEngine {
  return {
    name: 'node',
    listen({ host, port }, handler) {
      const server = createServer({
        maxHeaderSize: MAX_HEAD_BYTES,
        headersTimeout: HEAD_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: 2_000,
      });
      server.on('request', (req, res) => handler(new NodeRequest(req), new NodeResponse(req, res)));
      server.on('clientError', refuse);
      limitConnections(server);
      return new Promise((resolve, reject) => {
        server.once('error', (error) => {
          reject(new Error(`Cannot listen on ${host}:${port}: ${error.message}`, { cause: error }));
        });
        server.listen({ host, port, exclusive: false }, () => resolve(listener(server)));
      });
    },
  };
}

function listener(server: Server): Listener {
  return {
    port: (server.address() as AddressInfo).port,
    stopAccepting() {
      // Not http.Server's own `close`: that one also cuts idle kept-alive connections, on which the next request
      // may be on its way.
      if (server.listening) NetServer.prototype.close.call(server);
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/**
 * Not `maxConnections`: the primary would hand what one worker refuses to the next one, for ever. Nor none: from a worker
 * that had no descriptor for a connection the primary waits for a word in vain, and gives it no other one.
 */
function limitConnections(server: Server): void {
  const max = maxConnections();
  let open = 0;
  server.on('connection', (socket) => {
    open++;
    socket.once('close', () => {
      open--;
    });
    if (open > max) socket.destroy();
  });
}

/** What the parser refused, before there was a request. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const status = STATUS_OF_PARSER_ERROR.get(error.code ?? '') ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  // Not at once, or a client that is still sending never reads it; nor when the client closes, which may be never.
  setTimeout(() => socket.destroy(), LAST_WORDS_MS).unref();
}

const STATUS_OF_PARSER_ERROR = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
]);

class NodeRequest implements RawRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers = new HeaderList();
  readonly #socket: Socket;

  constructor(req: IncomingMessage) {
    const target = req.url ?? '/';
    const mark = target.indexOf('?');
    this.method = req.method ?? 'GET';
    this.path = mark === -1 ? target : target.slice(0, mark);
    this.query = mark === -1 ? '' : target.slice(mark + 1);
    this.#socket = req.socket;
    const raw = req.rawHeaders;
    for (let i = 0; i < raw.length; i += 2) {
      this.headers.add((raw[i] as string).toLowerCase(), raw[i + 1] as string);
    }
  }

  get peerAddress(): string {
    return this.#socket.remoteAddress ?? '';
  }
}

class NodeResponse implements RawResponse {
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  #ended = false;
  #listener: ResponseListener | undefined;

  constructor(req: IncomingMessage, res: ServerResponse) {
    this.#req = req;
    this.#res = res;
    // A write that fails is followed by `close`, which is all that matters.
    res.on('error', () => this.cut());
    req.on('error', () => this.cut());
    res.on('drain', () => this.#req.socket.setTimeout(0));
  }

  get buffered(): number {
    return this.#res.writableLength;
  }

  listen(listener: ResponseListener): void {
    this.#listener = listener;
    this.#res.once('close', () => {
      if (!this.#ended) listener.aborted();
    });
  }

  receive(): void {
    this.#req.on('data', (chunk: Buffer) => this.#listener?.received(chunk, false));
    this.#req.on('end', () => this.#listener?.received(NO_BYTES, true));
  }

  end(head: AnswerHead, body: Chunk | readonly Chunk[]): void {
    if (!this.#usable() || this.#res.headersSent) return;
    const small = lengthBound(body) <= SMALL_ANSWER_BYTES;
    const parts = small
      ? [joinChunks(body)]
      : typeof body === 'string' || body instanceof Uint8Array
        ? [body]
        : body;
    const bytes = parts.map(asBytes);
    const flat = flatten(head);
    const total = bytes.reduce((sum, part) => sum + part.byteLength, 0);
    if (head.status !== 204) flat.push('Content-Length', String(total));
    this.#res.writeHead(head.status, flat);
    let taken = true;
    for (const part of bytes) taken = this.#res.write(part);
    this.#res.end();
    this.#ended = true;
    if (!taken) this.#watchReader();
  }

  begin(head: AnswerHead): void {
    if (!this.#usable() || this.#res.headersSent) return;
    this.#res.writeHead(head.status, flatten(head));
  }

  write(chunk: Chunk): void {
    if (!this.#usable() || chunk.length === 0) return;
    if (!this.#res.write(chunk)) this.#watchReader();
  }

  finish(): void {
    if (!this.#usable()) return;
    this.#ended = true;
    this.#res.end();
  }

  cut(): void {
    this.#req.socket.destroy();
  }

  #usable(): boolean {
    return !this.#ended && !this.#res.destroyed && !this.#req.socket.destroyed;
  }

  /** A socket's own time-out does not fire while its queue moves; the server destroys the socket when it does. */
  #watchReader(): void {
    this.#req.socket.setTimeout(STALLED_READER_MS);
  }
}

/** Flat pairs, as `writeHead` takes them. */
function flatten({ requestId, headers, corsHeaders, closing }: AnswerHead): string[] {
  const flat = ['X-Request-Id', requestId];
  for (const [name, value] of [...headers, ...corsHeaders]) flat.push(name, value);
  if (closing) flat.push('Connection', 'close');
  return flat;
}
