/** Programs that a test drives and npm does not bring: where one is missing the test is skipped, but never in CI. */
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** Of the root user, where Debian puts what serves; not in the PATH of others. */
const SYSTEM = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The path of `name`; its bare name where it is not installed. */
export function tool(name: string): string {
  const folders = [...(process.env['PATH'] ?? '').split(':'), ...SYSTEM];
  return folders.map((folder) => join(folder, name)).find(isProgram) ?? name;
}

/** For `skip` of a test that needs `programs` (from the Debian packages `packages`, separated by spaces). */
export function without(programs: readonly string[], packages: string): string | false {
  const missing = programs.filter((name) => tool(name) === name);
  if (missing.length === 0) return false;
  const reason = `${missing.join(', ')} not installed (Debian: apt install ${packages})`;
  if (process.env['CI']) throw new Error(`${reason}, and CI must not skip a test`);
  return reason;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
