/**
 * HttpEngine on uWebSockets.js: listening, and requests as they come in; the answers are uws-response.ts.
 *
 * What uWebSockets.js decides by itself: HTTP/1.0, absolute-form targets and `OPTIONS *` get 505; a request without
 * Host, with over 100 headers, or pipelined behind one that is still waiting for its answer is closed; a sender
 * below 16 KB/s, a reader that takes nothing and an idle connection are closed after 10 s.
 */

import type { HttpRequest, HttpResponse, us_listen_socket } from 'uWebSockets.js';
import { wholeNumber } from '../protocol/whole-number.ts';
import {
  type HttpEngine,
  type Listener,
  MAX_HEAD_BYTES,
  type RawRequest,
  type RequestHandler,
} from './engine.ts';
import { HeaderList } from './header-list.ts';
import { UwsResponse } from './uws-response.ts';

/** What is used of the module `uWebSockets.js`. */
export type UwsModule = Pick<
  typeof import('uWebSockets.js'),
  'App' | 'us_listen_socket_close' | 'us_socket_local_port'
>;

export function createUwsEngine(uws: UwsModule): HttpEngine {
  return {
    name: 'uws',
    listen({ host, port }, handler) {
      const app = uws.App();
      // A method that is known by its route costs no string.
      app.post('/*', (res, req) => serve(res, req, 'POST', handler));
      app.any('/*', (res, req) => serve(res, req, req.getCaseSensitiveMethod(), handler));
      return new Promise((resolve, reject) => {
        app.listen(host, port, (socket) => {
          if (socket === false) {
            reject(
              new Error(`Cannot listen on ${host}:${port}: the port is taken or the address is not ours.`),
            );
            return;
          }
          resolve(listener(uws, app, socket));
        });
      });
    },
  };
}

function listener(uws: UwsModule, app: { close(): unknown }, socket: us_listen_socket): Listener {
  let accepting = true;
  return {
    port: uws.us_socket_local_port(socket),
    stopAccepting() {
      if (accepting) uws.us_listen_socket_close(socket);
      accepting = false;
    },
    close() {
      accepting = false;
      app.close();
    },
  };
}

// One function for all requests, which `forEach` calls before it returns: V8 takes its time with new ones.
let reading = new HeaderList();
const readField = (name: string, value: string): void => reading.add(name, value);

function serve(res: HttpResponse, req: HttpRequest, method: string, handler: RequestHandler): void {
  const headers = new HeaderList();
  reading = headers;
  req.forEach(readField);
  const path = req.getUrl();
  // Typed as a string, but undefined when the target has no `?`.
  const query = (req.getQuery() as string | undefined) ?? '';
  const response = new UwsResponse(res, method === 'HEAD');
  const framing = framingOf(method, headers);
  if (framing === 'unsure') response.holdBack();
  if (framing === 'faulty') response.refuse(400);
  // Its own limit holds only for a head that comes in several reads.
  else if (headers.size + path.length + query.length > MAX_HEAD_BYTES) response.refuse(431);
  else handler(new UwsRequest(method, path, query, headers, response), response);
}

/**
 * Whether this request ends for everybody where uWebSockets.js finds its end. `faulty`: that one takes the first of
 * several lengths, an empty one for none, and any coding for chunks. `unsure`: it passes over what stands in the place of
 * a chunk's line ends, and sees no field, no length either, behind one with an empty name.
 */
function framingOf(method: string, headers: HeaderList): 'clear' | 'unsure' | 'faulty' {
  const { sentTwice, contentLength: length, transferEncoding: coding } = headers;
  if (sentTwice === 'content-length' || sentTwice === 'transfer-encoding') return 'faulty';
  if (coding !== undefined) {
    return length === undefined && coding.toLowerCase() === 'chunked' ? 'unsure' : 'faulty';
  }
  if (length === undefined) return method === 'POST' ? 'unsure' : 'clear';
  return Number.isNaN(wholeNumber(length)) ? 'faulty' : 'clear';
}

class UwsRequest implements RawRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: HeaderList;
  readonly #response: UwsResponse;
  #peerAddress: string | undefined;

  constructor(method: string, path: string, query: string, headers: HeaderList, response: UwsResponse) {
    this.method = method;
    this.path = path;
    this.query = query;
    this.headers = headers;
    this.#response = response;
  }

  /** Empty when first read after the answer or the abort. */
  get peerAddress(): string {
    this.#peerAddress ??= this.#response.peerAddress();
    return this.#peerAddress;
  }
}
