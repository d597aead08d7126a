/** How the inputs of the fuzzer reach the bridge, and what came back: every input ends, one way or another. */
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import type { Ask } from './messages.ts';

/** A status; `closed`: the connection was ended without one; `hung`: neither came in time. */
export type Outcome = number | 'closed' | 'hung';

/** Above every deadline that the bridge has for a connection, and for a call of the fuzzer's servers. */
const PATIENCE_MS = 40_000;

let connections = 0;

/** Sends the bytes over a connection of their own, says that this is all, and waits for its end. */
export function sendBytes(port: number, bytes: Buffer): Promise<Outcome> {
  return new Promise((resolve) => {
    // Ended connections keep their port for a minute: one address alone would run out of them.
    const localAddress = `127.0.0.${2 + (connections++ % 250)}`;
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    let head = '';
    const settle = (outcome: Outcome): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => settle('hung'), PATIENCE_MS);
    socket.on('data', (chunk: Buffer) => {
      if (head.length < 16) head += chunk.toString('latin1', 0, 16);
      // A stream goes on for as long as its reader stays.
      if (chunk.includes('text/event-stream')) settle(statusIn(head));
    });
    socket.on('error', () => undefined);
    socket.on('close', () => settle(statusIn(head)));
    socket.end(bytes);
  });
}

function statusIn(head: string): Outcome {
  const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1];
  return status === undefined ? 'closed' : Number(status);
}

export interface Asker {
  ask(ask: Ask): Promise<{ readonly outcome: Outcome; readonly text: string }>;
  close(): void;
}

/** Asks over kept-alive connections. An event stream that answers a GET is left as soon as it has begun. */
export function createAsker(port: number, maxSockets: number): Asker {
  const agent = new Agent({ keepAlive: true, maxSockets });
  return {
    ask: ({ method, path, headers, body }) =>
      new Promise((resolve) => {
        const length = body === undefined ? {} : { 'Content-Length': body.length };
        const outgoing = request({
          host: '127.0.0.1',
          port,
          method,
          path,
          agent,
          headers: { ...headers, ...length },
        });
        const settle = (outcome: Outcome, text = ''): void => {
          clearTimeout(timer);
          resolve({ outcome, text });
        };
        const timer = setTimeout(() => {
          outgoing.destroy();
          settle('hung');
        }, PATIENCE_MS);
        outgoing.on('error', () => settle('closed'));
        outgoing.on('response', (incoming: IncomingMessage) => {
          const status = incoming.statusCode ?? 0;
          if (method === 'GET' && incoming.headers['content-type'] === 'text/event-stream') {
            settle(status);
            outgoing.destroy();
            return;
          }
          const parts: Buffer[] = [];
          incoming.on('data', (part: Buffer) => parts.push(part));
          incoming.on('error', () => settle('closed'));
          incoming.on('end', () => settle(status, Buffer.concat(parts).toString()));
        });
        outgoing.end(body);
      }),
    close: () => agent.destroy(),
  };
}
