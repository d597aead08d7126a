import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_WHOLE_CHARS } from './json-patterns.ts';
import type { Span } from './json-text.ts';
import type { Message } from './message.ts';
import { VERSION_KEY } from './modern-keys.ts';
import { readMessage } from './read-message.ts';
import { readUsualMessage } from './usual-message.ts';

const framed = (content: string, id = '1'): string[] => [
  `{"jsonrpc":"2.0","id":${id},${content}}`,
  `{${content},"jsonrpc":"2.0","id":${id}}`,
];

const META = `"_meta":{"progressToken":"p","${VERSION_KEY}":"2026-07-28","x":{"y":[{}]}}`;

const CONTENTS = [
  '"result":{}',
  '"result":{"content":[{"type":"text","text":"a \\"b\\" \\u00e9"}],"structuredContent":{"a":[{"b":-1.5e3}]}}',
  '"error":{"code":-32601,"message":"no"}',
  '"method":"tools/list"',
  '"method":"tools/list","params":{}',
  `"method":"tools/list","params":{${META}}`,
  '"method":"tools/call","params":{"name":"echo"}',
  '"method":"tools/call","params":{"name":"","arguments":{"a":[1,{"b":null}],"name":"other"}}',
  `"method":"tools/call","params":{"name":"écho😀","arguments":{},${META}}`,
  '"method":"tools/call","params":{"name":"x","_meta":{"progressToken":17}}',
  '"method":"tools/call","params":{"name":"x","_meta":{"progressToken":null}}',
  '"method":"resources/read","params":{"uri":"file:///a"}',
];

const TEXTS = CONTENTS.flatMap((content) => [
  ...framed(content),
  ...framed(content, '-0.5'),
  ...framed(content, '9007199254740993'),
  ...framed(content, '"a"'),
  ...framed(content, '""'),
]);

const back = (span: Span | undefined): Span | undefined =>
  span && { start: span.start - 1, end: span.end - 1 };

/** Read in its parts, because what stands behind a space is not written as usual. */
function inParts(text: string): Message {
  const parts = readMessage(` ${text}`);
  assert.ok(parts.kind !== 'malformed', text);
  return {
    ...parts,
    text,
    idSpan: back(parts.idSpan),
    tokenSpan: back(parts.tokenSpan),
    payloadSpan: back(parts.payloadSpan),
    metaSpan: back(parts.metaSpan),
  };
}

test('what is read as a whole is read as it would be in its parts', () => {
  for (const text of TEXTS) assert.deepEqual(readUsualMessage(text), inParts(text), text);
});

test('so it is with any values, and with a character more', () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 });
  const value = fc.oneof({ weight: 4, arbitrary: object.map((each) => JSON.stringify(each)) }, fc.json());
  const text = fc.string().map((each) => JSON.stringify(each));
  const meta = fc.oneof(
    value,
    fc.constantFrom('{"progressToken":1}', '{"progressToken":1,"progressToken":"a"}'),
  );
  const params = fc
    .tuple(fc.constantFrom('name', 'uri', 'other'), text, fc.option(value), fc.option(meta))
    .map(([key, name, args, more]) => {
      const behind = `${args === null ? '' : `,"arguments":${args}`}${more === null ? '' : `,"_meta":${more}`}`;
      return `{"${key}":${name}${behind}}`;
    });
  const content = fc.oneof(
    fc.tuple(fc.constantFrom('result', 'error'), value).map(([key, of]) => `"${key}":${of}`),
    fc.tuple(text, params).map(([method, of]) => `"method":${method},"params":${of}`),
  );
  const message = fc
    .tuple(fc.oneof(text, fc.integer().map(String)), content, fc.nat(1))
    .map(([id, of, order]) => framed(of, id)[order] ?? '');
  const added = fc.constantFrom('', '', ...'{}[]",:\\0e.- ');
  let usual = 0;
  fc.assert(
    fc.property(message, added, fc.nat(), (whole, character, place) => {
      const at = place % (whole.length + 1);
      const changed = whole.slice(0, at) + character + whole.slice(at);
      const found = readUsualMessage(changed);
      if (found === undefined) return;
      usual++;
      assert.deepEqual(found, inParts(changed));
    }),
    { numRuns: 20_000, seed: 1 },
  );
  assert.ok(usual > 3_000, String(usual));
});

test('a message that is longer, or says a thing twice or wrongly, is left to be read in its parts', () => {
  const call = '"method":"tools/call","params":{"name":"x"';
  for (const text of [
    '{"jsonrpc":"2.0","id":1,"result":{},"jsonrpc":"2.0","id":2}',
    '{"result":{}}',
    ...framed('"result":{},"result":{}'),
    ...framed('"result":1'),
    ...framed('"error":[]'),
    ...framed('"result":{"a":1,}'),
    ...framed(`${call},"name":"y"}`),
    ...framed(`${call},"uri":"y"}`),
    ...framed(`${call},}`),
    ...framed(`${call}"_meta":{}}`),
    ...framed(`${call},"_meta":{},"_meta":{}}`),
    ...framed(`${call},"_meta":{"progressToken":1,"progressToken":2}}`),
    ...framed(`${call},"_meta":{"${VERSION_KEY}":1,"${VERSION_KEY}":2}}`),
    ...framed(`${call},"other":1}`),
    ...framed('"result":{}', 'null'),
    ...framed('"result":{}', '01'),
    ...framed('"result":{}').map((each) => `${each} `),
    ...framed(`"result":{"a":"${'x'.repeat(MAX_WHOLE_CHARS)}"}`),
  ]) {
    assert.equal(readUsualMessage(text), undefined, text);
  }
});
