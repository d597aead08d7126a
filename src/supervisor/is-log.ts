/** Whether what is written to a descriptor is kept for others to read: in a file, in systemd's journal, in PM2's logs. */
import { fstatSync } from 'node:fs';

/**
 * systemd and PM2 read from a pipe, and say so in the environment: systemd.exec(5), `$JOURNAL_STREAM`; PM2's fork mode
 * passes on the path of the file that it writes.
 */
export function isLog(descriptor: number, environment: NodeJS.ProcessEnv): boolean {
  const { JOURNAL_STREAM: journal, pm_out_log_path: pm2 } = environment;
  try {
    const stats = fstatSync(descriptor);
    return stats.isFile() || pm2 !== undefined || journal === `${stats.dev}:${stats.ino}`;
  } catch {
    return false; // closed: nothing is written there at all
  }
}
