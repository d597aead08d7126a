/**
 * The floors: bare HTTP servers that answer a constant, and the least that a bridge can do.
 */
import { join } from 'node:path';
import type { Lab } from '../lab.ts';
import { echoCalls, MCP_HEADERS } from '../load/calls.ts';
import { type Contender, contender } from '../measure.ts';
import { CONNECTIONS } from '../scenario.ts';
import { accepts, freePort, launch } from './process.ts';
import type { Ground, Target } from './target.ts';

/** As long as the answer of a bridge to the same call. */
const CONSTANT = '{"jsonrpc":"2.0","id":100,"result":{"content":[{"type":"text","text":"echo 100"}]}}';
const READY_MS = 5_000;

/** A bare server under the same load: the same bytes up as a bridge gets, the constant back. */
export async function bareContender(lab: Lab, engine: 'uws' | 'node'): Promise<Contender> {
  const target = await startBare(lab, engine);
  const check = { kind: 'constant', text: CONSTANT } as const;
  return contender(lab, target, { path: '/', asks: echoCalls(), connections: CONNECTIONS, check });
}

/** A child behind uWebSockets.js with nothing checked: what is between this and a bridge is the bridge's own doing. */
export async function passThroughContender(lab: Lab, connections: number): Promise<Contender> {
  const target = await start(lab, 'pass-through', 'pass-through.mjs', []);
  return contender(lab, target, { path: '/', asks: echoCalls(), connections, check: { kind: 'rpc' } });
}

function startBare(ground: Ground, engine: 'uws' | 'node'): Promise<Target> {
  const name = engine === 'uws' ? 'bare uWebSockets.js' : 'bare node:http';
  return start(ground, name, `bare-${engine}.mjs`, [CONSTANT]);
}

async function start(ground: Ground, name: string, file: string, args: readonly string[]): Promise<Target> {
  const port = await freePort();
  const folder = ground.folder();
  const running = await launch({
    name,
    args: [join(import.meta.dirname, '..', 'baselines', file), String(port), ...args],
    cwd: folder,
    logFile: join(folder, 'log'),
    readyMs: READY_MS,
    isReady: () => accepts(port),
  });
  const headers = { ...MCP_HEADERS, Authorization: 'Bearer 0123456789abcdef0123456789abcdef' };
  return ground.keep({ ...running, name, port, headers });
}
