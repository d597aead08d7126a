/** What the bridge's own errors and events look like to a client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgeError } from '../src/errors.ts';
import { type ErrorShape, errorAnswer, RPC_WITHOUT_ID } from '../src/http/send-error.ts';
import { sseEvent, sseNamedEvent, ssePriming, sseRetry } from '../src/http/sse.ts';

const answer = (error: BridgeError, shape: ErrorShape) => {
  const { status, headers, body } = errorAnswer(error, shape, 'r-1');
  return { status, headers: new Map(headers), body };
};

test('outside of /mcp an error is a sentence, a code and the request id', () => {
  const { status, headers, body } = answer(new BridgeError('unknown_server', 'No server "x".'), 'http');
  assert.equal(status, 404);
  assert.equal(headers.get('Content-Type'), 'application/json');
  assert.equal(headers.has('Retry-After'), false);
  assert.equal(body, '{"error":"No server \\"x\\".","code":"unknown_server","requestId":"r-1"}');
});

test("outside of /mcp a server's own error is under rpc", () => {
  const rpc = { code: -32000, message: 'boom', data: { big: [1] } };
  const { status, body } = answer(new BridgeError('server_error', 'It failed.', { rpc }), 'http');
  assert.equal(status, 502);
  assert.deepEqual(JSON.parse(body).rpc, rpc);
});

test('on /mcp an error is JSON-RPC with the id exactly as it was sent', () => {
  for (const rpcId of ['0', '""', '12345678901234567890', '"ä"', 'null']) {
    const { status, body } = answer(new BridgeError('server_timeout', 'Too late.'), { rpcId });
    assert.equal(status, 504);
    assert.equal(
      body,
      `{"jsonrpc":"2.0","id":${rpcId},"error":{"code":-32603,"message":"Too late.",` +
        '"data":{"code":"server_timeout","requestId":"r-1"}}}',
    );
  }
  assert.equal(JSON.parse(answer(new BridgeError('parse_error', 'No.'), RPC_WITHOUT_ID).body).id, null);
});

test('an unknown session is answered with the one body that SDKs know', () => {
  const { status, body } = answer(new BridgeError('session_not_found', 'Gone.'), { rpcId: '7' });
  assert.equal(status, 404);
  assert.equal(body, '{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}');
});

test('a denied tool is 403 on /bridge and an unknown tool on /mcp', () => {
  const denied = new BridgeError('tool_not_allowed', 'Unknown tool: x');
  assert.equal(answer(denied, 'http').status, 403);
  const { status, body } = answer(denied, { rpcId: '1' });
  assert.equal(status, 200);
  assert.equal(JSON.parse(body).error.code, -32602);
});

test('what is worth a retry says when, and further headers are kept', () => {
  const limited = new BridgeError('rate_limited', 'Slow down.', {
    retryAfterSeconds: 7,
    headers: [['RateLimit', 'limit=1']],
  });
  const { headers } = answer(limited, 'http');
  assert.equal(headers.get('Retry-After'), '7');
  assert.equal(headers.get('RateLimit'), 'limit=1');
  assert.equal(answer(new BridgeError('draining', 'Later.'), RPC_WITHOUT_ID).headers.get('Retry-After'), '1');
});

test('events are one line of data, with an id where they can be resumed', () => {
  assert.equal(sseEvent('{"a":1}'), 'event: message\ndata: {"a":1}\n\n');
  assert.equal(sseEvent('{}', 's_1'), 'event: message\nid: s_1\ndata: {}\n\n');
  const bytes = Buffer.from('2');
  assert.deepEqual(sseEvent(['{"a":', bytes, '}'], 's_2'), [
    'event: message\nid: s_2\ndata: ',
    '{"a":',
    bytes,
    '}',
    '\n\n',
  ]);
  assert.equal(ssePriming('s_0'), 'id: s_0\ndata: \n\n');
  assert.equal(sseNamedEvent('endpoint', '/messages/x'), 'event: endpoint\ndata: /messages/x\n\n');
  assert.equal(sseRetry(1000), 'retry: 1000\n\n');
});
