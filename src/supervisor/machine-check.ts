/**
 * What --check finds out about this machine without touching it: the places that the settings name. A start finds the
 * same when it takes them, and says it in the same words.
 */
import type { Settings } from '../config/settings.ts';
import { logDirTrouble } from '../log.ts';
import { claimPort } from './port-claim.ts';
import { inspectRuntimeDir } from './runtime-dir.ts';
import { EXIT_CONFIG, StartError } from './start-error.ts';

/** One sentence for every fault of the configuration. A port that is taken is none: the bridge may be running. */
export async function faultsOfPlaces(settings: Settings): Promise<readonly string[]> {
  const { host, port } = settings;
  const faults = [
    await refusal(() => claimPort({ host, port, holder: () => undefined })),
    await refusal(() => inspectRuntimeDir(settings, port)),
    logDirTrouble(settings),
  ];
  return faults.filter((fault) => fault !== undefined);
}

async function refusal(attempt: () => unknown): Promise<string | undefined> {
  try {
    await attempt();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    if (error.exitCode === EXIT_CONFIG) return error.message;
  }
  return undefined;
}
