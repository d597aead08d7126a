/** HTTP requests as bytes, from nearly right to nonsense. */
import fc from 'fast-check';
import { mutated } from './mutate.ts';

/** What belongs to one running bridge. */
export interface Ground {
  readonly token: string;
  /** Sessions that are open. */
  readonly sessions: readonly string[];
}

const METHODS = [
  'GET',
  'POST',
  'DELETE',
  'OPTIONS',
  'HEAD',
  'PUT',
  'get',
  'PRI',
  'CONNECT',
  'TRACE',
  '',
  'P\0ST',
];
const TARGETS = [
  '/mcp/target',
  '/mcp/target?x=%zz',
  '/mcp/',
  '/mcp/%2e%2e',
  '/mcp/%ff',
  '/mcp/%00',
  '/mcp/__proto__',
  '/mcp/target/extra',
  '/bridge',
  '/sse/target',
  '/messages/target?sessionId=x',
  '/servers',
  '/ready?server=%',
  '/health',
  '/metrics',
  '/.well-known/oauth-protected-resource/mcp/target',
  '//mcp/target',
  '/./mcp/target',
  '*',
  'http://127.0.0.1/mcp/target',
  'http://evil.example/',
  'mcp',
  '',
  '/\x80\xff',
];
const VERSIONS = ['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.', 'http/1.1', 'HTTP/11', ''];
const NAMES = [
  'Host',
  'Authorization',
  'Content-Type',
  'Content-Length',
  'Transfer-Encoding',
  'Accept',
  'Origin',
  'Connection',
  'Upgrade',
  'Expect',
  'Mcp-Session-Id',
  'MCP-Protocol-Version',
  'Mcp-Method',
  'Mcp-Name',
  'Mcp-Param-x',
  'Last-Event-ID',
  'X-Request-Id',
  'X-Forwarded-For',
  'Access-Control-Request-Method',
  'Access-Control-Request-Headers',
  'Cookie',
];
const ODD_NAMES = ['Content-Length ', '', ' Folded', 'Na me', 'N\0ame', '\xe9'];
const VALUES = [
  '0',
  '5',
  '-1',
  '+5',
  '0x5',
  '5, 5',
  '18446744073709551616',
  'chunked',
  'Chunked',
  'gzip, chunked',
  'chunked, identity',
  '\x0bchunked',
  'keep-alive',
  'close',
  'Upgrade',
  'websocket',
  'h2c',
  '100-continue',
  'null',
  'http://localhost:5173',
  '2025-06-18',
  '2026-07-28',
  '=?base64?AAAA?=',
  '=?base64?&&?=',
  '',
  '\0',
  'a\rb',
  'a\tb',
  '\x80\xff',
  'Bearer',
  'Bearer a.b.c',
  '1.2.3.4, ::1, %',
];
const CHUNKS = [
  '5\r\nhello\r\n0\r\n\r\n',
  '5;ext="\r\n"\r\nhello\r\n0\r\n\r\n',
  '05\r\nhello\r\n0\r\nTrailer: x\r\n\r\n',
  'FFFFFFFFFFFFFFFFF\r\nhello',
  '-5\r\nhello\r\n0\r\n\r\n',
  '0x5\r\nhello\r\n0\r\n\r\n',
  '5\nhello\n0\n\n',
  '6\r\nhello\r\n0\r\n\r\n',
  '0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n',
];

const someText = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 40 }),
  fc.constant('a'.repeat(20_000)),
);
/** Mostly the first: a request with one thing wrong comes further than one with three. */
const mostly = <T>(usual: readonly T[], odd: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: odd });
const value = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...VALUES) },
  { weight: 1, arbitrary: someText },
);
const eol = mostly(['\r\n'], fc.constantFrom('\n', '\r', '\r\r\n', ''));

/** `bare`: a body that nothing announces is the next request. */
type Framing = 'length' | 'none' | 'bare';

/** One or several requests of one connection. */
export function rawRequests({ token, sessions }: Ground): fc.Arbitrary<Buffer> {
  const honest = fc.constantFrom(
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    ...sessions.map((id) => `Mcp-Session-Id: ${id}`),
  );
  const odd = fc
    .tuple(mostly(NAMES, fc.constantFrom(...ODD_NAMES)), mostly([': ', ':'], fc.constantFrom(' : ', ' ', '')))
    .chain(([name, colon]) => value.map((text) => `${name}${colon}${text}`));
  const body = fc.oneof(
    fc.constantFrom('', '{}', '{"jsonrpc":"2.0","id":1,"method":"ping"}', ...CHUNKS),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  );
  const request = fc
    .record({
      method: mostly(['GET', 'POST', 'POST', 'DELETE'], fc.oneof(fc.constantFrom(...METHODS), someText)),
      target: mostly(TARGETS, someText),
      version: mostly(['HTTP/1.1'], fc.constantFrom(...VERSIONS)),
      honest: fc.uniqueArray(honest, { minLength: 2, maxLength: 5 }),
      odd: fc.array(odd, { maxLength: 2 }),
      framing: mostly<Framing>(['length', 'none'], fc.constant('bare')),
      many: fc.oneof({ weight: 60, arbitrary: fc.constant(0) }, fc.constantFrom(99, 101, 300)),
      eol,
      body,
    })
    .map((parts) => {
      const crowd = Array.from({ length: parts.many }, (_, i) => `X-${i}: ${i}`);
      const head = [
        `${parts.method} ${parts.target} ${parts.version}`,
        'Host: localhost',
        ...parts.honest,
        ...parts.odd,
        ...crowd,
        ...(parts.framing === 'length' ? [`Content-Length: ${parts.body.length}`] : []),
      ];
      return head.join(parts.eol) + parts.eol + parts.eol + (parts.framing === 'none' ? '' : parts.body);
    });
  const requests = fc
    .array(request, { minLength: 1, maxLength: 2 })
    .map((all) => Buffer.from(all.join(''), 'latin1'));
  return mutated(requests, 2);
}
