import assert from 'node:assert/strict';
import { test } from 'node:test';
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

test('what is read as a whole is read as it would be in its parts', () => {
  for (const text of TEXTS) {
    // Behind a space it is not written as usual.
    const parts = readMessage(` ${text}`);
    assert.ok(parts.kind !== 'malformed', text);
    const expected: Message = {
      ...parts,
      text,
      idSpan: back(parts.idSpan),
      tokenSpan: back(parts.tokenSpan),
      payloadSpan: back(parts.payloadSpan),
      metaSpan: back(parts.metaSpan),
    };
    assert.deepEqual(readUsualMessage(text), expected, text);
  }
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
