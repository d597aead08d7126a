/**
 * The small interface behind which uWebSockets.js and node:http are the same thing. Routes never see it: they
 * see an Exchange, the only user of a RawResponse.
 */

/** Fields that are looked at on every request; each has its place, so that finding one compares no strings. */
const KNOWN_FIELDS: readonly string[] = [
  'host',
  'origin',
  'authorization',
  'content-type',
  'content-length',
  'transfer-encoding',
  'accept',
  'mcp-session-id',
  'mcp-protocol-version',
  'x-request-id',
  'mcp-method',
  'mcp-name',
  'traceparent',
  'tracestate',
  'baggage',
];

/** Place of the first field of a trace; the others follow it. */
const TRACE = KNOWN_FIELDS.indexOf('traceparent');

/** Fields that may come in several parts, which belong together (RFC 9110, section 5.3). */
const LISTS = new Set(['accept', 'tracestate', 'baggage']);

/** Of several doubled fields these are the worst: they say where the request ends. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding']);

const PLACES: ReadonlyMap<string, number> = new Map(KNOWN_FIELDS.map((name, place) => [name, place]));

/** The known fields whose names have a length: a name that comes in is compared with one or two, and not hashed. */
const PLACES_BY_LENGTH: (readonly number[] | undefined)[] = [];
for (const [place, { length }] of KNOWN_FIELDS.entries()) {
  PLACES_BY_LENGTH[length] = [...(PLACES_BY_LENGTH[length] ?? []), place];
}

function placeOf(name: string): number | undefined {
  const places = PLACES_BY_LENGTH[name.length];
  if (places === undefined) return undefined;
  for (const place of places) if (KNOWN_FIELDS[place] === name) return place;
  return undefined;
}

/** Header fields of one request as they came, names in lower case, duplicates kept. */
export class HeaderList {
  /** The first value of each known field. */
  readonly #known: (string | undefined)[] = [
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ];
  /** All others: name, value, name, value … */
  #others: string[] | undefined;
  #twice: string | undefined;

  add(name: string, value: string): void {
    const place = placeOf(name);
    if (place === undefined) this.#addOther(name, value);
    else if (this.#known[place] === undefined) this.#known[place] = value;
    else this.#again(place, name, value);
  }

  /** The first value of `name` (lower case). */
  get(name: string): string | undefined {
    const place = PLACES.get(name);
    if (place !== undefined) return this.#known[place];
    const others = this.#others;
    if (others === undefined) return undefined;
    for (let i = 0; i < others.length; i += 2) if (others[i] === name) return others[i + 1];
    return undefined;
  }

  /** Whether there is something of a trace: nearly no request has it, and then nobody need look for more. */
  get hasTrace(): boolean {
    const known = this.#known;
    return known[TRACE] !== undefined || known[TRACE + 1] !== undefined || known[TRACE + 2] !== undefined;
  }

  /** All of a family, by name; undefined when there are none. One that was sent twice has both values. */
  startingWith(prefix: string): Record<string, string> | undefined {
    const others = this.#others;
    if (others === undefined) return undefined;
    let found: Record<string, string> | undefined;
    for (let i = 0; i < others.length; i += 2) {
      const [name = '', value = ''] = [others[i], others[i + 1]];
      if (!name.startsWith(prefix)) continue;
      found ??= {};
      found[name] = Object.hasOwn(found, name) ? `${found[name]}, ${value}` : value;
    }
    return found;
  }

  /**
   * A field that was sent more than once and must not be: two of them would mean one thing to a proxy before us and
   * another to us.
   */
  get sentTwice(): string | undefined {
    return this.#twice;
  }

  *entries(): IterableIterator<readonly [name: string, value: string]> {
    for (const [place, name] of KNOWN_FIELDS.entries()) {
      const value = this.#known[place];
      if (value !== undefined) yield [name, value];
    }
    const others = this.#others ?? [];
    for (let i = 0; i < others.length; i += 2) yield [others[i] as string, others[i + 1] as string];
  }

  #again(place: number, name: string, value: string): void {
    if (LISTS.has(name)) this.#known[place] += `, ${value}`;
    // Proxies add request ids to those of others, and of two traces none is to be believed.
    else if (name === 'traceparent') this.#known[place] = '';
    else if (name === 'x-request-id') return;
    else if (FRAMING.has(name) || this.#twice === undefined) this.#twice = name;
  }

  #addOther(name: string, value: string): void {
    this.#others ??= [];
    this.#others.push(name, value);
  }
}

/** Request line and header fields together; more is answered 431. */
export const MAX_HEAD_BYTES = 16 * 1024;

export interface RawRequest {
  /** As sent: methods are case-sensitive. */
  readonly method: string;
  /** As sent: not decoded, without the query. */
  readonly path: string;
  /** What follows `?`, without it; empty when there is none. */
  readonly query: string;
  readonly headers: HeaderList;
  /** Address of the peer of this TCP connection, in text. */
  readonly peerAddress: string;
}

export type Chunk = string | Uint8Array;

/**
 * Answer headers, in the order in which they are sent. Shared constants where possible: they cost nothing. No value
 * may hold a line break; who puts a client's text into one has checked it, because uWebSockets.js does not.
 */
export type HeaderPairs = readonly (readonly [name: string, value: string])[];

/** What a request's client does while its answer is in the making. */
export interface ResponseListener {
  /** It is gone; nothing follows. */
  aborted(): void;
  /** A part of the body came; `bytes` is valid only during the call. */
  received(bytes: Uint8Array, last: boolean): void;
}

/** What stands before an answer's body. */
export interface AnswerHead {
  readonly status: number;
  readonly requestId: string;
  /** What the route says, and what the gate says to a page of another origin. */
  readonly headers: HeaderPairs;
  readonly corsHeaders: HeaderPairs;
  /** `Connection: close`. */
  readonly closing: boolean;
}

/**
 * One answer in the making. After the client is gone or the answer ended, every method is a no-op: neither engine
 * throws or terminates on a late call.
 */
export interface RawResponse {
  /** Once, in the tick in which the request came. */
  listen(listener: ResponseListener): void;
  /** From now on the body comes to the listener. Once, in the tick in which the request came. */
  receive(): void;
  /** The whole answer at once; large bodies are sent as the client takes them. A closing one closes afterwards. */
  end(head: AnswerHead, body: Chunk | readonly Chunk[]): void;
  /**
   * Begins an answer of unknown length. The head may wait for the first `write`. After a closing one uWebSockets.js
   * leaves closing to the client and to its idle timeout.
   */
  begin(head: AnswerHead): void;
  /** Sends a part of it, or keeps it until the client takes more. */
  write(chunk: Chunk): void;
  /** Bytes written but not yet taken by the client. */
  readonly buffered: number;
  /** Ends an answer begun with `begin`. */
  finish(): void;
  /** Cuts the connection. */
  cut(): void;
}

export type RequestHandler = (request: RawRequest, response: RawResponse) => void;

export interface Listener {
  readonly port: number;
  /** No new connections; those that exist go on. */
  stopAccepting(): void;
  /** Cuts all that is left. */
  close(): void;
}

export interface HttpEngine {
  readonly name: 'uws' | 'node';
  /** Rejects with a sentence that names host and port when it cannot listen. */
  listen(address: { host: string; port: number }, handler: RequestHandler): Promise<Listener>;
}
