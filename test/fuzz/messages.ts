/** Requests that are right as HTTP, and wrong in what they say: messages, sessions, streams. */
import fc from 'fast-check';
import { type MessageForm, oddMessage } from '../harness/odd-json.ts';
import { mutated } from './mutate.ts';
import type { Ground } from './requests.ts';

export interface Ask {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

const META = (version: string): string =>
  `{"io.modelcontextprotocol/protocolVersion":"${version}","io.modelcontextprotocol/clientCapabilities":{}}`;

const MESSAGES = [
  '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  '{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"echo","arguments":{"text":"x"},"_meta":{"progressToken":7}}}',
  '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"f","version":"1"}}}',
  '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
  '{"jsonrpc":"2.0","id":5,"method":"resources/subscribe","params":{"uri":"test://one"}}',
  '{"jsonrpc":"2.0","id":5,"method":"logging/setLevel","params":{"level":"info"}}',
  '{"jsonrpc":"2.0","id":5,"result":{}}',
  '{"jsonrpc":"2.0","id":5,"error":{"code":-1,"message":"x"}}',
  `{"jsonrpc":"2.0","id":9,"method":"tools/list","params":{"_meta":${META('2026-07-28')}}}`,
  `{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"echo","arguments":{"text":"x"},"requestState":"AAAA","_meta":${META('2026-07-28')}}}`,
  `{"jsonrpc":"2.0","id":9,"method":"server/discover","params":{"_meta":${META('2099-01-01')}}}`,
  '[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]',
];
const CALLS = [
  '{"serverPath":"target","method":"tools/call","params":{"name":"echo","arguments":{"text":"x"}}}',
  '{"serverPath":"npx","args":["-y","x"],"env":{"A":"b"},"method":"tools/list"}',
  '{"serverPath":"http://169.254.169.254/","method":"tools/list","params":{}}',
];

const FORMS: readonly MessageForm[] = ['request', 'progress', 'result', 'error'];

/** A message, a batch or a call to /bridge, changed here and there. */
const wrongBody = fc.oneof(
  mutated(
    fc.constantFrom(...MESSAGES, ...CALLS).map((text) => Buffer.from(text)),
    3,
  ),
  fc
    .tuple(fc.constantFrom(...FORMS), fc.uint8Array({ maxLength: 80 }))
    .map(([form, choices]) => Buffer.from(oddMessage(choices, form))),
  fc.json({ maxDepth: 4 }).map((text) => Buffer.from(text)),
  fc.constantFrom('[', '{"a":').chain((open) => fc.nat(2_000).map((n) => Buffer.from(open.repeat(n)))),
);

const version = fc.constantFrom(undefined, '2025-03-26', '2025-06-18', '2026-07-28', '2099-01-01', 'x', '');

const POSTS = ['/mcp/target', '/mcp/target', '/mcp/own', '/bridge', '/messages/target?sessionId=x'] as const;

export function wrongMessages(ground: Ground): fc.Arbitrary<Ask> {
  return fc
    .record({ path: fc.constantFrom(...POSTS), body: wrongBody, version })
    .map(({ path, body, ...more }) => ({
      method: 'POST',
      path,
      body,
      headers: {
        ...honestHeaders(ground),
        ...(more.version !== undefined && { 'MCP-Protocol-Version': more.version }),
      },
    }));
}

/** Ids of sessions that were, nearly were, or never were. */
export function wrongSessions(ground: Ground): fc.Arbitrary<Ask> {
  const visible = (bytes: Buffer): string => bytes.toString('latin1').replace(/[^\x21-\x7e]/g, '~');
  const id = fc.oneof(
    mutated(
      fc.constantFrom(...ground.sessions).map((text) => Buffer.from(text)),
      2,
    ).map(visible),
    fc.string({ maxLength: 200 }).map((text) => visible(Buffer.from(text))),
    fc.constantFrom('__proto__', 'constructor', '.', '...', '....', 'a.b.c.d', 'x'.repeat(8_000)),
  );
  const ping = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"ping"}');
  return fc
    .record({
      method: fc.constantFrom('POST', 'POST', 'GET', 'DELETE'),
      path: fc.constantFrom('/mcp/target', '/mcp/own', '/mcp/nobody'),
      id,
    })
    .map(({ method, path, id: session }) => ({
      method,
      // An id that was not changed opens its stream, or ends: then it is one that was.
      path,
      headers: { ...honestHeaders(ground), 'Mcp-Session-Id': session },
      ...(method === 'POST' && { body: ping }),
    }));
}

/** Streams that are opened, resumed from nowhere and left. */
export function wrongStreams(ground: Ground): fc.Arbitrary<Ask> {
  return fc
    .record({
      path: fc.constantFrom('/mcp/target', '/mcp/own', '/sse/target', '/sse/nobody'),
      session: fc.oneof(fc.constantFrom(...ground.sessions), fc.constant('')),
      last: fc.oneof(fc.constantFrom('', '0', '-1', '1-1', '9'.repeat(400), '%00'), fc.base64String()),
    })
    .map(({ path, session, last }) => ({
      method: 'GET',
      path,
      headers: {
        Authorization: `Bearer ${ground.token}`,
        Accept: 'text/event-stream',
        'Last-Event-ID': last,
        ...(session !== '' && { 'Mcp-Session-Id': session }),
      },
    }));
}

const honestHeaders = ({ token }: Ground): Record<string, string> => ({
  Authorization: `Bearer ${token}`,
  'Content-Type': 'application/json',
  Accept: 'application/json, text/event-stream',
});
