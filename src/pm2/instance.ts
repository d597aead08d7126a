/**
 * The composition root of a process that PM2's cluster mode started: what the primary does before it forks, each
 * instance does for itself, or finds done by the first one. Then it is a worker like any other.
 */
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { renderFault, shown } from '../config/fault.ts';
import type { Loaded, Refused } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { now } from '../deadline.ts';
import { messageOf } from '../errors.ts';
import type { Fleet } from '../ipc/fleet.ts';
import type { StartMessage } from '../ipc/messages.ts';
import { createLogger, type Logger } from '../log.ts';
import { Reloader } from '../reloader.ts';
import { claimPort } from '../supervisor/port-claim.ts';
import { startTimeOf } from '../supervisor/proc.ts';
import { enterRuntimeDir } from '../supervisor/runtime-dir.ts';
import { EXIT_CONFIG, EXIT_FAILED, StartError } from '../supervisor/start-error.ts';
import { keptText } from '../supervisor/whole-file.ts';
import { workerId } from '../supervisor/worker-id.ts';
import { watchServers } from '../watch-servers.ts';
import type { Succession } from './fleet-families.ts';
import { createLock } from './lock.ts';
import { type MemberRecord, readMembers, writeMember } from './members.ts';
import { Pm2Fleet } from './pm2-fleet.ts';
import { takeCrash } from './retired.ts';

export interface InstanceInput {
  readonly environment: NodeJS.ProcessEnv;
  /** Reads the configuration; with this token where one would be made. */
  readonly read: (generatedToken?: string) => Loaded | Refused;
  readonly runWorker: (fleet: Fleet, start: StartMessage, environment: NodeJS.ProcessEnv) => Promise<void>;
  /** Says a last sentence and ends the process. */
  readonly fail: (sentence: string) => Promise<never>;
}

/** The first instance may have to wait for the port; all others wait for it. */
const BOOT_MS = 20_000;
/** Two signals within this time are one. */
const SAME_SIGNAL_MS = 100;

/** Resolves when the worker serves or could not start. Rejects with a StartError. */
export async function runInstance(input: InstanceInput): Promise<void> {
  const { environment, read, runWorker, fail } = input;
  const slot = slotOf(environment);
  const { settings: first, generatedToken } = orRefuse(read());
  if (first.port === 0) throw portFault();
  const folder = enterRuntimeDir(first, first.port);
  const shared =
    generatedToken === undefined ? undefined : keptText(join(folder, 'access-token'), generatedToken);
  const { settings: own, notes } = orRefuse(read(shared));

  const logger = openLog(own, slot);
  for (const note of notes) logger.warn(note);
  if (shared !== undefined) {
    // The terminal is a log file here, so the token itself is not printed.
    logger.warn({ file: join(folder, 'access-token') }, 'ACCESS_TOKEN is not set: the file holds one');
  }
  const lock = createLock(folder);
  const { self, sessionSecret, succession } = await lock.hold(
    () => claim({ folder, slot, settings: own, restarts: Number(environment['restart_time']) || 0 }),
    BOOT_MS,
  );
  const workers = instancesOf(environment, folder);
  const settings = { ...own, workers };
  const fleet = new Pm2Fleet({
    self,
    folder,
    lock,
    settings,
    logger,
    succession,
    announce: () => process.send?.('ready'),
    giveUp: fail,
  });
  const reloader = new Reloader({
    settings,
    notes,
    read() {
      const fresh = read(shared);
      return 'faults' in fresh ? fresh : { ...fresh, settings: { ...fresh.settings, workers } };
    },
    tryServers: (servers) => fleet.tryServers(servers),
    adopt: (applied) => fleet.adopt(applied),
    logger,
  });
  let serving: Promise<void> | undefined;
  // What is asked for while the worker starts is done when it serves.
  const reload = (because: string): void => void serving?.then(() => reloader.request(because));
  process.once('exit', (code) => {
    if (code === 0 || !fleet.hasChildren) fleet.leave(code !== 0);
  });
  listenToOrders(fleet, reload, logger);
  await fleet.open();
  const { port, id } = self;
  serving = runWorker(
    fleet,
    { type: 'start', slot, id, settings, sessionSecret, port, runtimeDir: folder },
    environment,
  );
  watchServers(settings, reload, logger);
  await serving;
}

function orRefuse(loaded: Loaded | Refused): Loaded {
  if (!('faults' in loaded)) return loaded;
  throw new StartError(loaded.faults.map(renderFault).join('\n'), EXIT_CONFIG);
}

interface ClaimInput {
  readonly folder: string;
  readonly slot: number;
  readonly settings: Settings;
  /** How often PM2 has started this instance again. */
  readonly restarts: number;
}

interface Claimed {
  readonly self: MemberRecord;
  readonly sessionSecret: string;
  readonly succession: Succession | undefined;
}

/** One instance at a time: the first one makes sure that the port is the bridge's own, the others rely on it. */
async function claim({ folder, slot, settings, restarts }: ClaimInput): Promise<Claimed> {
  const { live, dead } = readMembers(folder);
  const { host, port } = settings;
  // A member that is dead may have been so for a moment only: what it held is being closed.
  if (!live.some((member) => member.port === port)) await claimPort({ host, port, holder: () => 'dead' });
  const inSlot = (member: MemberRecord): boolean => member.slot === slot;
  const hasCrashed = takeCrash(folder, slot) || dead.some(inSlot);
  const self: MemberRecord = {
    slot,
    id: workerId(),
    state: 'booting',
    pid: process.pid,
    startTime: startTimeOf(process.pid) ?? 'unknown',
    bornMs: Date.now(),
    port,
  };
  writeMember(folder, self);
  return {
    self,
    sessionSecret:
      settings.sessionSecret ||
      keptText(join(folder, 'session-secret'), randomBytes(32).toString('base64url')),
    succession: hasCrashed ? 'crash' : restarts > 0 || live.some(inSlot) ? 'roll' : undefined,
  };
}

/** PM2 stops a process with SIGINT, or with a message where signals do not exist. Asked twice, it ends at once. */
function listenToOrders(fleet: Pm2Fleet, reload: (because: string) => void, logger: Logger): void {
  let askedAt: number | undefined;
  const stop = (): void => {
    if (askedAt === undefined) {
      askedAt = now();
      if (!fleet.drain()) process.exit(0);
    } else if (now() - askedAt > SAME_SIGNAL_MS) {
      void fleet.endChildren().finally(() => process.exit(0));
    }
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('message', (message) => {
    if (message === 'shutdown') stop();
  });
  process.on('SIGHUP', () => reload('SIGHUP'));
  process.on('SIGUSR2', () =>
    logger.warn('PM2 runs this bridge: `pm2 reload mcp-bridge` is its rolling restart'),
  );
  // First in line, because node:cluster's own listener would end this process on the spot, children unended.
  process.prependListener('disconnect', () => {
    if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
    if (askedAt === undefined && !fleet.orphan()) process.exit(EXIT_FAILED);
  });
}

function openLog(settings: Settings, slot: number): Logger {
  try {
    return createLogger(settings, { role: 'worker', slot });
  } catch (error) {
    throw new StartError(messageOf(error), EXIT_CONFIG, error);
  }
}

function slotOf({ NODE_APP_INSTANCE }: NodeJS.ProcessEnv): number {
  const slot = Number(NODE_APP_INSTANCE);
  if (NODE_APP_INSTANCE !== '' && Number.isInteger(slot) && slot >= 0) return slot;
  const found = shown(NODE_APP_INSTANCE ?? '');
  const allowed = 'allowed: the number that PM2 sets';
  throw new StartError(
    renderFault({ file: 'environment', key: 'NODE_APP_INSTANCE', found, allowed }),
    EXIT_CONFIG,
  );
}

/** As many as PM2 was told to start, or more when it was scaled since; what is dealt out per slot is dealt to so many. */
function instancesOf({ instances }: NodeJS.ProcessEnv, folder: string): number {
  const slots = readMembers(folder).live.map(({ slot }) => slot + 1);
  return Math.max(Number(instances) || 1, ...slots);
}

function portFault(): StartError {
  const found = shown('0');
  const allowed = 'allowed: 1 to 65535, because the instances of PM2 must meet at one port';
  return new StartError(renderFault({ file: 'environment', key: 'PORT', found, allowed }), EXIT_CONFIG);
}
