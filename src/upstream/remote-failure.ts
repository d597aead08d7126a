/**
 * What went wrong between us and a remote server, in words that hold no answer body, no header value and no more
 * of the URL than the caller adds: such texts reach logs and clients.
 */
import { SdkHttpError, SseError } from '@modelcontextprotocol/client';
import { messageOf } from '../errors.ts';

/** No connection could be made: the server as a whole is not there. */
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
]);

export const isUnreachable = (error: unknown): boolean => UNREACHABLE.has(systemCode(error) ?? '');

/** HTTP status of the answer that the error is about, where there was one. */
export function statusOf(error: unknown): number | undefined {
  if (error instanceof SdkHttpError) return error.status;
  if (error instanceof SseError) return error.code;
  // The SDK's SSE transport and `ws` tell it in words only.
  const status = /\(HTTP (\d{3})\)|server response: (\d{3})/.exec(messageOf(error))?.slice(1).find(Boolean);
  return status === undefined ? undefined : Number(status);
}

/** The end of a sentence that begins with the server: "… answered with HTTP 500". */
export function whatFailed(error: unknown): string {
  const status = statusOf(error);
  if (status !== undefined && status !== 200) {
    const redirect = status >= 300 && status < 400 ? ', a redirect that is not followed' : '';
    return `answered with HTTP ${status}${redirect}`;
  }
  const code = systemCode(error);
  if (code !== undefined && UNREACHABLE.has(code)) return `could not be reached (${code})`;
  if (code === 'ECONNRESET') return 'closed the connection before it had answered';
  if (code !== undefined) return `could not be asked (${code})`;
  if (error instanceof SyntaxError || (error instanceof Error && error.name.endsWith('ZodError'))) {
    return 'sent something that is not a JSON-RPC message';
  }
  return `failed: ${messageOf(error).slice(0, 200)}`;
}

/** The operating system's or Node's name for it, however deep fetch and friends have wrapped it. */
function systemCode(error: unknown, depth = 0): string | undefined {
  if (!(error instanceof Error) || depth > 4) return undefined;
  if (error instanceof SseError) return /\bE[A-Z]{4,}\b/.exec(error.message)?.[0];
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && /^E[A-Z]|^[A-Z]+_[A-Z_]+$/.test(code) && !(error instanceof SdkHttpError))
    return code;
  return systemCode(error.cause ?? (error as { errors?: unknown[] }).errors?.[0], depth + 1);
}
