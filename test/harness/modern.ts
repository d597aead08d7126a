/**
 * Clients of MCP 2026-07-28: the official one, which negotiates its era, and raw requests for what it would not send.
 */
import type { TestContext } from 'node:test';
import * as v2 from '@modelcontextprotocol/client';
import type { Bridge } from './bridge.ts';
import { type Answer, type Headers, honest, type Json, post, type Target } from './rpc.ts';
import type { ConnectOptions } from './sdk-clients.ts';

const PREFIX = 'io.modelcontextprotocol/';
export const VERSION = '2026-07-28';

/** A connected v2 client that takes the newest era it is offered; closed when the test ends. */
export async function connectModern(
  t: TestContext,
  bridge: Pick<Bridge, 'url' | 'token'>,
  server: string,
  { capabilities = {}, answers = {}, token = bridge.token }: ConnectOptions = {},
): Promise<v2.Client> {
  const client = new v2.Client(
    { name: 'sdk-v2-modern', version: '1.0.0' },
    { capabilities, versionNegotiation: { mode: 'auto' } },
  );
  const handle = client.setRequestHandler.bind(client) as (
    method: string,
    handler: (request: { params?: Json }) => unknown,
  ) => void;
  for (const [method, answer] of Object.entries(answers)) handle(method, ({ params }) => answer(params));
  const transport = new v2.StreamableHTTPClientTransport(new URL(`/mcp/${server}`, bridge.url), {
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
  });
  await client.connect(transport);
  t.after(() => client.close());
  return client;
}

export interface ModernHow extends Headers {
  readonly capabilities?: object;
  readonly meta?: object;
  readonly id?: number | string;
}

/** A request as an honest client sends it. */
export function modernRequest(
  method: string,
  params: Readonly<Record<string, unknown>> = {},
  { capabilities = {}, meta = {}, id = 1 }: ModernHow = {},
): { readonly message: object; readonly headers: Record<string, string> } {
  const _meta = {
    [`${PREFIX}protocolVersion`]: VERSION,
    [`${PREFIX}clientCapabilities`]: capabilities,
    ...meta,
  };
  const name = method === 'resources/read' ? params['uri'] : params['name'];
  return {
    message: { jsonrpc: '2.0', id, method, params: { ...params, _meta } },
    headers: {
      'MCP-Protocol-Version': VERSION,
      'Mcp-Method': method,
      ...(typeof name === 'string' && { 'Mcp-Name': name }),
    },
  };
}

/** POSTs it over a connection of its own. */
export function callModern(
  bridge: Target,
  server: string,
  method: string,
  params: Readonly<Record<string, unknown>> = {},
  how: ModernHow = {},
): Promise<Answer> {
  const { message, headers } = modernRequest(method, params, how);
  return post(bridge, server, message, { ...how, headers: { ...headers, ...how.headers } });
}

/** The same as a request that stays open. */
export function modernStream(
  bridge: Target,
  server: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
  how: ModernHow = {},
) {
  const { message, headers } = modernRequest(method, params, how);
  return {
    method: 'POST',
    path: `/mcp/${server}`,
    headers: honest(bridge, { ...how, headers }),
    body: JSON.stringify(message),
  };
}
