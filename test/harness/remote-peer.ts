/**
 * A transport to a remote server with just enough around it to talk: requests by id, everything else kept.
 */
import type { LookupFunction } from 'node:net';
import type { TestContext } from 'node:test';
import pino from 'pino';
import type { RemoteServer } from '../../src/config/settings.ts';
import type { BridgeError } from '../../src/errors.ts';
import { openRemote } from '../../src/upstream/remote.ts';
import type { Transport } from '../../src/upstream/transport.ts';
import { until } from './until.ts';

export interface Answer {
  readonly id?: unknown;
  readonly method?: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into by assertions only
  readonly result?: any;
  // biome-ignore lint/suspicious/noExplicitAny: the same
  readonly error?: any;
}

export interface RemotePeer {
  readonly transport: Transport;
  /** Everything received, in order. */
  readonly received: Answer[];
  /** The texts of the same. */
  readonly texts: string[];
  /** Why it was closed, as often as the listener was told. */
  readonly closings: BridgeError[];
  /** Log lines, as text. */
  readonly log: () => string;
  request(method: string, params?: object): Promise<Answer>;
  notify(method: string, params?: object): void;
  initialize(): Promise<Answer>;
  closed(): Promise<BridgeError>;
}

/** `lookup`: who resolves names; the system when left out. */
export function openPeer(t: TestContext, server: RemoteServer, lookup?: LookupFunction): RemotePeer {
  const received: Answer[] = [];
  const texts: string[] = [];
  const closings: BridgeError[] = [];
  let log = '';
  const transport = openRemote(
    server,
    {
      message: (message) => {
        texts.push(String(message.text));
        received.push(JSON.parse(String(message.text)) as Answer);
      },
      closed: (reason) => closings.push(reason),
    },
    {
      log: pino({ level: 'debug' }, { write: (line: string) => (log += line) }),
      ...(lookup && { lookup }),
    },
  );
  t.after(() => transport.close());
  let lastId = 0;
  const peer: RemotePeer = {
    transport,
    received,
    texts,
    closings,
    log: () => log,
    async request(method, params) {
      const id = ++lastId;
      transport.send(JSON.stringify({ jsonrpc: '2.0', id, method, ...(params && { params }) }));
      const found = await until(`an answer to ${method}`, () =>
        closings[0] === undefined
          ? received.find((message) => message.id === id && message.method === undefined)
          : closings[0],
      );
      if (found instanceof Error) throw found;
      return found;
    },
    notify(method, params) {
      transport.send(JSON.stringify({ jsonrpc: '2.0', method, ...(params && { params }) }));
    },
    async initialize() {
      const answer = await peer.request('initialize', {
        protocolVersion: '2025-06-18',
        capabilities: { roots: {} },
        clientInfo: { name: 'test', version: '1' },
      });
      peer.notify('notifications/initialized');
      return answer;
    },
    closed: () => until('the end of the connection', () => closings[0]),
  };
  return peer;
}
