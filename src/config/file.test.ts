import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderFault } from './fault.ts';
import { parseFile, type Tree } from './file.ts';

const faultsOf = (text: string) => parseFile(text, 'f.yaml').faults.map(renderFault);

function plain(tree: Tree): unknown {
  if (tree.kind === 'list') return tree.items.map(plain);
  return tree.kind === 'map' ? tree.entries.map(({ name, value }) => [name, plain(value)]) : tree.value;
}

test('every value knows its place and its text as written', () => {
  const { tree, faults } = parseFile('a:\n  b: [x, 1.10]\n', 'f.yaml');
  assert.deepEqual(faults, []);
  const list =
    tree.kind === 'map' && tree.entries[0]?.value.kind === 'map' && tree.entries[0].value.entries[0]?.value;
  assert.ok(list && list.kind === 'list');
  assert.deepEqual(list.at, { line: 2, column: 6 });
  assert.deepEqual(list.items[1], { kind: 'scalar', value: 1.1, text: '1.10', at: { line: 2, column: 10 } });
});

test('JSON with tabs, escapes and names of prototypes is read', () => {
  const json = '{\r\n\t"__proto__": {\n\t\t"a\\/b": "\\ud83d\\ude00"\n\t}, "c": [\n\t1, true, null]\n}';
  assert.deepEqual(plain(parseFile(json, 'f.json').tree), [
    ['__proto__', [['a/b', '😀']]],
    ['c', [1, true, null]],
  ]);
});

test('a key that occurs twice is a fault at its second place', () => {
  assert.deepEqual(faultsOf('a: {x: 1}\nb: 1\n"a": 2\n'), [
    'f.yaml:3:1 a: found twice; allowed: once; the first is at line 1',
  ]);
  assert.deepEqual(faultsOf('{"s": {"a.b": 1,\n "a.b": 2}}'), [
    'f.yaml:2:2 s["a.b"]: found twice; allowed: once; the first is at line 1',
  ]);
});

test('broken syntax is a fault with its place', () => {
  for (const [text, place] of [
    ['a: [1, 2', 'f.yaml:1:'],
    ['a: 1\n b: 2', 'f.yaml:1:4'],
    ['{"a": }}', 'f.yaml:1:8'],
    ['a: "x', 'f.yaml:1:'],
    ['a: 1\n---\nb: 2', 'f.yaml:2:'],
    ['a: !special 1', 'f.yaml:1:4'],
    ['a: *nobody', 'f.yaml:1:4'],
    ['? [a]\n: 1', 'f.yaml:1:3'],
  ] as const) {
    const [first] = faultsOf(text);
    assert.ok(first?.startsWith(place), `${text} gave ${first}`);
  }
});

test('aliases are followed, but neither in circles nor without end', () => {
  assert.deepEqual(plain(parseFile('a: &x [1]\nb: *x', 'f').tree), [
    ['a', [1]],
    ['b', [1]],
  ]);
  const layers = Array.from(
    { length: 12 },
    (_, n) =>
      `l${n}: &l${n} [${Array(10)
        .fill(n ? `*l${n - 1}` : '1')
        .join(', ')}]`,
  );
  for (const text of ['a: &x [*x]', layers.join('\n')]) {
    const faults = faultsOf(text);
    assert.equal(faults.length, 1);
    assert.match(faults[0] ?? '', /nested too deeply or too large/);
  }
});

test('nothing, binary rubbish and mere text are read without a throw', () => {
  for (const text of ['', '# only a comment', '\u0000\uFFFD\u0001', 'text', '\t', '%YAML 9\n---\n'])
    parseFile(text, 'f');
  assert.deepEqual(plain(parseFile('', 'f').tree), null);
});
