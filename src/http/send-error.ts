/** A BridgeError as an HTTP answer, in the two shapes that the bridge has. */
import { channel } from 'node:diagnostics_channel';
import type { BridgeError } from '../errors.ts';
import type { HeaderPairs } from './engine.ts';
import { JSON_HEADERS, type Reply } from './reply.ts';

/**
 * `http` outside of /mcp; on it, JSON-RPC with the request's id as JSON text. Without an id the legacy revisions
 * say null, and 2026-07-28 leaves it out (undefined).
 */
export type ErrorShape = 'http' | { readonly rpcId: string | null | undefined };

/** On /mcp, before the request's id is known. */
export const RPC_WITHOUT_ID: ErrorShape = { rpcId: null };

/** An error as it is told to a client. */
export interface ToldError {
  readonly error: BridgeError;
  readonly requestId: string;
}

/** Carries a ToldError each time. A channel, because errors are told from everywhere, and one place logs them. */
export const toldErrors = channel('mcp-bridge.told-error');

const publish = (error: BridgeError, requestId: string): void =>
  toldErrors.publish({ error, requestId } satisfies ToldError);

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: HeaderPairs;
  readonly body: string;
}

export function sendError(reply: Reply, error: BridgeError, shape: ErrorShape): void {
  const { status, headers, body } = errorAnswer(error, shape, reply.requestId);
  reply.send(status, headers, body);
}

export function errorAnswer(error: BridgeError, shape: ErrorShape, requestId: string): ErrorAnswer {
  publish(error, requestId);
  const headers = [...JSON_HEADERS, ...(error.details.headers ?? [])];
  if (error.retryAfterSeconds !== undefined) headers.push(['Retry-After', String(error.retryAfterSeconds)]);
  return {
    // A tool that is denied looks like one that does not exist, which JSON-RPC says with 200.
    status: shape !== 'http' && error.code === 'tool_not_allowed' ? 200 : error.status,
    headers,
    body: bodyOf(error, shape, requestId),
  };
}

function bodyOf(error: BridgeError, shape: ErrorShape, requestId: string): string {
  if (shape === 'http') return httpBody(error, requestId);
  // MCP, "Session Management", asks only for the 404; this body is what the SDKs send and expect.
  if (error.code === 'session_not_found') return SESSION_NOT_FOUND;
  return rpcBody(error, shape.rpcId, requestId);
}

function httpBody(error: BridgeError, requestId: string): string {
  const { code, details } = error;
  return JSON.stringify({ error: error.message, code, requestId, rpc: details.rpc });
}

/** Also the data of an SSE event, for an error after a stream has begun; there the id tells whose it is. */
export function rpcErrorBody(error: BridgeError, id: string | null | undefined, requestId: string): string {
  publish(error, requestId);
  return rpcBody(error, id, requestId);
}

function rpcBody(error: BridgeError, id: string | null | undefined, requestId: string): string {
  const { message, rpcCode, code, details } = error;
  const object = JSON.stringify({ code: rpcCode, message, data: { ...details.data, code, requestId } });
  return `{"jsonrpc":"2.0",${id === undefined ? '' : `"id":${id},`}"error":${object}}`;
}

const SESSION_NOT_FOUND = '{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}';
