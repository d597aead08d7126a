/** Asks for a reload when the servers file changes: the file that the bridge was started with; without one, only a signal reloads. */
import type { Settings } from './config/settings.ts';
import { watchContent } from './config/watch.ts';
import type { Logger } from './log.ts';

/** Returns what ends it. */
export function watchServers(
  { serversFile }: Settings,
  request: (because: string) => void,
  logger: Logger,
): () => void {
  if (serversFile === undefined) return () => undefined;
  return watchContent(serversFile, {
    changed: () => request('the servers file changed'),
    gone: () => logger.error({ file: serversFile }, 'the servers file is gone: what runs goes on'),
    degraded: (error) =>
      logger.warn({ file: serversFile, err: error }, 'the servers file is looked at from time to time only'),
  });
}
