/** Definitions of the stdio servers that the tests put behind the bridge. */
import { resolve } from 'node:path';

const fixture = (file: string, ...args: readonly string[]) => ({
  command: process.execPath,
  args: [resolve('test/fixtures/servers', file), ...args],
});

const packaged = (name: string, ...args: readonly string[]) => ({
  command: process.execPath,
  args: [resolve('node_modules/@modelcontextprotocol', name, 'dist/index.js'), ...args],
});

/** See the head of test/fixtures/servers/echo.mjs. */
export const echo = (...args: readonly string[]) => fixture('echo.mjs', ...args);

/** See the head of test/fixtures/servers/misbehave.mjs for the modes. */
export const misbehave = (...args: readonly string[]) => fixture('misbehave.mjs', ...args);

export const everything = packaged('server-everything');

/** Serves the files of `folder`. */
export const filesystem = (folder: string) => packaged('server-filesystem', folder);

/** Keeps its graph in `file`. */
export const memory = (file: string) => ({
  ...packaged('server-memory'),
  env: { MEMORY_FILE_PATH: file },
});
