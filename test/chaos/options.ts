/** The command line of the long runs, and what ends them early. */
import { parseArgs } from 'node:util';

/** `defaults` names the options there are. Tells whoever typed something else, and ends the program with 2. */
export function readNumbers<T extends Readonly<Record<string, number>>>(
  defaults: T,
): { readonly [K in keyof T]: number } {
  try {
    return read(defaults);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

/** A seed for a run that was given none. */
export const drawnSeed = (): number => 1 + Math.floor(Math.random() * 1_000_000);

function read<T extends Readonly<Record<string, number>>>(defaults: T): { readonly [K in keyof T]: number } {
  const names = Object.keys(defaults);
  const { values } = parseArgs({
    args: process.argv.slice(2),
    options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
  });
  const entries = Object.entries(defaults).map(([name, otherwise]) => {
    const text = values[name];
    if (text === undefined) return [name, otherwise] as const;
    const value = Number(text);
    if (!Number.isFinite(value) || value <= 0)
      throw new Error(`--${name} takes a number above 0; found "${text}".`);
    return [name, value] as const;
  });
  return Object.fromEntries(entries) as { readonly [K in keyof T]: number };
}

/** Aborts on Ctrl-C and on SIGTERM: a long run must clean up then too. */
export function interrupted(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort());
  return controller.signal;
}
