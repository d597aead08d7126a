/**
 * Folders that the configuration names. Not by `recursive` of node:fs: where a file system lets nobody make one, as
 * below /proc, it tries for ever (seen with Node 20).
 */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes it and those above it, unless they are there; others may be making the same ones. Throws as mkdirSync does. */
export function makeFolder(path: string, mode?: number): void {
  try {
    makeOne(path, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    makeFolder(dirname(path), mode);
    makeOne(path, mode);
  }
}

function makeOne(path: string, mode?: number): void {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    const isTaken = (error as NodeJS.ErrnoException).code === 'EEXIST';
    if (!isTaken || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

/** Why there is no folder to write in and none can be made, in words after a comma; undefined where all is well. */
export function folderTrouble(path: string): string | undefined {
  try {
    if (!statSync(path).isDirectory()) return 'which is no folder';
    accessSync(path, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(path) !== path) return folderTrouble(dirname(path));
    return `where nothing can be written (${code})`;
  }
}
