/**
 * The command line of both benchmarks: `[name …] [--seconds N] [--rounds N] [--out FILE]`.
 */
import { parseArgs } from 'node:util';

export interface Options {
  /** Empty: all. */
  readonly names: readonly string[];
  /** Length of one measured run. */
  readonly seconds: number;
  /** Runs per contender; the median counts. */
  readonly rounds: number;
  readonly out?: string;
}

/** Throws an Error with a sentence for the user when the arguments are wrong. */
export function readOptions(argv: readonly string[], known: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '3' },
      out: { type: 'string' },
    },
  });
  const stranger = positionals.find((name) => !known.includes(name));
  if (stranger !== undefined) throw new Error(`No "${stranger}" here; known: ${known.join(', ')}.`);
  const options = {
    names: positionals,
    seconds: positive('--seconds', values.seconds),
    rounds: positive('--rounds', values.rounds),
  };
  return values.out === undefined ? options : { ...options, out: values.out };
}

function positive(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 3600) {
    throw new Error(`${name} must be a whole number from 1 to 3600; found "${text}".`);
  }
  return number;
}
