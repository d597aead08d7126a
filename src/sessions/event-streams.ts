/**
 * The event streams of one session, by what their events are called: those that are open, those whose connection
 * broke, and for a while those that are over. Costs a session nothing before its first stream.
 *
 * MCP transports, "Resumability and Redelivery".
 */
import { randomBytes } from 'node:crypto';
import { now } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import { NO_HEADERS, type Reply, SSE_HEADERS } from '../http/reply.ts';
import { rpcErrorBody } from '../http/send-error.ts';
import { sseEvent } from '../http/sse.ts';
import { type EventId, eventIdParts, parseEventId } from './event-id.ts';
import { type Shelf, sessionShelf, streamShelf } from './event-shelf.ts';
import { EventStream } from './event-stream.ts';

/** The first revision whose clients take an event without data. */
const FIRST_PRIMED = '2025-11-25';
/** How long a stream that is over can be asked for, and how many there can be. */
const OVER_MS = 60_000;
const MAX_STREAMS = 256;
/** Behind the last event of any stream: there is nothing to come back for. */
const BEYOND = 999_999_999_999_999;

export class EventStreams {
  readonly #worker: Shelf;
  readonly #primes: boolean;
  #shelf: Shelf | undefined;
  #mark = '';
  #count = 0;
  readonly #streams = new Map<number, EventStream>();

  /** `version`: what was negotiated. */
  constructor(worker: Shelf, version: string) {
    this.#worker = worker;
    this.#primes = version >= FIRST_PRIMED;
  }

  /** The answer to a POST turns into a stream, of which `reply` has sent the head. `request`: its id, if there is one. */
  answering(request: string | undefined, reply: Reply): EventStream {
    const stream = this.#create((number) => eventIdParts(this.#mark, number, request ?? ''));
    stream.start(reply, this.#primes);
    return stream;
  }

  /** A new stream for a GET. `plain`: without ids, because its client does not come back. */
  listening(reply: Reply, plain: boolean): EventStream {
    const stream = this.#create((number) => (plain ? undefined : eventIdParts(this.#mark, number)));
    reply.open(200, SSE_HEADERS);
    stream.start(reply, this.#primes);
    return stream;
  }

  /** A stream for what is said before there is a GET. */
  holding(): EventStream {
    return this.#create(() => undefined);
  }

  /**
   * A GET with `Last-Event-ID`: goes on with that stream and answers through `reply`. False for a GET stream that
   * is not known any more: another one may take its place. Throws `invalid_request` for what is no id of an event.
   */
  resume(lastEventId: string, reply: Reply): boolean {
    const id = parseEventId(lastEventId);
    if (id === undefined || id.request === '') throw noSuchEvent(lastEventId);
    const stream = id.mark === this.#mark ? this.#streams.get(id.stream) : undefined;
    if (stream === undefined && id.request === undefined) return false;
    const isLost = stream === undefined || stream.hasLostItsEndTo(id.event);
    if (id.event === BEYOND || stream?.isDoneAt(id.event) === true || (isLost && id.request === undefined)) {
      // Whoever gets this comes no more. HTML, "Server-sent events".
      reply.send(204, NO_HEADERS, '');
    } else if (isLost) answerLost(id, reply);
    else stream.resume(reply, id.event);
    return true;
  }

  /** Forgets what has been over for a while. */
  tidy(): void {
    const before = now() - OVER_MS;
    for (const [number, stream] of this.#streams) {
      if (!stream.endedBefore(before)) continue;
      stream.forget();
      this.#streams.delete(number);
    }
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.forget();
    this.#streams.clear();
  }

  #create(idParts: (number: number) => readonly [string, string] | undefined): EventStream {
    if (this.#mark === '') this.#mark = randomBytes(6).toString('base64url');
    this.#shelf ??= sessionShelf(this.#worker);
    this.#makeRoom();
    const number = ++this.#count;
    const stream = new EventStream(streamShelf(this.#shelf), idParts(number));
    this.#streams.set(number, stream);
    return stream;
  }

  #makeRoom(): void {
    for (const [number, stream] of this.#streams) {
      if (this.#streams.size < MAX_STREAMS) return;
      if (!stream.isOver) continue;
      stream.forget();
      this.#streams.delete(number);
    }
  }
}

/** In place of an answer that was given and is not kept, or that died with its worker: nobody need wait for it. */
function answerLost({ mark, stream, request = 'null' }: EventId, reply: Reply): void {
  const error = new BridgeError('answer_lost', 'The answer was given on a stream that is not kept any more.');
  const [head, tail] = eventIdParts(mark, stream, request);
  reply.open(200, SSE_HEADERS);
  reply.write(sseEvent(rpcErrorBody(error, request, reply.requestId), `${head}${BEYOND}${tail}`));
  reply.end();
}

const noSuchEvent = (lastEventId: string): BridgeError =>
  new BridgeError(
    'invalid_request',
    `Last-Event-ID "${lastEventId.slice(0, 100)}" is the id of no event that can be resumed from.`,
  );
