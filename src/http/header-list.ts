/**
 * The header fields of one request. Those that are looked at on every request have a place each, so that finding one
 * takes no search; doubled ones are found on the way in.
 */

/** In the order of their places. */
const KNOWN_FIELDS = [
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
] as const;

type KnownField = (typeof KNOWN_FIELDS)[number];

/** Fields that may come in several parts, which belong together (RFC 9110, section 5.3). */
const LISTS = new Set(['accept', 'tracestate', 'baggage']);

/** Of several doubled fields these are the worst: they say where the request ends. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding']);

const placeAmongAll = (name: KnownField): number => KNOWN_FIELDS.indexOf(name);

const HOST = placeAmongAll('host');
const ORIGIN = placeAmongAll('origin');
const AUTHORIZATION = placeAmongAll('authorization');
const CONTENT_TYPE = placeAmongAll('content-type');
const CONTENT_LENGTH = placeAmongAll('content-length');
const TRANSFER_ENCODING = placeAmongAll('transfer-encoding');
const ACCEPT = placeAmongAll('accept');
const SESSION_ID = placeAmongAll('mcp-session-id');
const PROTOCOL_VERSION = placeAmongAll('mcp-protocol-version');
const REQUEST_ID = placeAmongAll('x-request-id');
const MCP_METHOD = placeAmongAll('mcp-method');
const MCP_NAME = placeAmongAll('mcp-name');
const TRACEPARENT = placeAmongAll('traceparent');
const TRACESTATE = placeAmongAll('tracestate');
const BAGGAGE = placeAmongAll('baggage');

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
  #size = 0;

  add(name: string, value: string): void {
    this.#size += name.length + value.length;
    const place = placeOf(name);
    if (place === undefined) this.#addOther(name, value);
    else if (this.#known[place] === undefined) this.#known[place] = value;
    else this.#again(place, name, value);
  }

  /** Characters of all names and values. */
  get size(): number {
    return this.#size;
  }

  get host(): string | undefined {
    return this.#known[HOST];
  }

  get origin(): string | undefined {
    return this.#known[ORIGIN];
  }

  get authorization(): string | undefined {
    return this.#known[AUTHORIZATION];
  }

  get contentType(): string | undefined {
    return this.#known[CONTENT_TYPE];
  }

  get contentLength(): string | undefined {
    return this.#known[CONTENT_LENGTH];
  }

  get transferEncoding(): string | undefined {
    return this.#known[TRANSFER_ENCODING];
  }

  get accept(): string | undefined {
    return this.#known[ACCEPT];
  }

  /** `Mcp-Session-Id` */
  get sessionId(): string | undefined {
    return this.#known[SESSION_ID];
  }

  /** `MCP-Protocol-Version` */
  get protocolVersion(): string | undefined {
    return this.#known[PROTOCOL_VERSION];
  }

  /** `X-Request-Id` */
  get requestId(): string | undefined {
    return this.#known[REQUEST_ID];
  }

  /** `Mcp-Method` */
  get mcpMethod(): string | undefined {
    return this.#known[MCP_METHOD];
  }

  /** `Mcp-Name` */
  get mcpName(): string | undefined {
    return this.#known[MCP_NAME];
  }

  get traceparent(): string | undefined {
    return this.#known[TRACEPARENT];
  }

  get tracestate(): string | undefined {
    return this.#known[TRACESTATE];
  }

  get baggage(): string | undefined {
    return this.#known[BAGGAGE];
  }

  /** The first value of any other field; `name` in lower case. */
  other(name: string): string | undefined {
    const others = this.#others;
    if (others === undefined) return undefined;
    for (let i = 0; i < others.length; i += 2) if (others[i] === name) return others[i + 1];
    return undefined;
  }

  /** All others of a family, by name; undefined when there are none. One that was sent twice has both values. */
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
