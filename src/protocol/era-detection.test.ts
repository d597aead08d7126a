/**
 * The table of era detection: what a request is, by its body and its headers, as the bridge answers it, with the
 * classifier of the official SDK as a second opinion.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classifyInboundRequest } from '@modelcontextprotocol/server';
import { BridgeError } from '../errors.ts';
import { checkModernRequest } from './modern-request.ts';
import { isBatch, readBatch, readMessage } from './read-message.ts';
import { isModernVersion } from './versions.ts';

const KEY = 'io.modelcontextprotocol/protocolVersion';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const MODERN = '2026-07-28';

interface Row {
  readonly what: string;
  readonly body: unknown;
  readonly version?: string;
  readonly method?: string;
  /** `legacy`, `modern`, or the code of the refusal. */
  readonly is: 'legacy' | 'modern' | number;
  /** The classifier stops before the headers' presence, the version and the method are looked at. */
  readonly sdk?: 'legacy' | 'modern' | number;
}

const request = (method: string, meta?: object, more: object = {}) => ({
  jsonrpc: '2.0',
  id: 1,
  method,
  ...(meta && { params: { _meta: meta } }),
  ...more,
});
const claim = (version: unknown = MODERN, capabilities: unknown = {}) => ({
  [KEY]: version,
  [CAPABILITIES]: capabilities,
});
const list = 'tools/list';

const ROWS: readonly Row[] = [
  { what: 'key and header', body: request(list, claim()), version: MODERN, method: list, is: 'modern' },
  { what: 'key, no header', body: request(list, claim()), is: -32020, sdk: 'modern' },
  {
    what: 'key, header of another version',
    body: request(list, claim()),
    version: '2025-11-25',
    method: list,
    is: -32020,
  },
  { what: 'no key, modern header', body: request(list), version: MODERN, method: list, is: -32602 },
  {
    what: 'no key, header of the future',
    body: request(list),
    version: '2099-01-01',
    method: list,
    is: -32602,
  },
  {
    what: 'key and header of the future',
    body: request(list, claim('2099-01-01')),
    version: '2099-01-01',
    method: list,
    is: -32022,
    sdk: 'modern',
  },
  {
    what: 'key names a legacy version',
    body: request(list, claim('2025-11-25')),
    version: '2025-11-25',
    method: list,
    is: -32022,
    sdk: 'modern',
  },
  { what: 'neither key nor header', body: request(list), is: 'legacy' },
  { what: 'legacy header', body: request(list), version: '2025-06-18', is: 'legacy' },
  { what: 'capabilities without the key', body: request(list, { [CAPABILITIES]: {} }), is: 'legacy' },
  { what: 'key that is no string', body: request(list, claim(7)), version: MODERN, method: list, is: -32602 },
  {
    what: 'capabilities that are no object',
    body: request(list, claim(MODERN, [])),
    version: MODERN,
    method: list,
    is: -32602,
  },
  {
    what: 'no capabilities',
    body: request(list, { [KEY]: MODERN }),
    version: MODERN,
    method: list,
    is: -32602,
  },
  {
    what: 'Mcp-Method of another method',
    body: request(list, claim()),
    version: MODERN,
    method: 'prompts/list',
    is: -32020,
  },
  { what: 'no Mcp-Method', body: request(list, claim()), version: MODERN, is: -32020, sdk: 'modern' },
  { what: 'initialize', body: request('initialize'), is: 'legacy' },
  {
    what: 'initialize, modern header',
    body: request('initialize'),
    version: MODERN,
    method: 'initialize',
    is: -32020,
  },
  {
    what: 'initialize, modern key',
    body: request('initialize', claim()),
    version: MODERN,
    method: 'initialize',
    is: -32601,
    sdk: 'modern',
  },
  {
    what: 'a method that was removed',
    body: request('ping', claim()),
    version: MODERN,
    method: 'ping',
    is: -32601,
    sdk: 'modern',
  },
  { what: 'an empty batch', body: [], is: -32600 },
  { what: 'a batch with a modern element', body: [request(list), request(list, claim())], is: -32600 },
  { what: 'a legacy batch', body: [request(list)], is: 'legacy' },
  { what: 'a response', body: { jsonrpc: '2.0', id: 1, result: {} }, version: MODERN, is: 'legacy' },
  {
    what: 'an id that is null',
    body: request(list, claim(), { id: null }),
    version: MODERN,
    method: list,
    is: -32600,
  },
  {
    what: 'a notification, modern header',
    body: { jsonrpc: '2.0', method: 'notifications/x' },
    version: MODERN,
    is: 'modern',
  },
];

for (const row of ROWS) {
  test(`${row.what}: ${row.is}`, () => {
    assert.equal(bridgeSays(row), row.is);
    assert.equal(sdkSays(row), row.sdk ?? row.is, 'the SDK agrees');
  });
}

/** As sessions/face.ts and modern-face.ts decide. */
function bridgeSays({ body, version, method }: Row): Row['is'] {
  const text = JSON.stringify(body);
  const isHeaderModern = version !== undefined && isModernVersion(version);
  if (isBatch(text)) {
    const batch = readBatch(text);
    if (!Array.isArray(batch)) return -32600;
    return batch.some((each) => each.kind !== 'malformed' && each.isModern) ? -32600 : 'legacy';
  }
  const message = readMessage(text);
  if (message.kind === 'malformed') return -32600;
  if (message.kind === 'result' || message.kind === 'error') return 'legacy';
  if (!message.isModern && !isHeaderModern) return 'legacy';
  if (message.kind !== 'request') return 'modern';
  try {
    checkModernRequest(message, { version, method, name: undefined });
    return 'modern';
  } catch (error) {
    assert.ok(error instanceof BridgeError);
    return error.rpcCode;
  }
}

function sdkSays({ body, version, method }: Row): Row['is'] {
  const verdict = classifyInboundRequest({
    httpMethod: 'POST',
    body,
    ...(version !== undefined && { protocolVersionHeader: version }),
    ...(method !== undefined && { mcpMethodHeader: method }),
  }) as { kind?: string; outcome?: string; code?: number; error?: { code: number } };
  const code = verdict.code ?? verdict.error?.code;
  return code ?? ((verdict.kind ?? verdict.outcome) as 'legacy' | 'modern');
}
