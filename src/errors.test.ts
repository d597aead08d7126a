import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { asBridgeError, BridgeError, ERRORS, type ErrorCode, messageOf } from './errors.ts';

/** Clients program against these: a change here is a change of the public interface. */
const TABLE: Record<ErrorCode, readonly [status: number, rpc: number, retryable: boolean]> = {
  parse_error: [400, -32700, false],
  invalid_request: [400, -32600, false],
  invalid_params: [400, -32602, false],
  rejected_params: [200, -32602, false],
  header_mismatch: [400, -32020, false],
  unsupported_version: [400, -32022, false],
  unauthorized: [401, -32603, false],
  host_not_allowed: [403, -32603, false],
  origin_not_allowed: [403, -32603, false],
  command_not_allowed: [403, -32603, false],
  url_not_allowed: [403, -32603, false],
  server_not_allowed: [403, -32603, false],
  bridge_not_allowed: [403, -32603, false],
  tool_not_allowed: [403, -32602, false],
  not_found: [404, -32603, false],
  unknown_server: [404, -32603, false],
  unknown_method: [404, -32601, false],
  session_not_found: [404, -32001, false],
  method_not_allowed: [405, -32603, false],
  not_acceptable: [406, -32603, false],
  stream_conflict: [409, -32603, false],
  body_too_large: [413, -32603, false],
  unsupported_media_type: [415, -32603, false],
  rate_limited: [429, -32603, true],
  internal: [500, -32603, false],
  server_start_failed: [502, -32603, false],
  server_died: [502, -32603, false],
  server_error: [502, -32603, false],
  worker_died: [502, -32603, false],
  answer_lost: [502, -32603, false],
  message_too_large: [502, -32603, false],
  auth_unavailable: [503, -32603, true],
  starting: [503, -32603, true],
  draining: [503, -32603, true],
  at_limit: [503, -32603, true],
  server_backing_off: [503, -32603, true],
  server_timeout: [504, -32603, false],
};

test('the table of errors is what clients know it to be', () => {
  const table = Object.entries(ERRORS).map(([code, { status, rpc, retryable }]) => [
    code,
    [status, rpc, retryable],
  ]);
  assert.deepEqual(Object.fromEntries(table), TABLE);
});

test('docs/http.md has every error with its status and its JSON-RPC code, which is -32603 where none is given', () => {
  const page = readFileSync(new URL('../docs/http.md', import.meta.url), 'utf8');
  const rows = page.matchAll(/^\| (\d{3})? ?\| ((?:`[a-z_]+`(?:, )?)+) \| (-\d+)? ?\| (.+) \|$/gm);
  const listed = Array.from(rows).flatMap(([, status, codes = '', rpc = '-32603', when = '']) =>
    Array.from(codes.matchAll(/[a-z_]+/g), ([code]) => {
      const isEvent = status === undefined && when.startsWith('only as an event');
      return [code, isEvent ? 'event' : Number(status), Number(rpc)];
    }),
  );
  const table = Object.entries(ERRORS).map(([code, { status, rpc }]) => [
    code,
    code === 'answer_lost' ? 'event' : status,
    rpc,
  ]);
  assert.deepEqual(listed.sort(), table.sort());
});

test('only what may succeed later says when to try again, after a second if nothing else is known', () => {
  for (const [code, { retryable }] of Object.entries(ERRORS) as [ErrorCode, { retryable: boolean }][]) {
    assert.equal(new BridgeError(code, 'x').retryAfterSeconds, retryable ? 1 : undefined);
    assert.equal(
      new BridgeError(code, 'x', { retryAfterSeconds: 7 }).retryAfterSeconds,
      retryable ? 7 : undefined,
    );
  }
});

test('what is not ours becomes `internal`, with its text in the cause alone', () => {
  const thrown = new Error('password=hunter2');
  const error = asBridgeError(thrown);
  assert.deepEqual([error.code, error.status, error.cause], ['internal', 500, thrown]);
  assert.doesNotMatch(error.message, /hunter2/);
  const own = new BridgeError('draining', 'x');
  assert.equal(asBridgeError(own), own);
  assert.equal(messageOf('text'), 'text');
  assert.equal(messageOf(thrown), 'password=hunter2');
});
