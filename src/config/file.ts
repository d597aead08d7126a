/**
 * The text of a servers file as a tree whose every node knows its line and column. Owns YAML (and with it JSON),
 * not what any key means.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import type { Fault, Position } from './fault.ts';

interface Scalar {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  /** As written: `1.10` stays `1.10`. */
  readonly text: string;
  readonly at: Position;
}

interface List {
  readonly kind: 'list';
  readonly items: readonly Tree[];
  readonly at: Position;
}

interface Entry {
  readonly name: string;
  /** Of the name. */
  readonly at: Position;
  readonly value: Tree;
}

interface Mapping {
  readonly kind: 'map';
  readonly entries: readonly Entry[];
  readonly at: Position;
}

export type Tree = Scalar | List | Mapping;

/** `servers.fetch`; a name that is not plain is quoted. */
export function under(key: string, name: string): string {
  if (!/^[\w-]+$/.test(name)) return `${key}[${JSON.stringify(name)}]`;
  return key === '' ? name : `${key}.${name}`;
}

// A cyclic or multiplying alias would otherwise never end.
const maxDepth = 32;
const maxNodes = 100_000;

/** The tree, or the faults of its syntax; keys that occur twice are faults too. Never throws. */
export function parseFile(text: string, file: string): { tree: Tree; faults: Fault[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    // 'silent' would hide that there is a second document.
    logLevel: 'error',
  });
  const faults: Fault[] = [];
  const start: Position = { line: 1, column: 1 };
  let nodes = 0;

  const positionOf = (offset: number | undefined): Position => {
    if (offset === undefined) return start;
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const fault = (at: Position, key: string, found: string, allowed: string): void => {
    faults.push({ file, ...at, key, found, allowed });
  };
  const nothing = (at: Position): Scalar => ({ kind: 'scalar', value: null, text: '', at });

  const entryOf = ({ key: name, value }: Pair, key: string, depth: number): Entry | undefined => {
    const node = name as Node | null;
    const at = positionOf(node?.range?.[0]);
    if (!isScalar(node) || node.value === null) {
      fault(at, key, 'found a key that is not text', 'allowed: a name');
      return undefined;
    }
    const text = typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
    const tree = value === null ? nothing(at) : convert(value as Node, under(key, text), depth + 1);
    return { name: text, at, value: tree };
  };

  const convert = (node: Node | null, key: string, depth: number): Tree => {
    const at = positionOf(node?.range?.[0]);
    if (depth > maxDepth || ++nodes > maxNodes) {
      if (nodes <= maxNodes + 1)
        fault(at, key, 'nested too deeply or too large', `allowed: ${maxDepth} levels, ${maxNodes} values`);
      nodes = maxNodes + 1;
      return nothing(at);
    }
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target !== undefined) return { ...convert(target, key, depth + 1), at };
      fault(at, key, `found the unknown alias *${node.source}`, 'allowed: an anchor set above it');
      return nothing(at);
    }
    if (isMap(node)) {
      const seen = new Map<string, Position>();
      const entries: Entry[] = [];
      for (const pair of node.items) {
        const entry = entryOf(pair as Pair, key, depth);
        if (entry === undefined) continue;
        const first = seen.get(entry.name);
        if (first !== undefined) {
          fault(
            entry.at,
            under(key, entry.name),
            'found twice',
            `allowed: once; the first is at line ${first.line}`,
          );
          continue;
        }
        seen.set(entry.name, entry.at);
        entries.push(entry);
      }
      return { kind: 'map', entries, at };
    }
    if (isSeq(node)) {
      const items = node.items.map((item, index) =>
        convert(item as Node | null, `${key}[${index}]`, depth + 1),
      );
      return { kind: 'list', items, at };
    }
    if (!isScalar(node)) return nothing(at);
    const { value } = node;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return {
        kind: 'scalar',
        value,
        text: typeof value === 'string' ? value : (node.source ?? String(value)),
        at,
      };
    }
    if (value !== null)
      fault(at, key, 'found a value of a special type', 'allowed: text, numbers, true and false');
    return nothing(at);
  };

  for (const { message, pos } of [...document.errors, ...document.warnings]) {
    fault(positionOf(pos[0]), '', message.split('\n')[0] ?? message, 'allowed: YAML or JSON');
  }
  if (faults.length > 0) return { tree: nothing(start), faults };
  return { tree: convert(document.contents as Node | null, '', 0), faults };
}
