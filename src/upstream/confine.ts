/**
 * The operating system's limits for one stdio child: another user and group, and `prlimit` around its command.
 */
import { readFileSync } from 'node:fs';
import type { StdioServer } from '../config/settings.ts';
import { BridgeError } from '../errors.ts';

const MIB = 1_048_576;

export interface Confined {
  readonly command: string;
  readonly args: readonly string[];
  readonly identity: { readonly uid?: number; readonly gid?: number };
  /** What tells programs whose home they are to use. */
  readonly environment: Readonly<Record<string, string>>;
}

type Account = Pick<Confined, 'identity' | 'environment'>;

/** Throws BridgeError `server_start_failed` when a user or group does not exist here. */
export function confine(server: StdioServer, command: string, args: readonly string[]): Confined {
  const { memoryMb, cpuSeconds, openFiles } = server.limits;
  const options = [
    ...(memoryMb === undefined ? [] : [`--as=${memoryMb * MIB}`]),
    ...(cpuSeconds === undefined ? [] : [`--cpu=${cpuSeconds}`]),
    ...(openFiles === undefined ? [] : [`--nofile=${openFiles}`]),
  ];
  const account = accountOf(server);
  if (options.length === 0) return { command, args, ...account };
  return { command: 'prlimit', args: [...options, '--', command, ...args], ...account };
}

/** A user brings along a group and a home, as with su(1); another group may be named. */
function accountOf({ name, user, group }: StdioServer): Account {
  const passwd = user === undefined ? undefined : entry('/etc/passwd', user, name);
  const gid = group === undefined ? passwd?.[3] : entry('/etc/group', group, name)[2];
  const [login = '', , uid, , , home = ''] = passwd ?? [];
  return {
    identity: { ...(uid && { uid: Number(uid) }), ...(gid && { gid: Number(gid) }) },
    environment: { ...(login && { USER: login, LOGNAME: login }), ...(home && { HOME: home }) },
  };
}

const isNumber = (text: string): boolean => /^\d{1,9}$/.test(text);

/**
 * passwd(5) and group(5): fields separated by colons, the name first, then the number. A number that is nobody's stands
 * for itself, as user and as group: images without accounts run so.
 */
function entry(file: string, wanted: string, server: string): string[] {
  const entries = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found =
    entries.find(([name]) => name === wanted) ??
    (isNumber(wanted)
      ? (entries.find((fields) => fields[2] === wanted) ?? ['', '', wanted, wanted])
      : undefined);
  if (found === undefined) {
    throw new BridgeError(
      'server_start_failed',
      `Server "${server}" could not be started: it shall run as "${wanted}", which ${file} does not name.`,
    );
  }
  return found;
}
