/**
 * The variables of the bridge from the real environment, `.env.<NODE_ENV>` and `.env`, each with the place it came
 * from. Owns the syntax of those files, not the meaning of any variable. `parseEnv` of node:util is not used: it
 * swallows a line without `=` into the next name and cuts an unquoted value at any `#`, which shortens tokens
 * without a word.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fault } from './fault.ts';

export interface Sourced {
  readonly text: string;
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  /** The name to show when it is not the variable's: `--port`. */
  readonly key?: string;
}

export type Variables = ReadonlyMap<string, Sourced>;

const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=[ \t]*/;
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/**
 * `NAME=value` lines; `export`, `#` comments (after a blank, or as a line) and quotes over several lines are
 * understood; `"` knows `\n`, `\r`, `\t` and `\` before any other character, `'` and a backtick know nothing.
 * Of equal names the last one counts.
 */
export function parseDotenv(
  text: string,
  file: string,
): { variables: Map<string, Sourced>; faults: Fault[] } {
  const variables = new Map<string, Sourced>();
  const faults: Fault[] = [];
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  for (let index = 0; index < lines.length; index++) {
    const content = lines[index] ?? '';
    if (/^\s*(#|$)/.test(content)) continue;
    const line = index + 1;
    const column = content.search(/\S/) + 1;
    const start = assignment.exec(content);
    const name = start?.[1];
    if (start === null || name === undefined) {
      faults.push({
        file,
        line,
        column,
        key: '',
        found: 'found a line that sets nothing',
        allowed: 'allowed: NAME=value',
      });
      continue;
    }
    const rest = content.slice(start[0].length);
    const quote = /^["'`]/.exec(rest)?.[0];
    if (quote === undefined) {
      variables.set(name, { text: rest.replace(/(^|\s+)#.*$/, '').trim(), file, line, column });
      continue;
    }
    const body = [rest.slice(1), ...lines.slice(index + 1)].join('\n');
    const closed = (
      quote === '"' ? /^((?:\\[\s\S]|[^"\\])*)"([^\n]*)/ : new RegExp(`^([^${quote}]*)${quote}([^\\n]*)`)
    ).exec(body);
    const value = closed?.[1];
    if (value === undefined) {
      faults.push({
        file,
        line,
        column,
        key: name,
        found: `found no closing ${quote}`,
        allowed: 'allowed: a value in a pair of quotes',
      });
      continue;
    }
    index += value.split('\n').length - 1;
    if (!/^\s*(#.*)?$/.test(closed?.[2] ?? '')) {
      faults.push({
        file,
        line,
        column,
        key: name,
        found: `found text after the closing ${quote}`,
        allowed: 'allowed: a comment',
      });
      continue;
    }
    const unescaped =
      quote === '"' ? value.replaceAll(/\\([\s\S])/g, (_, mark: string) => escapes[mark] ?? mark) : value;
    variables.set(name, { text: unescaped, file, line, column });
  }
  return { variables, faults };
}

/** The file's variables; a file that is not there has none. */
function readDotenv(cwd: string, file: string): { variables: Map<string, Sourced>; faults: Fault[] } {
  try {
    return parseDotenv(readFileSync(join(cwd, file), 'utf8'), file);
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown);
    const faults: Fault[] =
      code === 'ENOENT'
        ? []
        : [
            {
              file,
              key: '',
              found: `cannot be read (${code})`,
              allowed: 'allowed: a readable text file, or none',
            },
          ];
    return { variables: new Map(), faults };
  }
}

const setOnes = (source: Iterable<[string, Sourced]>): [string, Sourced][] =>
  [...source].filter(([, { text }]) => text.trim() !== '');

/** All variables that are set: the real environment wins, then `.env.<NODE_ENV>`, then `.env`. Empty is unset. */
export function gatherVariables(
  cwd: string,
  environment: NodeJS.ProcessEnv,
): { variables: Map<string, Sourced>; faults: Fault[] } {
  const real = setOnes(
    Object.entries(environment).map(([name, text = '']): [string, Sourced] => [
      name,
      { text, file: 'environment' },
    ]),
  );
  const general = readDotenv(cwd, '.env');
  const merged = new Map([...setOnes(general.variables), ...real]);
  const faults = [...general.faults];
  const nodeEnv = merged.get('NODE_ENV')?.text.trim() ?? 'development';
  if (!/^[\w-]+$/.test(nodeEnv)) return { variables: merged, faults };

  const specific = readDotenv(cwd, `.env.${nodeEnv}`);
  faults.push(...specific.faults);
  const other = specific.variables.get('NODE_ENV');
  if (other !== undefined && other.text !== '' && other.text !== nodeEnv) {
    const { text: _, ...place } = other;
    faults.push({
      ...place,
      key: 'NODE_ENV',
      found: `found ${JSON.stringify(other.text)}`,
      allowed: `allowed: ${nodeEnv}, for which this file is read`,
    });
  }
  specific.variables.delete('NODE_ENV');
  return {
    variables: new Map([...setOnes(general.variables), ...setOnes(specific.variables), ...real]),
    faults,
  };
}
