/**
 * The text of messages to and from a remote server: what was sent in parts as one string, and an answer that the
 * bridge has to make itself because the server gave none.
 */
import { RPC } from '../errors.ts';
import type { Chunk } from '../http/engine.ts';
import { textOf } from '../protocol/utf8.ts';

/** One message, given in parts, as the text that goes into an HTTP body or a WebSocket frame. */
export function wholeText(message: Chunk | readonly Chunk[]): string {
  if (typeof message === 'string') return message;
  if (message instanceof Uint8Array) return textOf(message);
  return message.map((part) => (typeof part === 'string' ? part : textOf(part))).join('');
}

/** A JSON-RPC error object as a server sent it. */
export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** The error in an HTTP error's body; undefined when the body holds none. */
export function rpcErrorIn(body: unknown): RpcError | undefined {
  if (typeof body !== 'string' || !body.startsWith('{')) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return undefined; // an ordinary error page
  }
  const { jsonrpc, error } = parsed as { jsonrpc?: unknown; error?: Partial<RpcError> };
  if (jsonrpc !== '2.0' || typeof error?.code !== 'number' || typeof error.message !== 'string')
    return undefined;
  return { ...error, code: error.code, message: error.message };
}

/** The error that says in the server's place why a request has no answer. */
export const noAnswer = (sentence: string): RpcError => ({
  code: RPC.internal,
  message: sentence,
  data: { code: 'server_error' },
});
