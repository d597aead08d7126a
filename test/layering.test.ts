/**
 * The import rule of docs/architecture.md: imports run one way, the primary's branch and the worker's never meet,
 * and the protocol depends on nothing. Read from the import statements of every source file.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

/** Lowest first; a part may import those before it in its own branch and in `common`, never one beside it. */
const BRANCHES: Record<string, readonly (readonly string[])[]> = {
  common: [
    ['errors', 'deadline', 'end-of-turn', 'id-table', 'line-writer'],
    ['stream-writer', 'follow-file', 'make-folder', 'config'],
    ['log'],
    ['ipc', 'metrics'],
    ['watch-servers', 'reloader'],
  ],
  primary: [['supervisor'], ['pm2']],
  worker: [
    ['protocol'],
    ['tasks', 'http'],
    ['traffic', 'shard', 'upstream'],
    ['pool'],
    ['sessions'],
    ['routes'],
    ['worker'],
  ],
  entry: [['cli'], ['index']],
};

/** The protocol may name the types of others, and the table of error codes. */
const PROTOCOL_MAY_IMPORT = ['errors'];

interface Place {
  readonly branch: string;
  readonly height: number;
}

interface Import {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly typesOnly: boolean;
}

const places = new Map<string, Place>(
  Object.entries(BRANCHES).flatMap(([branch, layers]) =>
    layers.flatMap((parts, height) => parts.map((part) => [part, { branch, height }] as const)),
  ),
);

const SRC = resolve('src');
const STATEMENT =
  /^(?:import|export)\s+(type\s+)?([^'";]*?)\s*(?:from\s*)?'(\.[^']+)'|import\(\s*'(\.[^']+)'\s*\)/gm;

/** The folder of a source file, or the file's own name when it lies at the top; undefined outside of src. */
function partOf(path: string): string | undefined {
  const inside = relative(SRC, path);
  if (inside.startsWith('..')) return undefined;
  return inside.split('/')[0]?.replace(/\.ts$/, '');
}

function importsOf(path: string): Import[] {
  const from = partOf(path);
  assert.ok(from !== undefined);
  return [...readFileSync(path, 'utf8').matchAll(STATEMENT)].flatMap((match) => {
    const [, type, names = '', target, dynamicTarget] = match;
    const to = partOf(resolve(dirname(path), target ?? dynamicTarget ?? ''));
    if (to === undefined || to === from) return [];
    const listed = /^\{([^}]*)\}$/
      .exec(names.trim())?.[1]
      ?.split(',')
      .map((name) => name.trim());
    const allTypes = listed?.every((name) => name === '' || name.startsWith('type ')) ?? false;
    return [{ file: relative(SRC, path), from, to, typesOnly: type !== undefined || allTypes }];
  });
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .map((name) => join(SRC, name));
const imports = files.flatMap(importsOf);

const told = ({ file, to }: Import): string => `${file} imports ${to}`;

function isAllowed({ from, to, typesOnly }: Import): boolean {
  const [here, there] = [places.get(from), places.get(to)];
  if (here === undefined || there === undefined) return false;
  if (from === 'protocol') return typesOnly || PROTOCOL_MAY_IMPORT.includes(to);
  if (here.branch === there.branch) return there.height < here.height;
  return here.branch === 'entry' || there.branch === 'common';
}

test('every part of src has its place in the order', () => {
  const parts = new Set(files.map(partOf));
  assert.deepEqual([...parts].filter((part) => !places.has(part ?? '')).sort(), []);
  assert.deepEqual([...places.keys()].filter((part) => !parts.has(part)).sort(), []);
});

test('imports run one way, and the two branches never meet', () => {
  assert.ok(imports.length > 200, 'the statements are found');
  assert.deepEqual(imports.filter((each) => !isAllowed(each)).map(told), []);
});

test('the rule refuses what it should', () => {
  const wrong = { file: 'x.ts', typesOnly: false };
  for (const [from, to] of [
    ['supervisor', 'http'],
    ['pool', 'supervisor'],
    ['config', 'ipc'],
    ['shard', 'upstream'],
    ['http', 'routes'],
    ['protocol', 'http'],
    ['worker', 'index'],
  ] as const) {
    assert.equal(isAllowed({ ...wrong, from, to }), false, `${from} imports ${to}`);
  }
});
