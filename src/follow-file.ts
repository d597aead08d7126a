/**
 * Follows a log file's name: when somebody has renamed or removed the file (logrotate), it is opened again under its
 * name. So rotation needs no signal, works in every process that writes the file, and loses no line. Not for a file
 * that is truncated in place: that one is still the same.
 *
 * It looks before every write, not once in a while: shippers stop reading a renamed file soon. That costs 4
 * microseconds, the write that follows 50, and many lines share one.
 */
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { messageOf } from './errors.ts';

/**
 * Returns a function from the descriptor in use to the one to use now, which closes the former when they differ: call
 * it only while nothing is being written. `onTrouble` is called when the file cannot be opened again: lines go on into
 * the renamed one, and it is tried again.
 */
export function followFile(path: string, onTrouble: (what: string) => void): (fd: number) => number {
  /** What `known` is open on. */
  let identity = { ino: -1, dev: -1 };
  let known = -1;
  return (fd) => {
    try {
      if (fd !== known) {
        identity = fstatSync(fd);
        known = fd;
      }
      const named = statSync(path, { throwIfNoEntry: false });
      if (named?.ino === identity.ino && named.dev === identity.dev) return fd;
      const reopened = openSync(path, 'a');
      closeSync(fd);
      known = -1; // the number may be the same
      return reopened;
    } catch (error) {
      onTrouble(messageOf(error));
      return fd;
    }
  };
}
