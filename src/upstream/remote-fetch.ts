/**
 * The fetch of one remote server, on node:http. Every byte of an HTTP or SSE upstream goes through here, to the
 * addresses that its Reach allows. Redirects are handed back as they are: the SDK follows one only within the
 * origin and with the method kept, and comes here again with it.
 *
 * Not the global fetch: that one ends a stream which is silent for five minutes, keeps its connections after the
 * transport is closed, and lets nobody choose the address.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { Readable } from 'node:stream';
import { MAX_LINE_BYTES } from '../protocol/large.ts';
import type { Reach } from './reach.ts';

export interface RemoteFetch {
  readonly fetch: (url: string | URL, init?: RequestInit) => Promise<Response>;
  /** Cuts every connection. */
  close(): void;
}

const LF = 0x0a;
/** Answers that a Response may not have a body for. */
const BODILESS = new Set([204, 205, 304]);

export function createRemoteFetch(reach: Reach): RemoteFetch {
  // A host that is an address already never comes to the lookup: it is checked with the URL.
  const options = { keepAlive: true, lookup: reach.lookup };
  const plain = new http.Agent(options);
  const secure = new https.Agent(options);
  return {
    fetch(url, init = {}) {
      const target = new URL(url);
      const [request, agent] = target.protocol === 'https:' ? [https.request, secure] : [http.request, plain];
      return new Promise((resolve, reject) => {
        reach.check(target);
        const { method = 'GET', signal } = init;
        const headers = Object.fromEntries(new Headers(init.headers));
        const outgoing = request(target, { method, headers, agent, ...(signal && { signal }) });
        outgoing.on('error', reject);
        outgoing.once('response', (incoming) => {
          try {
            resolve(responseOf(incoming));
          } catch (error) {
            incoming.destroy();
            reject(error);
          }
        });
        outgoing.end(init.body);
      });
    },
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

function responseOf(incoming: http.IncomingMessage): Response {
  const { statusCode: status = 0, statusMessage: statusText = '', rawHeaders } = incoming;
  const headers = new Headers();
  for (let at = 0; at < rawHeaders.length; at += 2)
    headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '');
  if (BODILESS.has(status)) {
    incoming.resume();
    return new Response(null, { status, statusText, headers });
  }
  const body = Readable.toWeb(incoming) as ReadableStream;
  const response = new Response(body, { status, statusText, headers });
  bound(incoming, headers.get('content-type')?.startsWith('text/event-stream') === true);
  return response;
}

/** Cuts off a body, or one line of an event stream, that would not fit into the memory set aside for a message. */
function bound(incoming: http.IncomingMessage, eventStream: boolean): void {
  let bytes = 0;
  incoming.on('data', (chunk: Buffer) => {
    const end = eventStream ? chunk.lastIndexOf(LF) : -1;
    bytes = end === -1 ? bytes + chunk.length : chunk.length - end - 1;
    if (bytes > MAX_LINE_BYTES) {
      incoming.destroy(new Error(`it sent a message of more than ${MAX_LINE_BYTES} bytes`));
    }
  });
}
