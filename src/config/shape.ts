/**
 * What a value of the servers file may be: each shape reads a tree into a typed value and says the same thing as a
 * JSON schema and in words. Shapes report every fault to the reader and answer undefined for what they refused.
 */
import { type Position, shown } from './fault.ts';
import { type Tree, under } from './file.ts';
import type { Interpolated } from './interpolate.ts';
import { nearest } from './nearest.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Reader {
  /** Reports a fault; answers undefined so that a shape can return it. */
  fault(at: Position, key: string, found: string, allowed: string): undefined;
  note(sentence: string): void;
  /** Fills in `${NAME}`. */
  fill(text: string): Interpolated;
}

export interface Shape<T> {
  /** A phrase after "allowed:". */
  readonly allowed: string;
  readonly schema: JsonSchema;
  read(tree: Tree, key: string, reader: Reader): T | undefined;
}

/** What an operator wrote, and what it became once `${NAME}` was filled in; only the former may be shown. */
export interface Filled {
  readonly text: string;
  readonly written: string;
}

export function shownTree(tree: Tree): string {
  if (tree.kind === 'scalar') return shown(tree.value);
  return tree.kind === 'list' ? 'found a list' : 'found a map';
}

interface TextOptions {
  readonly allowed: string;
  readonly pattern?: RegExp;
  /** Numbers, true and false count as their text. */
  readonly loose?: boolean;
  readonly secret?: boolean;
  readonly empty?: boolean;
}

function readText(
  tree: Tree,
  { key, reader, options }: { key: string; reader: Reader; options: TextOptions },
): string | undefined {
  const isText =
    tree.kind === 'scalar' &&
    tree.value !== null &&
    (options.loose === true || typeof tree.value === 'string');
  if (!isText || (tree.text === '' && options.empty !== true) || tree.text.includes('\0')) {
    const found =
      options.secret && isText && tree.text !== '' ? 'found a value that cannot be used' : shownTree(tree);
    return reader.fault(tree.at, key, found, `allowed: ${options.allowed}`);
  }
  return tree.text;
}

const textSchema = ({ pattern, loose, empty }: TextOptions): JsonSchema => ({
  type: loose ? ['string', 'number', 'boolean'] : 'string',
  ...(pattern === undefined ? {} : { pattern: pattern.source }),
  ...(empty ? {} : { minLength: 1 }),
});

/** Text taken as it stands. */
export function text(options: TextOptions): Shape<string> {
  return {
    allowed: options.allowed,
    schema: textSchema(options),
    read: (tree, key, reader) => {
      const value = readText(tree, { key, reader, options });
      if (value === undefined || (options.pattern?.test(value) ?? true)) return value;
      return reader.fault(tree.at, key, shownTree(tree), `allowed: ${options.allowed}`);
    },
  };
}

/** Text in which `${NAME}` is filled in; the pattern judges the result, the schema takes any text. */
export function filled(options: TextOptions): Shape<Filled> {
  const { pattern, ...loosened } = options;
  return {
    allowed: options.allowed,
    schema: textSchema(loosened),
    read: (tree, key, reader) => {
      const written = readText(tree, { key, reader, options });
      if (written === undefined) return undefined;
      const result = reader.fill(written);
      if ('found' in result) return reader.fault(tree.at, key, result.found, result.allowed);
      if (
        (result.text !== '' || options.empty) &&
        !result.text.includes('\0') &&
        (pattern?.test(result.text) ?? true)
      ) {
        return { text: result.text, written };
      }
      const found = options.secret ? 'found a value that cannot be used' : shown(written);
      return reader.fault(tree.at, key, found, `allowed: ${options.allowed}`);
    },
  };
}

/** A filled-in text of which nobody needs the written form. */
export function filledText(options: TextOptions): Shape<string> {
  const shape = filled(options);
  return { ...shape, read: (tree, key, reader) => shape.read(tree, key, reader)?.text };
}

export function integer(minimum: number, maximum: number): Shape<number> {
  const allowed = `a whole number from ${minimum} to ${maximum}`;
  return {
    allowed,
    schema: { type: 'integer', minimum, maximum },
    read: (tree, key, reader) => {
      const value = tree.kind === 'scalar' ? tree.value : undefined;
      if (typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum)
        return value;
      return reader.fault(tree.at, key, shownTree(tree), `allowed: ${allowed}`);
    },
  };
}

export function flag(): Shape<boolean> {
  return {
    allowed: 'true or false',
    schema: { type: 'boolean' },
    read: (tree, key, reader) => {
      if (tree.kind === 'scalar' && typeof tree.value === 'boolean') return tree.value;
      return reader.fault(tree.at, key, shownTree(tree), 'allowed: true or false');
    },
  };
}

export function oneOf<const T extends string>(words: readonly T[]): Shape<T> {
  return {
    allowed: words.join(', '),
    schema: { enum: words },
    read: (tree, key, reader) => {
      const value = words.find((word) => tree.kind === 'scalar' && tree.value === word);
      if (value !== undefined) return value;
      const meant = tree.kind === 'scalar' ? nearest(tree.text, words) : undefined;
      const hint = meant === undefined ? `allowed: ${words.join(', ')}` : `did you mean "${meant}"?`;
      return reader.fault(tree.at, key, shownTree(tree), hint);
    },
  };
}

/** A list; with a bad item it is refused as a whole, after every item was looked at. */
export function listOf<T>(
  item: Shape<T>,
  { allowed, min = 0 }: { allowed: string; min?: number },
): Shape<readonly T[]> {
  return {
    allowed,
    schema: { type: 'array', items: item.schema, ...(min > 0 ? { minItems: min } : {}) },
    read: (tree, key, reader) => {
      if (tree.kind !== 'list') return reader.fault(tree.at, key, shownTree(tree), `allowed: ${allowed}`);
      if (tree.items.length < min)
        return reader.fault(tree.at, key, 'found an empty list', `allowed: ${allowed}`);
      const values = tree.items.map((one, index) => item.read(one, `${key}[${index}]`, reader));
      const good = values.filter((value) => value !== undefined);
      return good.length === values.length ? good : undefined;
    },
  };
}

/** A map of free names to values of one shape. */
export function mapOf<T>(
  item: Shape<T>,
  { allowed, names, namesAllowed }: MapOptions,
): Shape<ReadonlyMap<string, T>> {
  return {
    allowed,
    schema: { type: 'object', additionalProperties: item.schema, propertyNames: { pattern: names.source } },
    read: (tree, key, reader) => {
      if (tree.kind !== 'map') return reader.fault(tree.at, key, shownTree(tree), `allowed: ${allowed}`);
      const values = new Map<string, T>();
      for (const entry of tree.entries) {
        if (!names.test(entry.name)) {
          reader.fault(entry.at, under(key, entry.name), 'not a good name', `allowed: ${namesAllowed}`);
          continue;
        }
        const value = item.read(entry.value, under(key, entry.name), reader);
        if (value !== undefined) values.set(entry.name, value);
      }
      return values;
    },
  };
}

interface MapOptions {
  readonly allowed: string;
  readonly names: RegExp;
  readonly namesAllowed: string;
}
