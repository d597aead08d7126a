/**
 * The processes of one run, told by a mark in their environment: whoever was adopted by init is found too, and
 * nobody else's process ever is. Linux only.
 */
import { readdirSync, readFileSync } from 'node:fs';

export const MARK_VARIABLE = 'MCP_BRIDGE_RUN';

/** A process id is given out again; together with the start time it means one process. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly startTime: string;
}

/** Every process with this mark that is no zombie. */
export function marked(mark: string): Process[] {
  const found: Process[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (!read(`/proc/${pid}/environ`)?.includes(`${MARK_VARIABLE}=${mark}`)) continue;
    const one = look(pid);
    if (one !== undefined) found.push(one);
  }
  return found;
}

/** How many processes name `text` on their command line: the guardian is started without the mark. */
export function naming(text: string): number {
  return readdirSync('/proc').filter(
    (name) => Number(name) !== process.pid && read(`/proc/${name}/cmdline`)?.includes(text),
  ).length;
}

/** Signals exactly this process; false when it is gone. */
export function signal(one: Process, name: NodeJS.Signals): boolean {
  if (look(one.pid)?.startTime !== one.startTime) return false;
  try {
    return process.kill(one.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Open file descriptors; 0 when it is gone. */
export function descriptorsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0; // ended while we looked
  }
}

export function residentMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1] ?? 0) / 1024;
}

/** Undefined when there is none by that id, or only a zombie. */
function look(pid: number): Process | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the command in parentheses, and may itself hold spaces and parentheses.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields === undefined || fields[0] === 'Z') return undefined;
  return { pid, parent: Number(fields[1]), startTime: fields[19] ?? '' };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined; // ended, or another user's
  }
}
