/** `npm run reload`: asks the running bridge for a rolling restart. */
import type { Settings } from '../config/settings.ts';
import { holderOf, runtimeDirOf } from './runtime-dir.ts';
import { EXIT_FAILED, StartError } from './start-error.ts';

/** Answers a sentence for the terminal. Throws a StartError when no bridge runs there. */
export function sendReload(settings: Pick<Settings, 'runtimeDir' | 'port'>): string {
  const path = runtimeDirOf(settings, settings.port);
  const holder = holderOf(path);
  if (!holder?.alive) {
    const why = holder === undefined ? `${path} has no pid file` : `pid ${holder.pid} is gone`;
    throw new StartError(
      `No bridge runs on port ${settings.port}: ${why}. Set PORT or RUNTIME_DIR as the bridge has it.`,
      EXIT_FAILED,
    );
  }
  process.kill(holder.pid, 'SIGUSR2');
  return `Asked the bridge with pid ${holder.pid} for a rolling restart; its log tells how it goes.`;
}
