/** Files that another process may read at any moment: they are there whole, or as they were before. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

const MODE = 0o600;

export function writeWhole(path: string, text: string): void {
  const draft = `${path}.tmp`;
  writeFileSync(draft, text, { mode: MODE });
  renameSync(draft, path);
}

/** Undefined when it is not there. */
export function readWhole(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined when it is not there or was not written by us. */
export function readJson(path: string): unknown {
  const text = readWhole(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The text of the file, which is made from `candidate` by whoever comes first; all others get that one. */
export function keptText(path: string, candidate: string): string {
  const draft = `${path}.${process.pid}.tmp`;
  rmSync(draft, { force: true });
  writeFileSync(draft, candidate, { mode: MODE, flag: 'wx' });
  try {
    // Fails where the file is there already, and unlike an exclusive open it is never there half-written.
    linkSync(draft, path);
    return candidate;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return readFileSync(path, 'utf8');
  } finally {
    rmSync(draft, { force: true });
  }
}
