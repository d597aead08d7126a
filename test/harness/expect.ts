/**
 * What the documents promise of every refusal, and of a bridge after it: the shape of an error, the next request
 * served, nothing left behind.
 */
import assert from 'node:assert/strict';
import type { Bridge } from './bridge.ts';
import { type Answer, call, callTool, type Json, send, type Target } from './rpc.ts';
import { until } from './until.ts';

export interface Refusal {
  readonly status: number;
  readonly code: string;
  /** What the sentence must say: the thing, what was found, what is allowed. */
  readonly says: RegExp;
}

export interface RpcRefusal extends Refusal {
  /** JSON-RPC error code. */
  readonly rpc: number;
  /** Default: null, for what is refused before the id is known. */
  readonly id?: unknown;
}

/** An error outside of /mcp. Returns the body. */
export function assertHttpError(answer: Answer, { status, code, says }: Refusal): Json {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(answer.body.code, code);
  assert.match(answer.body.error, says);
  assert.equal(answer.body.requestId, answer.headers['x-request-id']);
  assertRetryAfter(answer);
  return answer.body;
}

/** An error of the bridge's own on /mcp. Returns the JSON-RPC error object. */
export function assertRpcError(answer: Answer, { status, rpc, code, says, id = null }: RpcRefusal): Json {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['content-type'], 'application/json');
  const { jsonrpc, error } = answer.body;
  assert.equal(jsonrpc, '2.0');
  assert.equal(answer.body.id, id);
  assert.equal(error.code, rpc, answer.text);
  assert.equal(error.data.code, code);
  assert.match(error.message, says);
  assert.equal(error.data.requestId, answer.headers['x-request-id']);
  assertRetryAfter(answer);
  return error;
}

/** The one body that the SDKs know for a session that is unknown, ended or somebody else's. */
export function assertNoSession(answer: Answer): void {
  assert.equal(answer.status, 404, answer.text);
  assert.deepEqual(answer.body, {
    jsonrpc: '2.0',
    error: { code: -32001, message: 'Session not found' },
    id: null,
  });
  assert.match(String(answer.headers['x-request-id']), /./);
}

/** 429 and 503, and no other status, say when to come again: in whole seconds. */
function assertRetryAfter({ status, headers }: Answer): void {
  if (status === 429 || status === 503) assert.match(String(headers['retry-after']), /^[1-9]\d*$/);
  else assert.equal(headers['retry-after'], undefined);
}

/** The bridge answers the next request; `server` is one of test/fixtures/servers/echo.mjs. */
export async function assertServes(bridge: Bridge, server: string): Promise<void> {
  const result = await callTool(bridge, server, 'echo', { text: 'still there' });
  assert.equal(result.content[0].text, 'still there');
}

/** The same of a fixture without tools worth calling. */
export async function assertAnswers(bridge: Bridge, server: string): Promise<void> {
  const answer = await call(bridge, server, 'tools/list');
  assert.equal(answer.status, 200, answer.text);
  assert.ok(Array.isArray(answer.body.result.tools));
}

/** Samples of /metrics: `name{labels}` to value. */
export async function metricsOf(
  bridge: Target,
  headers: Record<string, string> = {},
): Promise<Map<string, number>> {
  const { status, text } = await send(bridge, { path: '/metrics', headers });
  assert.equal(status, 200, text);
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    samples.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

/** The sum over all samples of `name` whose labels hold each of `labels` (`server="x"`). */
export function sumOf(
  samples: ReadonlyMap<string, number>,
  name: string,
  ...labels: readonly string[]
): number {
  let sum = 0;
  for (const [key, value] of samples) {
    const isOfName = key === name || key.startsWith(`${name}{`);
    if (isOfName && labels.every((label) => key.includes(label))) sum += value;
  }
  return sum;
}

/** With a short CLIENT_CACHE_TTL_MS and a long drain (see LEAK_ENV): what was begun has ended, and nothing is kept. */
export async function assertNothingLeft(bridge: Bridge, workers: number): Promise<void> {
  const sumsToZero = async (name: string): Promise<boolean> => sumOf(await metricsOf(bridge), name) === 0;
  await until('no session to be left', () => sumsToZero('mcp_bridge_sessions'));
  await until('no child to be counted', () => sumsToZero('mcp_bridge_upstream_children'));
  await until('the workers to be alone', () => bridge.processes().length === workers);
  // A request that is never taken off the books would hold up the drain for a minute.
  void bridge.stop();
  assert.equal(await until('the drain to end', () => endOf(bridge)), 0);
}

async function endOf({ ended }: Bridge): Promise<number | string | false> {
  const code = await Promise.race([ended, Promise.resolve('running')]);
  return code === 'running' ? false : code;
}

/** For `assertNothingLeft`. */
export const LEAK_ENV = { CLIENT_CACHE_TTL_MS: '2000', DRAIN_TIMEOUT_MS: '60000' };
