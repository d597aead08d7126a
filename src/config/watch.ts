/**
 * Watches one file for a change of its content. The folder is what is watched, because neither an editor nor a
 * Kubernetes ConfigMap writes into the file: one renames a new file over it, the other swaps the symlink `..data`
 * that the file's own link goes through. A slow poll of the file's state finds what no event tells (network file
 * systems, links through other folders, a folder that was itself replaced).
 */
import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, unwatchFile, watch, watchFile } from 'node:fs';
import { basename, dirname } from 'node:path';

export interface WatchDeps {
  /** The content is another one and can be read. */
  readonly changed: () => void;
  /** The file is gone, or cannot be read any more; told once. */
  readonly gone: () => void;
  /** Events are not to be had; the poll goes on. */
  readonly degraded: (error: unknown) => void;
}

/** Several events make one change, and a file that is written in place is complete soon after the first. */
const SETTLE_MS = 150;
const POLL_MS = 2_000;

/** Returns what ends it. Keeps no process alive. */
export function watchContent(path: string, { changed, gone, degraded }: WatchDeps): () => void {
  let known = digestOf(path);
  let timer: NodeJS.Timeout | undefined;

  const look = (): void => {
    timer = undefined;
    const digest = digestOf(path);
    if (digest === known) return;
    known = digest;
    if (digest === undefined) gone();
    else changed();
  };
  // Not put off by further events: a folder in which much happens would put it off for ever.
  const lookSoon = (): void => {
    timer ??= setTimeout(look, SETTLE_MS).unref();
  };

  const name = basename(path);
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(dirname(path), { persistent: false }, (_event, touched) => {
      if (touched === null || touched === name || touched.startsWith('..')) lookSoon();
    });
    watcher.on('error', degraded);
  } catch (error) {
    degraded(error);
  }
  watchFile(path, { persistent: false, interval: POLL_MS }, lookSoon);

  return () => {
    clearTimeout(timer);
    watcher?.close();
    unwatchFile(path, lookSoon);
  };
}

function digestOf(path: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('base64');
  } catch {
    return undefined; // the caller is told that it is gone
  }
}
