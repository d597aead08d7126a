/** The command line of the long runs, and what ends them early. */
import { parseArgs } from 'node:util';

/** Throws a sentence for whoever typed it. `defaults` names the options there are. */
export function readNumbers<T extends Readonly<Record<string, number>>>(
  argv: readonly string[],
  defaults: T,
): { readonly [K in keyof T]: number } {
  const names = Object.keys(defaults);
  const { values } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
  });
  const read = Object.entries(defaults).map(([name, otherwise]) => {
    const text = values[name];
    if (text === undefined) return [name, otherwise] as const;
    const value = Number(text);
    if (!Number.isFinite(value) || value <= 0)
      throw new Error(`--${name} takes a number above 0; found "${text}".`);
    return [name, value] as const;
  });
  return Object.fromEntries(read) as { readonly [K in keyof T]: number };
}

/** Aborts on Ctrl-C and on SIGTERM: a long run must clean up then too. */
export function interrupted(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort());
  return controller.signal;
}
