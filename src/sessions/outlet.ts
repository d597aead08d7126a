/**
 * A session's GET stream, and what waits for it. Each message goes out exactly once; what nobody fetches is held
 * up to a bound, beyond which the oldest goes.
 *
 * MCP transports, "Listening for Messages from the Server".
 */
import { BridgeError } from '../errors.ts';
import type { Chunk } from '../http/engine.ts';
import { type Reply, SSE_HEADERS } from '../http/reply.ts';
import { SSE_COMMENT, sseEvent } from '../http/sse.ts';

const MAX_HELD = 100;

export class Outlet {
  #stream: Reply | undefined;
  #held: Chunk[] = [];

  get isOpen(): boolean {
    return this.#stream !== undefined;
  }

  /** Throws `stream_conflict` while another stream is open. */
  open(reply: Reply): void {
    if (this.#stream !== undefined) {
      throw new BridgeError(
        'stream_conflict',
        'This session has its one GET stream open already; close it first.',
      );
    }
    this.#stream = reply;
    reply.open(200, SSE_HEADERS);
    reply.onAbort(() => {
      if (this.#stream === reply) this.#stream = undefined;
    });
    if (!this.isOpen) return; // gone already: what is held waits for the next one
    for (const text of this.#held.splice(0)) reply.write(sseEvent(text));
  }

  /** False when no stream is open. */
  send(text: Chunk): boolean {
    this.#stream?.write(sseEvent(text));
    return this.#stream !== undefined;
  }

  /** Keeps a message for the stream that the client may open next. */
  hold(text: Chunk): void {
    if (this.#held.length >= MAX_HELD) this.#held.shift();
    this.#held.push(text);
  }

  keepAlive(): void {
    this.#stream?.write(SSE_COMMENT);
  }

  close(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#held = [];
    stream?.end();
  }
}
