/**
 * What a session says that belongs to no call: its one GET stream, and what waits for it. Each message goes out on
 * one stream; what nobody fetches is held up to a bound, beyond which the oldest goes (see event-shelf.ts).
 *
 * MCP transports, "Listening for Messages from the Server".
 */
import { BridgeError } from '../errors.ts';
import type { Chunk } from '../http/engine.ts';
import type { Reply } from '../http/reply.ts';
import type { EventStream } from './event-stream.ts';
import type { EventStreams } from './event-streams.ts';

/** When a client comes again whose stream the bridge has closed early. */
const RETRY_MS = 1_000;

export class Outlet {
  readonly #streams: EventStreams;
  /** The latest one, whether its client is there or not. */
  #stream: EventStream | undefined;

  constructor(streams: EventStreams) {
    this.#streams = streams;
  }

  get isOpen(): boolean {
    return this.#stream?.isConnected === true;
  }

  /**
   * A new stream, which takes over what the one before has not sent. `plain`: its client does not come back to it.
   * Throws `stream_conflict` while another one is open.
   */
  open(reply: Reply, plain: boolean): void {
    if (this.isOpen) {
      throw new BridgeError(
        'stream_conflict',
        'This session has its one GET stream open already; close it first.',
      );
    }
    const before = this.#stream;
    this.#stream = this.#streams.listening(reply, plain);
    for (const data of before?.takeUnsent() ?? []) this.#stream.send(data);
    before?.end();
  }

  /** False when no stream is open. */
  send(text: Chunk): boolean {
    if (!this.isOpen) return false;
    this.#stream?.send(text);
    return true;
  }

  /** Keeps a message for the client who comes back, or opens another stream. */
  hold(text: Chunk): void {
    this.#stream ??= this.#streams.holding();
    this.#stream.send(text);
  }

  /** Ends the connection, not the stream. */
  release(): void {
    this.#stream?.release(RETRY_MS);
  }
}
