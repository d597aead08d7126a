/**
 * RUNTIME_DIR: the folder of the pid file, the ledger and the workers' relay sockets. Whoever can write there can speak to
 * the workers as one of them, so it belongs to this user alone, and a folder that does not is refused, not repaired:
 * a mode changed on /tmp by mistake would be worse.
 */
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  type Stats,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { renderFault, shown } from '../config/fault.ts';
import type { Settings } from '../config/settings.ts';
import { messageOf } from '../errors.ts';
import { folderTrouble, makeFolder } from '../make-folder.ts';
import { ledgerPath } from './ledger-file.ts';
import { startTimeOf } from './proc.ts';
import { EXIT_CONFIG, EXIT_FAILED, StartError } from './start-error.ts';

export interface RuntimeDir {
  readonly path: string;
  /** Makes again what somebody has removed while the bridge runs; answers whether it had to. Throws as the claim does. */
  restore(): boolean;
  /** Removes what a dead worker left. */
  forget(worker: string): void;
  /** Keeps a token for this user to read; answers the path of its file. */
  keepToken(token: string): string;
  /** Removes the pid file, the ledger, the token and all sockets; the folder too, where it was not named by the operator. */
  leave(): void;
}

/** A worker id has 10 characters; a socket's path has at most 103 bytes on macOS, 107 on Linux. */
const SOCKET_NAME_BYTES = '/0123456789.sock'.length;
const MAX_SOCKET_PATH_BYTES = 103;
/** Holds the pid alone, as everybody reads pid files: `kill -HUP $(cat bridge.pid)`. */
const PID_FILE = 'bridge.pid';
/** The start time of that process, which tells it from a later one of the same number. */
const START_FILE = 'bridge.started';
/** The name that PM2's instances use too. */
const TOKEN_FILE = 'access-token';
const FRESH_MS = 6 * 3_600_000;

/** Where the bridge on `port` has its folder, whether it is there or not. */
export function runtimeDirOf({ runtimeDir }: Pick<Settings, 'runtimeDir'>, port: number): string {
  return runtimeDir ?? join(tmpdir(), `mcp-bridge-${process.getuid?.() ?? userInfo().username}-${port}`);
}

/** Throws a StartError when the folder cannot be trusted or another bridge has it. */
export function claimRuntimeDir(settings: Pick<Settings, 'runtimeDir'>, port: number): RuntimeDir {
  const path = runtimeDirOf(settings, port);
  secure(path);
  writePidFile(path);
  clearSockets(path);
  const freshening = keepFresh(path);
  const tokenFile = join(path, TOKEN_FILE);
  let kept: string | undefined;
  const writeToken = (token: string): void => {
    rmSync(tokenFile, { force: true });
    writeFileSync(tokenFile, token, { flag: 'wx', mode: 0o600 });
  };
  return {
    path,
    restore() {
      if (existsSync(path)) return false;
      secure(path);
      writePidFile(path);
      if (kept !== undefined) writeToken(kept);
      return true;
    },
    forget: (worker) => rmSync(join(path, `${worker}.sock`), { force: true }),
    keepToken(token) {
      kept = token;
      writeToken(token);
      return tokenFile;
    },
    leave() {
      clearInterval(freshening);
      if (!existsSync(path)) return;
      clearSockets(path);
      if (kept !== undefined) rmSync(tokenFile, { force: true });
      rmSync(ledgerPath(path), { force: true });
      if (readPid(path) === process.pid) {
        for (const name of [PID_FILE, START_FILE]) rmSync(join(path, name), { force: true });
      }
      if (settings.runtimeDir === undefined) removeEmpty(path);
    },
  };
}

/** The folder's path, for processes that share it without a primary. Throws as `claimRuntimeDir` does. */
export function enterRuntimeDir(settings: Pick<Settings, 'runtimeDir'>, port: number): string {
  const path = runtimeDirOf(settings, port);
  secure(path);
  refuseHeld(path);
  keepFresh(path);
  return path;
}

export interface Holder {
  readonly pid: number;
  readonly alive: boolean;
}

/** The bridge that the pid file names; undefined when there is none that could be read. */
export function holderOf(path: string): Holder | undefined {
  const pid = readPid(path);
  if (pid === undefined) return undefined;
  const running = startTimeOf(pid);
  // Without a start time its writer has just begun: it counts as alive.
  const written = read(path, START_FILE) ?? running;
  return { pid, alive: pid !== process.pid && running !== undefined && running === written };
}

/** Systems clear their temporary folder of what is days old (systemd-tmpfiles: ten); a bridge runs for longer. */
function keepFresh(path: string): NodeJS.Timeout {
  const freshen = (): void => {
    const at = new Date();
    try {
      for (const name of readdirSync(path)) utimesSync(join(path, name), at, at);
    } catch {
      return; // somebody was removing one: the next time is soon enough
    }
  };
  return setInterval(freshen, FRESH_MS).unref();
}

/** Throws the StartError that a claim would end with, and makes nothing. */
export function inspectRuntimeDir(settings: Pick<Settings, 'runtimeDir'>, port: number): void {
  const path = runtimeDirOf(settings, port);
  checkLength(path);
  const trouble = folderTrouble(path);
  if (trouble !== undefined) throw fault(path, trouble, 'a folder of this user');
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats !== undefined) judge(path, stats);
}

function secure(path: string): void {
  checkLength(path);
  let stats: Stats;
  try {
    makeFolder(path, 0o700);
    stats = lstatSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const found = code === 'EEXIST' ? 'which is no folder' : `which cannot be made (${messageOf(error)})`;
    throw fault(path, found, 'a folder of this user');
  }
  judge(path, stats);
}

function checkLength(path: string): void {
  if (Buffer.byteLength(path) + SOCKET_NAME_BYTES > MAX_SOCKET_PATH_BYTES) {
    throw fault(
      path,
      'too long for Unix sockets',
      `at most ${MAX_SOCKET_PATH_BYTES - SOCKET_NAME_BYTES} bytes`,
    );
  }
}

function judge(path: string, stats: Stats): void {
  if (stats.isSymbolicLink()) throw fault(path, 'a symbolic link', 'a real folder');
  if (!stats.isDirectory()) throw fault(path, 'which is no folder', 'a folder of this user');
  const uid = process.getuid?.();
  if (uid !== undefined && stats.uid !== uid) {
    throw fault(path, `which belongs to user id ${stats.uid}`, `a folder of user id ${uid}`);
  }
  if ((stats.mode & 0o077) !== 0 && uid !== undefined) {
    const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
    throw fault(path, `whose mode ${mode} lets others in`, 'mode 0700 (a folder for this bridge alone)');
  }
}

function fault(path: string, what: string, allowed: string): StartError {
  const found = `${shown(path)}, ${what}`;
  return new StartError(
    renderFault({ file: 'environment', key: 'RUNTIME_DIR', found, allowed: `allowed: ${allowed}` }),
    EXIT_CONFIG,
  );
}

function writePidFile(path: string): void {
  const file = join(path, PID_FILE);
  const start = join(path, START_FILE);
  refuseHeld(path);
  rmSync(file, { force: true });
  rmSync(start, { force: true });
  try {
    // Exclusive: of two bridges that start together, one finds the other's file here.
    writeFileSync(file, `${process.pid}\n`, { flag: 'wx', mode: 0o600 });
    writeFileSync(start, `${startTimeOf(process.pid)}\n`, { mode: 0o600 });
  } catch (error) {
    throw new StartError(`Cannot write ${file}: ${messageOf(error)}.`, EXIT_FAILED, error);
  }
}

function refuseHeld(path: string): void {
  const holder = holderOf(path);
  if (!holder?.alive) return;
  throw new StartError(
    `Another bridge (pid ${holder.pid}) uses ${path}. Stop it, or give this one a RUNTIME_DIR of its own.`,
    EXIT_FAILED,
  );
}

function readPid(path: string): number | undefined {
  const text = read(path, PID_FILE) ?? '';
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
}

/** Undefined when it is not there, or was not written to its end. */
function read(path: string, name: string): string | undefined {
  try {
    return /^(.+)\n$/.exec(readFileSync(join(path, name), 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

function clearSockets(path: string): void {
  for (const name of readdirSync(path)) {
    if (name.endsWith('.sock')) rmSync(join(path, name), { force: true });
  }
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  }
}
