/** The `Origin` header: which pages of which sites may call, and what browsers are told (Fetch standard, 3.2). */
import { BridgeError } from '../errors.ts';
import type { HeaderPairs, RawRequest } from './engine.ts';
import { NO_HEADERS, type Reply } from './reply.ts';

const LOOPBACK_ORIGIN = /^https?:\/\/(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;
const EXPOSED = 'Mcp-Session-Id, X-Request-Id, WWW-Authenticate, Retry-After';
const METHODS = 'POST, GET, DELETE, OPTIONS';
const REQUEST_HEADERS =
  'Authorization, Content-Type, Accept, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name, ' +
  'Last-Event-ID, X-Request-Id, traceparent, tracestate, baggage';
const PARAMETER_HEADER = /^mcp-param-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/i;
const MAX_PARAMETER_HEADERS = 64;
const PREFLIGHT_MAX_AGE_SECONDS = 600;

export interface Cors {
  /** The headers that let the page at `origin` read the answer; throws `origin_not_allowed`. */
  check(origin: string | undefined): HeaderPairs;
}

export function createCors(allowed: readonly string[], loopback: boolean): Cors {
  const origins = new Set(allowed.map((origin) => origin.toLowerCase().replace(/\/$/, '')));
  const granted = new Map<string, HeaderPairs>();
  return {
    check(origin) {
      if (origin === undefined) return NO_HEADERS;
      const known = granted.get(origin);
      if (known !== undefined) return known;
      if (!origins.has(origin.toLowerCase()) && !(loopback && LOOPBACK_ORIGIN.test(origin))) {
        throw new BridgeError(
          'origin_not_allowed',
          'Pages of this Origin may not call this bridge (ALLOWED_ORIGINS).',
        );
      }
      const pairs: HeaderPairs = [
        ['Access-Control-Allow-Origin', origin],
        ['Access-Control-Expose-Headers', EXPOSED],
        ['Vary', 'Origin'],
      ];
      // Loopback origins differ by port: kept only while they are few.
      if (granted.size < 64) granted.set(origin, pairs);
      return pairs;
    },
  };
}

/** Answers OPTIONS. Whether the origin may is in the headers that `check` gave, which every answer carries. */
export function answerPreflight(request: RawRequest, reply: Reply): void {
  if (request.headers.other('access-control-request-method') === undefined) {
    reply.send(204, [['Allow', METHODS]], '');
    return;
  }
  const asked = (request.headers.other('access-control-request-headers') ?? '').split(',');
  const parameters = asked.map((name) => name.trim()).filter((name) => PARAMETER_HEADER.test(name));
  reply.send(
    204,
    [
      ['Access-Control-Allow-Methods', METHODS],
      [
        'Access-Control-Allow-Headers',
        [REQUEST_HEADERS, ...parameters.slice(0, MAX_PARAMETER_HEADERS)].join(', '),
      ],
      ['Access-Control-Max-Age', String(PREFLIGHT_MAX_AGE_SECONDS)],
    ],
    '',
  );
}
