/**
 * What processes cost, from /proc (Linux only): CPU seconds and resident memory of a set of process ids, and which
 * ids belong to a gateway without its stdio children.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** The kernel reports CPU time to user space in ticks of this length on every Linux platform. */
const TICKS_PER_SECOND = 100;
const MIB_PER_KIB = 1 / 1024;

/**
 * `root` and its descendants, except those whose command line contains `childMark` and what they started:
 * the primary and its workers, without the stdio servers.
 */
export function gatewayPids(root: number, childMark: string): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const fields = Number.isInteger(pid) ? statFields(pid) : undefined;
    if (fields === undefined) continue;
    const parent = Number(fields[1]);
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const found: number[] = [];
  const queue = [root];
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    if (pid !== root && read(`/proc/${pid}/cmdline`)?.includes(childMark)) continue;
    found.push(pid);
    queue.push(...(children.get(pid) ?? []));
  }
  return found;
}

/** User and system seconds of all threads of `pids`; a process that is gone counts as 0. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = statFields(pid);
    if (fields !== undefined) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

/** Resident MiB of `pids` together; pages they share are counted for each. */
export function rssMib(pids: readonly number[]): number {
  let kib = 0;
  for (const pid of pids) kib += Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1] ?? 0);
  return kib * MIB_PER_KIB;
}

/** The fields of /proc/PID/stat after the command name, which may itself hold spaces and parentheses: state first. */
function statFields(pid: number): string[] | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Undefined when the process ended meanwhile. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
