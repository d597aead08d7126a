/** What the commands of this folder have in common: where the key comes from, and how they fail. */
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gatherVariables } from '../../src/config/dotenv.ts';

/** Of the project. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A sentence for whoever typed the command. */
export class UsageError extends Error {}

/** Metadata of every sandbox that is started from here, by which it is found again. */
export const OURS = { app: 'mcp-bridge' };

/** E2B_API_KEY, from the environment or the project's .env files. */
export function apiKey(): string {
  const key = gatherVariables(ROOT, process.env).variables.get('E2B_API_KEY')?.text;
  if (key === undefined) {
    throw new UsageError(
      'E2B_API_KEY is not set; put it into .env (the key is at https://e2b.dev/dashboard?tab=keys)',
    );
  }
  return key;
}

/** What a command does with the words behind its name. Throws when it cannot. */
export type Main = (args: readonly string[], print: (text: string) => void) => Promise<void>;

/**
 * Runs `main` when the module at `url` is what was started. Whatever goes wrong is one line on stderr, and exit code 1
 * (2 where the command line or the key is wrong).
 */
export async function runCommand(url: string, main: Main): Promise<void> {
  const file = fileURLToPath(url);
  if (process.argv[1] !== file) return;
  try {
    await main(process.argv.slice(2), (text) => void process.stdout.write(text));
  } catch (error) {
    const { message } = error as Error;
    process.stderr.write(`${basename(file)}: ${message.trim().split('\n')[0]}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

/** Rows below each other, their columns aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}
