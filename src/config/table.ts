/**
 * Tables of keys: a map in the servers file that has just these. Owns unknown keys, required keys and the place of
 * each; what a value may be is its shape's affair.
 */
import type { Position } from './fault.ts';
import { type Tree, under } from './file.ts';
import { nearest } from './nearest.ts';
import { type JsonSchema, type Reader, type Shape, shownTree } from './shape.ts';

/** One row of a table of keys. */
interface Key<T> {
  readonly shape: Shape<T>;
  /** One sentence, without its full stop. */
  readonly doc: string;
  /** The default in words. */
  readonly default?: string;
  readonly required?: true;
  /** Kind of server that alone may have it. */
  readonly only?: 'stdio' | 'remote';
}

export type Table = Readonly<Record<string, Key<unknown>>>;
type Values<T extends Table> = {
  readonly [Name in keyof T]?: T[Name] extends Key<infer V> ? V : never;
};

/** A map of a table's keys, with the place of each. */
export interface Fields<T extends Table> {
  readonly values: Values<T>;
  readonly at: Position;
  /** Where a key stands; the map itself for a key that is left out. */
  where(name: string): Position;
  has(name: string): boolean;
  /** Whether an unknown key was taken for a slip of this one. */
  meant(name: string): boolean;
}

/** The JSON schema of a map of a table's keys. */
export function tableSchema(table: Table): JsonSchema {
  const describe = ([name, { shape, doc, default: usual }]: [string, Key<unknown>]): [string, JsonSchema] => [
    name,
    { description: `${doc}.${usual === undefined ? '' : ` Default: ${usual}.`}`, ...shape.schema },
  ];
  const required = Object.keys(table).filter((name) => table[name]?.required);
  return {
    type: 'object',
    properties: Object.fromEntries(Object.entries(table).map(describe)),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
}

/**
 * Reads a map of a table's keys. Names outside the table are faults with the nearest known one, unless `ignore`
 * lists them: those are only noted.
 */
export function fieldsOf<T extends Table>(
  table: T,
  tree: Tree,
  { key, reader, ignore }: { key: string; reader: Reader; ignore?: (name: string) => boolean },
): Fields<T> | undefined {
  const names = Object.keys(table);
  const named = key === '' ? 'the file' : key;
  if (tree.kind !== 'map') {
    return reader.fault(
      tree.at,
      key,
      shownTree(tree),
      `allowed: a map with keys such as ${names.slice(0, 3).join(', ')}`,
    );
  }
  const places = new Map<string, Position>();
  const values = new Map<string, unknown>();
  const slips = new Set<string>();
  for (const { name, at, value } of tree.entries) {
    if (!names.includes(name)) {
      if (ignore?.(name)) {
        reader.note(`${named}: "${name}" is another program's key and is ignored.`);
        continue;
      }
      const meant = nearest(name, names);
      const hint = meant === undefined ? `allowed: ${names.join(', ')}` : `did you mean "${meant}"?`;
      if (meant !== undefined) slips.add(meant);
      reader.fault(at, under(key, name), 'unknown key', hint);
      continue;
    }
    places.set(name, at);
    const read = table[name]?.shape.read(value, under(key, name), reader);
    if (read !== undefined) values.set(name, read);
  }
  for (const name of names) {
    const row = table[name];
    if (row?.required && !places.has(name)) {
      reader.fault(tree.at, under(key, name), 'found nothing', `allowed: ${row.shape.allowed}`);
    }
  }
  return {
    values: Object.fromEntries(values) as Values<T>,
    at: tree.at,
    where: (name) => places.get(name) ?? tree.at,
    has: (name) => places.has(name),
    meant: (name) => slips.has(name),
  };
}

/** A map of a table's keys as a value of another table. */
export function record<T extends Table>(table: T): Shape<Fields<T>> {
  return {
    allowed: `a map of ${Object.keys(table).join(', ')}`,
    schema: tableSchema(table),
    read: (tree, key, reader) => fieldsOf(table, tree, { key, reader }),
  };
}
