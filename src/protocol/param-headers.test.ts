import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgeError } from '../errors.ts';
import { checkParamHeaders, paramHeaders, repeatedAsHeaders } from './param-headers.ts';

const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });
const region = { type: 'string', 'x-mcp-header': 'Region' };

test('annotated properties are found, nested ones too', () => {
  const schema = object({
    region,
    plain: { type: 'string' },
    inner: object({ count: { type: 'integer', 'x-mcp-header': 'Count' } }),
  });
  assert.deepEqual(paramHeaders(schema), [
    { header: 'mcp-param-region', path: ['region'] },
    { header: 'mcp-param-count', path: ['inner', 'count'] },
  ]);
});

const INVALID: Readonly<Record<string, object>> = {
  'an empty name': object({ a: { type: 'string', 'x-mcp-header': '' } }),
  'a name that is no token': object({ a: { type: 'string', 'x-mcp-header': 'a b' } }),
  'a name that is no string': object({ a: { type: 'string', 'x-mcp-header': 1 } }),
  'one name twice, whatever its case': object({ a: region, b: { type: 'string', 'x-mcp-header': 'REGION' } }),
  'a number': object({ a: { type: 'number', 'x-mcp-header': 'A' } }),
  'an object': object({ a: { type: 'object', 'x-mcp-header': 'A' } }),
  'the arguments themselves': { type: 'string', 'x-mcp-header': 'A' },
  'below items': object({ a: { type: 'array', items: region } }),
  'below oneOf': object({}, { oneOf: [object({ a: region })] }),
  'below $defs': object({ b: region }, { $defs: { a: object({ a: region }) } }),
};

for (const [what, schema] of Object.entries(INVALID)) {
  test(`a tool is not held to its annotations when one is not valid: ${what}`, () => {
    assert.deepEqual(paramHeaders(schema), []);
  });
}

test('what looks like an annotation in data, or is the name of a property, is none', () => {
  const schema = object({
    region,
    'x-mcp-header': { type: 'string' },
    kind: { const: { 'x-mcp-header': 'No' } },
  });
  assert.deepEqual(paramHeaders(schema), [{ header: 'mcp-param-region', path: ['region'] }]);
});

const WANTED = paramHeaders(
  object({
    region,
    count: { type: 'integer', 'x-mcp-header': 'Count' },
    deep: object({ dry: { type: 'boolean', 'x-mcp-header': 'Dry' } }),
  }),
);

const AGREES: readonly [what: string, args: unknown, headers: Record<string, string>][] = [
  ['as it is', { region: 'eu' }, { 'mcp-param-region': 'eu' }],
  ['with space around it', { region: 'eu' }, { 'mcp-param-region': ' eu\t' }],
  ['in base64', { region: 'zürich' }, { 'mcp-param-region': '=?base64?esO8cmljaA==?=' }],
  ['half of the base64 form is text', { region: '=?base64?eu' }, { 'mcp-param-region': '=?base64?eu' }],
  ['a number in another spelling', { count: 42 }, { 'mcp-param-count': '42.0' }],
  ['a boolean', { deep: { dry: false } }, { 'mcp-param-dry': 'false' }],
  ['nothing to repeat', { region: null }, { 'mcp-param-region': 'eu', 'mcp-param-other': 'x' }],
  ['no arguments', undefined, {}],
];

for (const [what, args, headers] of AGREES) {
  test(`headers agree with the arguments: ${what}`, () => checkParamHeaders(WANTED, args, headers));
}

const DISAGREES: typeof AGREES = [
  ['none', { region: 'eu' }, {}],
  ['another value', { region: 'eu' }, { 'mcp-param-region': 'us' }],
  ['another case', { region: 'eu' }, { 'mcp-param-region': 'EU' }],
  ['base64 without its padding', { region: 'Hello' }, { 'mcp-param-region': '=?base64?SGVsbG8?=' }],
  ['base64 that is not UTF-8', { region: '\ufffd' }, { 'mcp-param-region': '=?base64?/w==?=' }],
  ['a number that is written otherwise', { count: 42 }, { 'mcp-param-count': '4.2e1' }],
  ['a boolean in capitals', { deep: { dry: true } }, { 'mcp-param-dry': 'True' }],
];

for (const [what, args, headers] of DISAGREES) {
  test(`headers disagree with the arguments: ${what}`, () => {
    assert.throws(
      () => checkParamHeaders(WANTED, args, headers),
      (error) => error instanceof BridgeError && error.code === 'header_mismatch',
    );
  });
}

test('what the bridge repeats itself is what it would accept', () => {
  for (const text of [
    'eu',
    '',
    ' eu',
    'eu ',
    'zürich',
    '日本',
    'a\nb',
    '=?base64?eA==?=',
    '=?base64?',
    'x'.repeat(999),
  ]) {
    for (const count of [0, -7, 42, 1e21, Number.MAX_SAFE_INTEGER]) {
      const args = { region: text, count, deep: { dry: true } };
      const headers = repeatedAsHeaders(WANTED, args);
      assert.equal(Object.keys(headers).length, 3);
      for (const value of Object.values(headers)) assert.match(value, /^[\x20-\x7e]*$/);
      checkParamHeaders(WANTED, args, headers);
    }
  }
  assert.deepEqual(repeatedAsHeaders(WANTED, { region: null, count: 'x', deep: 7 }), {
    'mcp-param-count': 'x',
  });
  assert.deepEqual(repeatedAsHeaders(WANTED, undefined), {});
});
