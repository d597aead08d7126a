/**
 * How many connections one process may have open: three quarters of its file descriptors. The rest is for the pipes of
 * servers, the relay and files, so that whoever opens connections without end keeps nobody else from being served.
 */
import { readFileSync } from 'node:fs';

const SHARE = 0.75;

/** No limit where the system does not tell one: /proc is Linux's. proc(5), `limits`. */
export function maxConnections(file = '/proc/self/limits'): number {
  let limits: string;
  try {
    limits = readFileSync(file, 'utf8');
  } catch {
    return Number.POSITIVE_INFINITY;
  }
  const files = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return files === undefined ? Number.POSITIVE_INFINITY : Math.floor(Number(files) * SHARE);
}
