/**
 * The requests that are measured: calls of the echo server's tools, each ring with ids of its own, so that an answer
 * that belongs to another request shows.
 */
import type { Ask } from './plan.ts';

/** As many distinct requests as a ring has, unless told. */
const RING = 256;

/** Headers every MCP client of the legacy era sends. */
export const MCP_HEADERS = {
  'Content-Type': 'application/json',
  Accept: 'application/json, text/event-stream',
  'MCP-Protocol-Version': '2025-06-18',
} as const;

const MODERN = '2026-07-28';

const ring = (ask: (n: number) => Ask, length = RING): readonly Ask[] =>
  Array.from({ length }, (_, index) => ask(index + 1));

const call = (n: number, extra: Record<string, unknown> = {}): string =>
  JSON.stringify({
    jsonrpc: '2.0',
    id: n,
    method: 'tools/call',
    params: { name: 'echo', arguments: { n }, ...extra },
  });

export const echoCalls = (): readonly Ask[] => ring((n) => ({ body: call(n) }));

/** `count` calls, on each of `sessions` in turn. */
export const callsOn = (sessions: readonly string[], count = RING): readonly Ask[] =>
  ring((n) => {
    const session = sessions[n % sessions.length] ?? '';
    return { body: call((n % RING) + 1), headers: { 'Mcp-Session-Id': session } };
  }, count);

/** The same call as a client of 2026-07-28 sends it. */
export const modernCalls = (): readonly Ask[] =>
  ring((n) => ({
    body: call(n, {
      _meta: {
        'io.modelcontextprotocol/protocolVersion': MODERN,
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    }),
    headers: { 'MCP-Protocol-Version': MODERN, 'Mcp-Method': 'tools/call', 'Mcp-Name': 'echo' },
  }));

export const bridgeCalls = (serverPath: string): readonly Ask[] =>
  ring((n) => ({
    body: JSON.stringify({
      serverPath,
      args: [],
      env: {},
      method: 'tools/call',
      params: { name: 'echo', arguments: { n } },
    }),
  }));

export const progressCalls = (steps: number): readonly Ask[] =>
  ring((n) => ({
    body: call(n, { name: 'progress', arguments: { n, steps }, _meta: { progressToken: n } }),
  }));

export const largeCall = (bytes: number): Ask => ({
  body: call(1, { name: 'large', arguments: { n: 1, bytes } }),
});
