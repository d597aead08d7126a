/**
 * One event stream of a session, which is more than the connection that carries it: what it says is numbered and
 * kept, and goes on where the client comes back.
 *
 *   connected <--resume-- broken            either --end--> over (what was said can still be fetched for a while)
 *       \----the client is gone----^
 *
 * MCP transports, "Resumability and Redelivery".
 */
import { now } from '../deadline.ts';
import { type Reply, SSE_HEADERS } from '../http/reply.ts';
import { sseEvent, ssePriming, sseRetry } from '../http/sse.ts';
import type { EventData, Shelf } from './event-shelf.ts';

export class EventStream {
  readonly #shelf: Shelf;
  readonly #idParts: readonly [string, string] | undefined;
  #reply: Reply | undefined;
  /** Number of the latest event. */
  #latest = 0;
  /** Number of the latest event that went out to some connection. */
  #sent = 0;
  #endedAt: number | undefined;

  /** `idParts`: see event-id.ts; undefined where no client can come back. */
  constructor(shelf: Shelf, idParts: readonly [string, string] | undefined) {
    this.#shelf = shelf;
    this.#idParts = idParts;
  }

  get isConnected(): boolean {
    return this.#reply !== undefined;
  }

  get isOver(): boolean {
    return this.#endedAt !== undefined;
  }

  /** It is over, and its last event was seen, or is not kept any more. */
  isDoneAt(event: number): boolean {
    return this.#endedAt !== undefined && event >= this.#latest;
  }

  /** It is over, and its last event was not seen, nor is kept. */
  hasLostItsEndTo(event: number): boolean {
    if (this.#endedAt === undefined || event >= this.#latest) return false;
    let last = 0;
    for (const { number } of this.#shelf) last = number;
    return last !== this.#latest;
  }

  endedBefore(time: number): boolean {
    return this.#endedAt !== undefined && this.#endedAt < time;
  }

  /** Its first connection, on which a stream was begun. `primes`: the client can resume before the first event. */
  start(reply: Reply, primes: boolean): void {
    const id = primes ? this.#id(0) : undefined;
    if (id !== undefined) reply.write(ssePriming(id));
    this.#attach(reply);
  }

  /** Goes on behind event `after`. Another connection that still seems to be there is not. */
  resume(reply: Reply, after: number): void {
    reply.open(200, SSE_HEADERS);
    if (reply.state === 'done') return;
    for (const kept of this.#shelf) {
      if (kept.number <= after) this.#shelf.drop(kept);
      else reply.write(sseEvent(kept.data, this.#id(kept.number)));
    }
    this.#attach(reply);
    if (this.#endedAt !== undefined) this.#detach()?.end();
  }

  /** Also while nobody is connected: then it is kept. */
  send(data: EventData): void {
    if (this.#endedAt !== undefined) return;
    this.#latest++;
    if (this.#reply === undefined || this.#idParts !== undefined) this.#shelf.put(this.#latest, data);
    if (this.#reply === undefined) return;
    this.#sent = this.#latest;
    this.#reply.write(sseEvent(data, this.#id(this.#latest)));
  }

  /** What never went out; it goes out on another stream, and not on this one any more. */
  takeUnsent(): EventData[] {
    const unsent: EventData[] = [];
    for (const kept of this.#shelf) {
      if (kept.number <= this.#sent) continue;
      unsent.push(kept.data);
      this.#shelf.drop(kept);
    }
    this.#latest = this.#sent;
    return unsent;
  }

  /** Ends the connection, not the stream: the client is to come back after `retryMs`. */
  release(retryMs: number): void {
    const reply = this.#detach();
    reply?.write(sseRetry(retryMs));
    reply?.end();
  }

  /** Nothing more will be said. */
  end(): void {
    this.#endedAt ??= now();
    this.#detach()?.end();
  }

  /** Nobody can come back to it any more. */
  forget(): void {
    this.end();
    this.#shelf.clear();
  }

  #attach(reply: Reply): void {
    if (reply.state === 'done') return;
    const before = this.#detach();
    this.#reply = reply;
    this.#sent = this.#latest;
    reply.onAbort(() => {
      if (this.#reply === reply) this.#reply = undefined;
    });
    before?.end();
  }

  #detach(): Reply | undefined {
    const reply = this.#reply;
    this.#reply = undefined;
    return reply;
  }

  #id(event: number): string | undefined {
    return this.#idParts === undefined ? undefined : this.#idParts.join(`${event}`);
  }
}
