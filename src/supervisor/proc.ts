/**
 * Whether a process id still means the process that it once meant. Ids are given out again; the time at which a
 * process started is not.
 */
import { existsSync, readFileSync } from 'node:fs';

const hasProc = existsSync('/proc/self/stat');

/**
 * Start time of a process (clock ticks since boot, proc(5) field 22); undefined when there is none by that id;
 * `unknown` on systems without /proc.
 */
export function startTimeOf(pid: number): string | undefined {
  if (!hasProc) return isSignalable(pid) ? 'unknown' : undefined;
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The second field is the command in parentheses, and may itself hold spaces and parentheses.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

/** Negative: a process group. EPERM means that it is there and belongs to somebody else. */
export function isSignalable(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Negative: a process group. What is gone already, or belongs to somebody else, is let be. */
export function signalIfThere(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // EPERM: a child that runs as another user, whom only its own worker may end.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}
