/**
 * A legacy server's JSON-RPC error, as a client of MCP 2026-07-28 may see it: codes that this revision gives another
 * meaning, or took away, are translated.
 */
import { RPC } from '../errors.ts';
import type { Message } from './message.ts';

interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

export interface ModernError {
  readonly status: number;
  readonly error: RpcError;
}

const RESOURCE_NOT_FOUND = -32002;
/** 2025-11-25: the user has to visit URLs first, and then the same request may succeed. */
const URL_ELICITATION_REQUIRED = -32042;

/** What such an error wants to be asked, as the params of `elicitation/create`; empty for any other error. */
export function urlElicitations(error: Record<string, unknown>): readonly Record<string, unknown>[] {
  const { elicitations } = (error['data'] ?? {}) as Record<string, unknown>;
  if (error['code'] !== URL_ELICITATION_REQUIRED || !Array.isArray(elicitations)) return [];
  return (elicitations as Record<string, unknown>[]).flatMap((each) => {
    // The modern era has no ids for them.
    const { elicitationId: _ofTheServer, ...params } = each ?? {};
    return typeof params['url'] === 'string' ? [{ ...params, mode: 'url' }] : [];
  });
}

/** `request` is what the server answered. */
export function modernError(
  parsed: Record<string, unknown>,
  { method, target }: Pick<Message, 'method' | 'target'>,
): ModernError {
  const code = typeof parsed['code'] === 'number' ? parsed['code'] : RPC.internal;
  const message = String(parsed['message'] ?? '');
  const data = parsed['data'];
  if (code === RPC.methodNotFound) return { status: 404, error: { code, message } };
  const isNotFound =
    code === RPC.invalidParams &&
    method === 'resources/read' &&
    data === undefined &&
    /not found/i.test(message);
  if (code === RESOURCE_NOT_FOUND || isNotFound) {
    return { status: 200, error: { code: RPC.invalidParams, message, data: { uri: target } } };
  }
  // Reserved for the protocol itself: a server's own use of them would be taken for something else.
  const reserved = code <= -32020 && code >= -32099;
  if (reserved) return { status: 200, error: { code: RPC.internal, message, data: { code, data } } };
  return { status: 200, error: data === undefined ? { code, message } : { code, message, data } };
}
