/** Definitions of servers as the configuration yields them, for tests of what is below it. */
import type { RemoteServer, StdioServer } from '../../src/config/settings.ts';

const COMMON = {
  isolation: 'session',
  instances: 0,
  prewarm: 0,
  timeoutMs: 10_000,
  maxConcurrent: 64,
  tools: {},
  disabled: false,
} as const;

/** Its command is node, without arguments. */
export function stdioServer(more: Partial<StdioServer> = {}): StdioServer {
  return {
    ...COMMON,
    kind: 'stdio',
    name: 'one',
    command: process.execPath,
    args: [],
    env: {},
    cwd: process.cwd(),
    limits: {},
    ...more,
  };
}

export function remoteServer(url: string, more: Partial<RemoteServer> = {}): RemoteServer {
  return { ...COMMON, kind: 'remote', name: 'far', url, transport: 'http', headers: {}, ...more };
}
