/**
 * A request to /mcp, without its body: what the HTTP side has found out, for whichever worker serves it.
 */
import type { Principal } from '../http/principal.ts';
import type { Trace } from '../protocol/trace.ts';
import { isModernVersion } from '../protocol/versions.ts';

export interface McpCall {
  readonly verb: 'POST' | 'GET' | 'DELETE';
  readonly server: string;
  readonly principal: Principal;
  readonly sessionId: string | undefined;
  /** The header `MCP-Protocol-Version`. */
  readonly version: string | undefined;
  /** The headers `Mcp-Method` and `Mcp-Name`, which clients of 2026-07-28 send. */
  readonly mcpMethod: string | undefined;
  readonly mcpName: string | undefined;
  /** The headers `Mcp-Param-*`, by their names in lower case. */
  readonly mcpParams: Readonly<Record<string, string>> | undefined;
  /** The headers `traceparent`, `tracestate` and `baggage`, where there are some. */
  readonly trace?: Trace | undefined;
  /** The header `Last-Event-ID` of a GET. */
  readonly lastEventId?: string | undefined;
  /** All answers become part of one stream that is open already (HTTP+SSE). */
  readonly isOneStream?: true;
  /** Whether the client takes SSE in answer to this request. */
  readonly streams: boolean;
}

/** Whether its headers are of 2026-07-28 or later; the body must say the same. */
export const isModernCall = ({ version }: McpCall): boolean =>
  version !== undefined && isModernVersion(version);
