/**
 * The primary's composition root: claims what must be its own, starts the fleet, and turns signals into requests to
 * it. Knows the terminal; the supervisor does not.
 */
import { randomBytes } from 'node:crypto';
import { type Fault, renderFault } from '../config/fault.ts';
import type { Settings } from '../config/settings.ts';
import { messageOf } from '../errors.ts';
import { createLogger, flushLog, type Logger } from '../log.ts';
import { createPrimaryMetrics } from '../metrics/metrics.ts';
import { banner, urlOf } from './banner.ts';
import type { Outcome } from './fleet-state.ts';
import { claimPort } from './port-claim.ts';
import { claimRuntimeDir, holderOf, runtimeDirOf } from './runtime-dir.ts';
import { EXIT_CONFIG, StartError } from './start-error.ts';
import { type ReadyWorker, Supervisor } from './supervisor.ts';

export interface PrimaryInput {
  readonly settings: Settings;
  readonly notes: readonly string[];
  readonly generatedToken?: string | undefined;
  /** The file that a worker runs. */
  readonly entry: string;
  readonly version: string;
  /** Reads the configuration anew. */
  readonly reload: () => { readonly settings: Settings } | { readonly faults: readonly Fault[] };
}

/** Resolves when the bridge has stopped. Rejects with a StartError when it cannot start. */
export async function runPrimary(input: PrimaryInput): Promise<Outcome> {
  const { settings, entry, version } = input;
  const port = await claimPort({
    host: settings.host,
    port: settings.port,
    holder: () => {
      const holder = holderOf(runtimeDirOf(settings, settings.port));
      return holder === undefined || holder.alive ? holder : 'dead';
    },
  });
  const runtimeDir = claimRuntimeDir(settings, port);
  const logger = openLog(settings);
  for (const note of input.notes) logger.warn(note);
  const metrics = createPrimaryMetrics({
    version,
    onError: (error) => logger.debug({ err: error }, 'process metrics could not be read'),
  });
  const supervisor = new Supervisor({
    settings,
    port,
    runtimeDir,
    sessionSecret: settings.sessionSecret || randomBytes(32).toString('base64url'),
    entry,
    logger,
    metrics,
    onStarted: (workers) => announce(input, { port, workers, logger }),
  });
  listenToSignals(supervisor, () => reload(input, supervisor, logger));
  supervisor.start();
  const outcome = await supervisor.done;
  metrics.close();
  runtimeDir.leave();
  logger.info({ code: outcome.code }, 'stopped');
  await flushLog(logger);
  return outcome;
}

function openLog(settings: Settings): Logger {
  try {
    return createLogger(settings, { role: 'primary' });
  } catch (error) {
    throw new StartError(messageOf(error), EXIT_CONFIG, error);
  }
}

/** The handlers only ask; the supervisor takes its events one after the other. */
function listenToSignals(supervisor: Supervisor, reloadNow: () => void): void {
  process.on('SIGTERM', () => supervisor.stop());
  process.on('SIGINT', () => supervisor.stop());
  process.on('SIGUSR2', () => supervisor.roll());
  process.on('SIGHUP', reloadNow);
}

/**
 * Workers forked from now on run with the new configuration; those that run keep theirs. Where the bridge listens
 * and how many workers it has stay as they are until it is started again.
 */
function reload({ reload: read, settings }: PrimaryInput, supervisor: Supervisor, logger: Logger): void {
  const fresh = read();
  if ('faults' in fresh) {
    for (const fault of fresh.faults)
      logger.error({ fault: renderFault(fault) }, 'configuration not reloaded');
    return;
  }
  const { host, port, workers } = settings;
  supervisor.adopt({ ...fresh.settings, host, port, workers });
  logger.info('configuration read again; a rolling restart (SIGUSR2) brings it to the workers that run');
}

interface Announcement {
  readonly port: number;
  readonly workers: readonly ReadyWorker[];
  readonly logger: Logger;
}

function announce({ settings, generatedToken }: PrimaryInput, { port, workers, logger }: Announcement): void {
  if (settings.nodeEnv === 'production') {
    const engine = workers[0]?.engine;
    logger.info(
      { url: urlOf(settings.host, port), host: settings.host, port, workers: workers.length, engine },
      'bridge ready',
    );
    return;
  }
  // Not through the logger: a generated token belongs on the terminal and in no file.
  process.stdout.write(banner({ settings, port, workers, generatedToken }));
}
