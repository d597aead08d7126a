import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elementSpans, memberSpans, type Span } from './json-text.ts';

const cut = (text: string, span: Span | undefined): string | undefined =>
  span && text.slice(span.start, span.end);

function members(text: string, wanted: readonly string[], at = 0): (string | undefined)[] {
  const spans = memberSpans(text, at, wanted);
  assert.ok(typeof spans !== 'string', `"${spans}" stands there twice`);
  return spans.map((span) => cut(text, span));
}

const elements = (text: string): (string | undefined)[] => elementSpans(text).map((span) => cut(text, span));

test('a value of any kind is found exactly as it is written', () => {
  const values = [
    '"a"',
    '""',
    '0',
    '-0.50e+10',
    '12345678901234567890123',
    'true',
    'false',
    'null',
    '{}',
    '[]',
    '{"b":[{"a":1}]}',
    '[1,[2,{"a":[]}]]',
  ];
  for (const value of values) {
    for (const text of [`{"a":${value}}`, `{"x":0,"a":${value},"y":{}}`, ` {\r\n"a"\t: ${value} }\n`]) {
      assert.deepEqual(members(text, ['a']), [value], text);
    }
  }
});

test('quotes behind any number of backslashes do not end a string too early or too late', () => {
  for (let pairs = 0; pairs < 6; pairs++) {
    const closed = `"${'\\\\'.repeat(pairs)}"`;
    const inside = `"${'\\\\'.repeat(pairs)}\\",\\"a\\":1"`;
    assert.deepEqual(members(`{"x":${closed},"a":${inside},"b":2}`, ['a', 'b']), [inside, '2']);
  }
});

test('brackets, commas and keys inside strings are text', () => {
  const text = '{"x":"}],{\\"a\\":1,[","a":"{","y":["]","}"],"b":3}';
  assert.deepEqual(members(text, ['a', 'b']), ['"{"', '3']);
});

test('only the members of the object itself are found, not those of what stands in it', () => {
  assert.deepEqual(members('{"x":{"a":1},"y":[{"a":2}]}', ['a']), [undefined]);
});

test('results come in the order of the wanted keys, whatever the order in the text', () => {
  assert.deepEqual(members('{"c":3,"a":1,"b":2}', ['a', 'b', 'c', 'd']), ['1', '2', '3', undefined]);
});

test('a wanted key that stands twice is named, in any spelling', () => {
  assert.equal(memberSpans('{"a":1,"x":2,"a":1}', 0, ['a']), 'a');
  assert.equal(memberSpans('{"a":1,"\\u0061":2}', 0, ['a']), 'a');
  assert.equal(memberSpans('{"x/y":1,"x\\/y":2}', 0, ['x/y']), 'x/y');
  assert.deepEqual(members('{"x":1,"x":2,"a":3}', ['a']), ['3'], 'of no interest, so it may');
});

test('an escaped key is found by what it reads', () => {
  assert.deepEqual(members('{"\\u0069\\u0064":7}', ['id']), ['7']);
  assert.deepEqual(members('{"é\\"\\ud83d\\ude00":7}', ['é"😀']), ['7']);
});

test('an object in the middle of a text is searched from where it stands', () => {
  const text = '[{"a":1}, {"a":2}]';
  assert.deepEqual(members(text, ['a'], text.lastIndexOf('{')), ['2']);
});

test('the elements of an array are found, nested ones as one', () => {
  assert.deepEqual(elements('[]'), []);
  assert.deepEqual(elements(' [ \n ] '), []);
  assert.deepEqual(elements('[1]'), ['1']);
  assert.deepEqual(elements(' [ {"a":[1,2]} ,\r\n"x,]\\"" ,[[],[]], -1.5 ,null ]'), [
    '{"a":[1,2]}',
    '"x,]\\""',
    '[[],[]]',
    '-1.5',
    'null',
  ]);
});
