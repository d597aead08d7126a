/**
 * The primary's composition root: claims what must be its own, starts the fleet, and turns signals into requests to
 * it. Knows the terminal; the supervisor does not.
 */
import { randomBytes } from 'node:crypto';
import type { Loaded, Refused } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { messageOf } from '../errors.ts';
import { createLogger, flushLog, type Logger } from '../log.ts';
import { createPrimaryMetrics } from '../metrics/metrics.ts';
import { Reloader } from '../reloader.ts';
import { watchServers } from '../watch-servers.ts';
import { endAllLeftBehind } from './aftermath.ts';
import { banner, urlOf } from './banner.ts';
import type { Outcome } from './fleet-state.ts';
import { type GuardianOptions, startGuardian } from './guardian.ts';
import { isLog } from './is-log.ts';
import { createLedgerFile, ledgerPath } from './ledger-file.ts';
import { claimPort } from './port-claim.ts';
import { claimRuntimeDir, holderOf, type RuntimeDir, runtimeDirOf } from './runtime-dir.ts';
import { EXIT_CONFIG, StartError } from './start-error.ts';
import { type ReadyWorker, Supervisor } from './supervisor.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';

export interface PrimaryInput {
  readonly settings: Settings;
  readonly notes: readonly string[];
  readonly generatedToken?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
  /** Whether a public address is wanted. */
  readonly tunnel: boolean;
  /** The file that a worker runs. */
  readonly entry: string;
  /** What ends all that the ledger at `path` names, should this process be killed. */
  readonly guardian: (path: string) => Pick<GuardianOptions, 'command' | 'environment'>;
  readonly version: string;
  /** Reads the configuration anew. */
  readonly reload: () => Loaded | Refused;
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
  const logger = openLog(settings, runtimeDir);
  for (const note of input.notes) logger.warn(note);
  const metrics = createPrimaryMetrics({
    version,
    onError: (error) => logger.debug({ err: error }, 'process metrics could not be read'),
  });
  await endAllLeftBehind(runtimeDir.path);
  const path = ledgerPath(runtimeDir.path);
  const ledgerFile = createLedgerFile(path, (error) =>
    logger.error({ err: error }, 'the ledger of processes cannot be written'),
  );
  // With the first process of a container the kernel ends all others.
  const guardian = process.pid === 1 ? undefined : startGuardian({ ...input.guardian(path), logger });
  const supervisor = new Supervisor({
    settings,
    port,
    runtimeDir,
    ledgerFile,
    sessionSecret: settings.sessionSecret || randomBytes(32).toString('base64url'),
    entry,
    logger,
    metrics,
    onStarted: (workers) => {
      announce(input, { port, workers, logger, runtimeDir });
      if (input.tunnel) void startTunnel();
    },
  });
  let tunnel: Tunnel | undefined;
  let running = settings;
  const adopt = (next: Settings): Promise<void> => {
    running = next;
    return supervisor.adopt(tunnel === undefined ? next : withHost(next, new URL(tunnel.url).hostname));
  };
  const startTunnel = async (): Promise<void> => {
    try {
      tunnel = await openTunnel({
        port,
        authToken: settings.ngrokAuthToken,
        lost: () => logger.warn('the tunnel is lost; ngrok tries to get it back'),
        found: () => logger.info('the tunnel is back'),
      });
      await adopt(running);
      announceTunnel(settings, tunnel, logger);
    } catch (error) {
      logger.warn(`${messageOf(error)} The bridge goes on without one.`);
    }
  };
  const reloader = new Reloader({
    settings,
    notes: input.notes,
    read: input.reload,
    tryServers: (servers) => supervisor.tryServers(servers),
    adopt,
    logger,
  });
  listenToSignals(supervisor, reloader);
  const stopWatching = watchServers(settings, (because) => reloader.request(because), logger);
  supervisor.start();
  const outcome = await supervisor.done;
  stopWatching();
  await tunnel
    ?.close()
    .catch((error: unknown) => logger.debug({ err: error }, 'the tunnel was gone already'));
  reloader.close();
  metrics.close();
  runtimeDir.leave();
  await guardian?.dismiss();
  logger.info({ code: outcome.code }, 'stopped');
  await flushLog(logger);
  return outcome;
}

/** A tunnel's host is ours like those of ALLOWED_HOSTS; where any is allowed there is nothing to add. */
function withHost(settings: Settings, host: string): Settings {
  const { allowedHosts } = settings;
  return allowedHosts === undefined ? settings : { ...settings, allowedHosts: [...allowedHosts, host] };
}

function openLog(settings: Settings, runtimeDir: RuntimeDir): Logger {
  try {
    return createLogger(settings, { role: 'primary' });
  } catch (error) {
    runtimeDir.leave();
    throw new StartError(messageOf(error), EXIT_CONFIG, error);
  }
}

/** The handlers only ask; the supervisor takes its events one after the other. */
function listenToSignals(supervisor: Supervisor, reloader: Reloader): void {
  process.on('SIGTERM', () => supervisor.stop());
  process.on('SIGINT', () => supervisor.stop());
  process.on('SIGUSR2', () => supervisor.roll());
  process.on('SIGHUP', () => reloader.request('SIGHUP'));
}

function announceTunnel({ nodeEnv }: Settings, { url }: Tunnel, logger: Logger): void {
  const bridge = `${url}/bridge`;
  const mcp = `${url}/mcp/<server>`;
  if (nodeEnv === 'production') logger.info({ mcp, bridge }, 'public');
  else process.stdout.write(`Public: ${mcp} and ${bridge}\n`);
}

interface Announcement {
  readonly port: number;
  readonly workers: readonly ReadyWorker[];
  readonly logger: Logger;
  readonly runtimeDir: RuntimeDir;
}

function announce(input: PrimaryInput, { port, workers, logger, runtimeDir }: Announcement): void {
  const { settings, generatedToken, environment } = input;
  // For a supervisor that waits for it: PM2's fork mode with wait_ready.
  process.send?.('ready');
  if (settings.nodeEnv === 'production') {
    const engine = workers[0]?.engine;
    logger.info(
      { url: urlOf(settings.host, port), host: settings.host, port, workers: workers.length, engine },
      'bridge ready',
    );
    return;
  }
  // Not through the logger: a generated token belongs on the terminal and in no log.
  const isKept = isLog(process.stdout.fd, environment);
  if (isKept && process.stderr.isTTY) {
    process.stderr.write(banner({ settings, port, workers, generatedToken }));
    return;
  }
  const isHidden = isKept && generatedToken !== undefined;
  const tokenFile = isHidden ? runtimeDir.keepToken(generatedToken) : undefined;
  process.stdout.write(banner({ settings, port, workers, generatedToken, tokenFile }));
}
