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

const PLACES: ReadonlyMap<string, number> = new Map(KNOWN_FIELDS.map((name, place) => [name, place]));

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
  ];
  /** All others: name, value, name, value … */
  #others: string[] | undefined;
  #twice: string | undefined;

  add(name: string, value: string): void {
    const place = PLACES.get(name);
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
    else if (name === 'content-length' || this.#twice === undefined) this.#twice = name;
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

/**
 * One answer in the making. After the client is gone (`onAbort`) or the answer ended, every method is a no-op:
 * neither engine throws or terminates on a late call.
 */
export interface RawResponse {
  /** At most one listener each. */
  onAbort(listener: () => void): void;
  /** `chunk` is valid only during the call. Must be set in the same tick as the request handler runs. */
  onData(listener: (chunk: Uint8Array, last: boolean) => void): void;
  /** Stops and resumes taking body bytes from the socket. */
  pause(): void;
  resume(): void;
  /** The whole answer at once; large bodies are sent as the client takes them. `closing` adds `Connection: close` and closes afterwards. */
  end(status: number, headers: HeaderPairs, body: Chunk | readonly Chunk[], closing: boolean): void;
  /**
   * Begins an answer of unknown length. The head may wait for the first `write`. `closing` says
   * `Connection: close`; uWebSockets.js then leaves closing to the client and to its idle timeout.
   */
  begin(status: number, headers: HeaderPairs, closing: boolean): void;
  /** Sends a part of it; false when the client is slow and `onDrain` will be called. */
  write(chunk: Chunk): boolean;
  onDrain(listener: () => void): void;
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
