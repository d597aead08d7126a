/**
 * The one error class and its one table. Everything the bridge itself refuses or fails at is a BridgeError;
 * an MCP server's own JSON-RPC error is passed on as it came and never becomes one, except on `/bridge`.
 */

interface ErrorKind {
  /** HTTP status of an answer that carries this error. */
  readonly status: number;
  /** JSON-RPC error code of the same error on `/mcp`. */
  readonly rpc: number;
  /** Whether the same request may succeed later, unchanged; such answers carry `Retry-After`. */
  readonly retryable: boolean;
}

const kind = (status: number, rpc: number, retryable = false): ErrorKind => ({ status, rpc, retryable });

/** JSON-RPC 2.0, section 5.1, and the codes that MCP adds. */
export const RPC = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  sessionNotFound: -32001,
  headerMismatch: -32020,
  missingCapability: -32021,
  unsupportedVersion: -32022,
} as const;

export const ERRORS = {
  parse_error: kind(400, RPC.parseError),
  invalid_request: kind(400, RPC.invalidRequest),
  invalid_params: kind(400, RPC.invalidParams),
  /** As `invalid_params`, for clients of 2026-07-28, which get every error of a method's own with 200. */
  rejected_params: kind(200, RPC.invalidParams),
  header_mismatch: kind(400, RPC.headerMismatch),
  unsupported_version: kind(400, RPC.unsupportedVersion),
  unauthorized: kind(401, RPC.internal),
  host_not_allowed: kind(403, RPC.internal),
  origin_not_allowed: kind(403, RPC.internal),
  command_not_allowed: kind(403, RPC.internal),
  url_not_allowed: kind(403, RPC.internal),
  server_not_allowed: kind(403, RPC.internal),
  bridge_not_allowed: kind(403, RPC.internal),
  tool_not_allowed: kind(403, RPC.invalidParams),
  not_found: kind(404, RPC.internal),
  unknown_server: kind(404, RPC.internal),
  unknown_method: kind(404, RPC.methodNotFound),
  session_not_found: kind(404, RPC.sessionNotFound),
  method_not_allowed: kind(405, RPC.internal),
  not_acceptable: kind(406, RPC.internal),
  stream_conflict: kind(409, RPC.internal),
  body_too_large: kind(413, RPC.internal),
  unsupported_media_type: kind(415, RPC.internal),
  rate_limited: kind(429, RPC.internal, true),
  internal: kind(500, RPC.internal),
  server_start_failed: kind(502, RPC.internal),
  server_died: kind(502, RPC.internal),
  server_error: kind(502, RPC.internal),
  worker_died: kind(502, RPC.internal),
  answer_lost: kind(502, RPC.internal),
  message_too_large: kind(502, RPC.internal),
  auth_unavailable: kind(503, RPC.internal, true),
  starting: kind(503, RPC.internal, true),
  draining: kind(503, RPC.internal, true),
  at_limit: kind(503, RPC.internal, true),
  server_backing_off: kind(503, RPC.internal, true),
  server_timeout: kind(504, RPC.internal),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorDetails {
  readonly cause?: unknown;
  /** Seconds after which a retry is worth it; only for retryable codes, 1 when left out. */
  readonly retryAfterSeconds?: number;
  /** Further answer headers, such as `WWW-Authenticate` or `Allow`. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** The JSON-RPC error object that a server answered with (`/bridge` shows it under `rpc`). */
  readonly rpc?: unknown;
  /** Further members of a JSON-RPC error's `data`, where the specification names some. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** `message` is a sentence for the caller: it names the thing, what was found and what is allowed. */
export class BridgeError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'BridgeError';
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get rpcCode(): number {
    return ERRORS[this.code].rpc;
  }

  get retryAfterSeconds(): number | undefined {
    return ERRORS[this.code].retryable ? (this.details.retryAfterSeconds ?? 1) : undefined;
  }
}

/** Anything thrown, as a BridgeError; what is not ours becomes `internal` without its text, which may hold secrets. */
export function asBridgeError(thrown: unknown): BridgeError {
  if (thrown instanceof BridgeError) return thrown;
  return new BridgeError('internal', 'The bridge failed on this request; its log has the details.', {
    cause: thrown,
  });
}

/** The one-line text of anything thrown, for logs and for a cause inside another sentence. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
