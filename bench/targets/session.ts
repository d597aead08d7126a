/**
 * Opens a legacy session as a client does: initialize, then notifications/initialized.
 */
import type { Target } from './target.ts';

const OPEN_MS = 15_000;

export const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1.0.0' },
  },
});

export const INITIALIZED = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' });

/** The id of a new session on `path` of `target`. */
export async function openSession(target: Target, path: string): Promise<string> {
  const opened = await post(target, path, INITIALIZE);
  const id = opened.headers.get('mcp-session-id');
  const body = await opened.text();
  if (opened.status !== 200 || id === null) {
    throw new Error(`${target.name} opened no session on ${path}: ${opened.status} ${body.slice(0, 300)}`);
  }
  const confirmed = await post(target, path, INITIALIZED, id);
  await confirmed.arrayBuffer();
  return id;
}

function post(target: Target, path: string, body: string, session?: string): Promise<Response> {
  const own = session === undefined ? {} : { 'Mcp-Session-Id': session };
  return fetch(`http://127.0.0.1:${target.port}${path}`, {
    method: 'POST',
    headers: { ...target.headers, ...own },
    body,
    signal: AbortSignal.timeout(OPEN_MS),
  });
}

export async function closeSession(target: Target, path: string, session: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${target.port}${path}`, {
    method: 'DELETE',
    headers: { ...target.headers, 'Mcp-Session-Id': session },
    signal: AbortSignal.timeout(OPEN_MS),
  });
  await response.arrayBuffer();
}
