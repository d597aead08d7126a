/**
 * One hop between workers: a call that landed here is carried to the worker that owns it, and its answer back.
 * Raw text goes over a Unix socket in a folder that only this user can enter, with the identity that was checked
 * here; it is never a second HTTP request, and the owner never forwards it again.
 *
 * A call is a stream: `head` and body one way, one answer the other way. Both may be large; see sender.ts.
 */
import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { IdTable } from '../id-table.ts';
import { AskedStream, type ForwardedCall } from './asked-stream.ts';
import { FRAME } from './frames.ts';
import { Link } from './link.ts';
import { OwnedStream, type ServeRelayed } from './owned-stream.ts';

/** Numbers of streams are 32 bits long on the wire. */
const LAST_STREAM = 0xffff_ffff;
/** More than clients can have open. */
const MAX_STREAMS = 1_000_000;

export interface RelayDeps {
  readonly runtimeDir: string;
  readonly id: string;
  readonly forwarded: (direction: 'out' | 'in') => void;
}

export class Relay {
  readonly #deps: RelayDeps;
  readonly #peers = new Map<string, Peer>();
  readonly #guests = new Set<Link>();
  readonly #server: Server;
  readonly #routes = new Map<string, ServeRelayed>();

  constructor(deps: RelayDeps) {
    this.#deps = deps;
    this.#server = createServer((socket) => this.#welcome(socket));
  }

  /** Rejects when the socket cannot be made. */
  listen(): Promise<void> {
    const path = socketPath(this.#deps.runtimeDir, this.#deps.id);
    rmSync(path, { force: true });
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      // Exclusive: in a cluster worker it would else be the primary's socket, shared by all of them.
      this.#server.listen({ path, exclusive: true }, () => resolve());
    });
  }

  /** Calls of `route` that other workers carry here are served by `serve`. */
  register(route: string, serve: ServeRelayed): void {
    this.#routes.set(route, serve);
  }

  /** Carries a call to worker `id`, where the same route serves it; the answer goes to `call.reply`. */
  forward(id: string, route: string, call: ForwardedCall): void {
    this.#deps.forwarded('out');
    this.#peer(id).ask({ ...call, head: `${route} ${call.head}` });
  }

  async close(): Promise<void> {
    for (const peer of this.#peers.values()) peer.close();
    for (const guest of this.#guests) guest.close();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  readonly #serve: ServeRelayed = (head, body, reply) => {
    const space = head.indexOf(' ');
    this.#routes.get(head.slice(0, space))?.(head.slice(space + 1), body, reply);
  };

  #peer(id: string): Peer {
    let peer = this.#peers.get(id);
    if (peer === undefined) {
      peer = new Peer(connect(socketPath(this.#deps.runtimeDir, id)), () => this.#peers.delete(id));
      this.#peers.set(id, peer);
    }
    return peer;
  }

  #welcome(socket: Socket): void {
    const streams = new IdTable<OwnedStream>(MAX_STREAMS);
    const link = new Link(
      socket,
      (type, stream, payload) => {
        if (type === FRAME.call) {
          this.#deps.forwarded('in');
          const owned = new OwnedStream(stream, link, this.#serve, () => streams.delete(stream));
          streams.put(stream, owned);
        }
        streams.get(stream)?.take(type, payload);
      },
      () => {
        this.#guests.delete(link);
        for (const stream of [...streams]) stream.abort();
      },
    );
    this.#guests.add(link);
  }
}

export const socketPath = (runtimeDir: string, id: string): string => join(runtimeDir, `${id}.sock`);

/** The asking end of a connection. */
class Peer {
  readonly #link: Link;
  readonly #streams = new IdTable<AskedStream>(MAX_STREAMS, LAST_STREAM);

  constructor(socket: Socket, closed: () => void) {
    this.#link = new Link(
      socket,
      (type, stream, payload) => this.#streams.get(stream)?.take(type, payload),
      () => {
        closed();
        for (const stream of [...this.#streams]) stream.lost();
      },
    );
  }

  ask(call: ForwardedCall): void {
    const stream = new AskedStream(this.#link, call, (over) => this.#streams.delete(over.number));
    stream.number = this.#streams.add(stream);
    stream.start();
  }

  close(): void {
    this.#link.close();
  }
}
