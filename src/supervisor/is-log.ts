/** Whether what is written to a descriptor is kept for others to read: in a file, or in systemd's journal. */
import { fstatSync } from 'node:fs';

/** `journalStream`: what systemd says of the descriptors that lead to the journal. systemd.exec(5), `$JOURNAL_STREAM`. */
export function isLog(descriptor: number, journalStream: string | undefined): boolean {
  try {
    const stats = fstatSync(descriptor);
    return stats.isFile() || journalStream === `${stats.dev}:${stats.ino}`;
  } catch {
    return false; // closed: nothing is written there at all
  }
}
