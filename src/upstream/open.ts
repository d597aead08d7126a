/**
 * Which transport carries a server: the one place that knows them all.
 */
import type { ServerDefinition } from '../config/settings.ts';
import { openRemote } from './remote.ts';
import { openStdio, type StdioDeps } from './stdio.ts';
import type { Transport, TransportListener } from './transport.ts';

export function openTransport(
  server: ServerDefinition,
  listener: TransportListener,
  deps: StdioDeps,
): Transport {
  return server.kind === 'stdio' ? openStdio(server, listener, deps) : openRemote(server, listener, deps);
}
