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
}

/** Throws BridgeError `server_start_failed` when a user or group does not exist here. */
export function confine(server: StdioServer, command: string, args: readonly string[]): Confined {
  const { memoryMb, cpuSeconds, openFiles } = server.limits;
  const options = [
    ...(memoryMb === undefined ? [] : [`--as=${memoryMb * MIB}`]),
    ...(cpuSeconds === undefined ? [] : [`--cpu=${cpuSeconds}`]),
    ...(openFiles === undefined ? [] : [`--nofile=${openFiles}`]),
  ];
  const identity = identityOf(server);
  if (options.length === 0) return { command, args, identity };
  return { command: 'prlimit', args: [...options, '--', command, ...args], identity };
}

function identityOf({ name, user, group }: StdioServer): Confined['identity'] {
  if (user === undefined && group === undefined) return {};
  const passwd = user === undefined ? undefined : entry('/etc/passwd', user, name);
  const gid = group === undefined ? passwd?.[3] : entry('/etc/group', group, name)[2];
  return {
    ...(passwd === undefined ? {} : { uid: Number(passwd[2]) }),
    ...(gid === undefined ? {} : { gid: Number(gid) }),
  };
}

/** passwd(5) and group(5): fields separated by colons, the name first. */
function entry(file: string, wanted: string, server: string): string[] {
  const fields = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = fields.find(([name]) => name === wanted);
  if (found === undefined) {
    throw new BridgeError(
      'server_start_failed',
      `Server "${server}" shall run as "${wanted}", which ${file} does not name.`,
    );
  }
  return found;
}
