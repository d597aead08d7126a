import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_DEPTH } from './json-scanner.ts';
import type { Message } from './message.ts';
import { isBatch, type Malformed, readBatch, readMessage } from './read-message.ts';

function read(text: string): Message {
  const message = readMessage(text);
  if (message.kind === 'malformed') assert.fail(`${text}: ${message.reason}`);
  return message;
}

function refused(text: string): Malformed {
  const message = readMessage(text);
  if (message.kind !== 'malformed') assert.fail(`${text} was read as a ${message.kind}`);
  return message;
}

const request = (id: string, params = '{}') =>
  `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`;

test('the four kinds of messages are told apart by their members, not by their order', () => {
  const kinds: [string, Message['kind']][] = [
    ['{"params":{},"method":"ping","id":0,"jsonrpc":"2.0"}', 'request'],
    ['{"method":"notifications/initialized","jsonrpc":"2.0"}', 'notification'],
    ['{"result":{},"jsonrpc":"2.0","id":""}', 'result'],
    ['{"error":{"code":1,"message":"x"},"id":1,"jsonrpc":"2.0"}', 'error'],
    ['{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}', 'error'],
    ['{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}', 'error'],
  ];
  for (const [text, kind] of kinds) assert.equal(read(text).kind, kind, text);
});

test('an id keeps its type and every digit', () => {
  const ids = [
    '0',
    '-1',
    '1.5',
    '9007199254740993',
    '123456789012345678901234567890',
    '""',
    '"0"',
    '"\\u0061"',
  ];
  for (const id of [...ids, '"é😀"', '"\\"id\\":1"']) assert.equal(read(request(id)).id, id);
});

test('a request whose id is no string and no number is refused', () => {
  for (const id of ['null', 'true', '[]', '{}', '[1]']) {
    const { code, reason, id: echoed } = refused(request(id));
    assert.equal(code, 'invalid_request');
    assert.match(reason, /"id" must be a string or a number/);
    assert.equal(echoed, 'null');
  }
});

test('an error whose id is null belongs to no request; a result must name one', () => {
  const error = read('{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}');
  assert.deepEqual([error.id, error.idSpan], [undefined, undefined]);
  assert.match(refused('{"jsonrpc":"2.0","id":null,"result":{}}').reason, /"id" of its request; found null/);
  assert.match(refused('{"jsonrpc":"2.0","result":{}}').reason, /found nothing/);
});

test('what is valid JSON but no JSON-RPC message is refused with the id it has', () => {
  const cases: [string, RegExp, string][] = [
    ['{"id":7,"method":"ping"}', /"jsonrpc" must be "2.0"; found nothing/, '7'],
    ['{"jsonrpc":"1.0","id":7,"method":"ping"}', /found "1.0"/, '7'],
    ['{"jsonrpc":2.0,"id":7,"method":"ping"}', /found 2.0/, '7'],
    ['{"jsonrpc":"2.0","id":"a","method":1}', /"method" must be a string; found 1/, '"a"'],
    [
      '{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}',
      /"params" must be an object; found an array/,
      '7',
    ],
    ['{"jsonrpc":"2.0","id":7,"method":"ping","params":null}', /found null/, '7'],
    ['{"jsonrpc":"2.0","id":7}', /needs "method", "result" or "error"/, '7'],
    ['{"jsonrpc":"2.0","id":7,"result":{},"error":{}}', /found both/, '7'],
    ['{"jsonrpc":"2.0","id":7,"error":"x"}', /"error" must be an object/, '7'],
    ['{}', /"jsonrpc" must be/, 'null'],
    ['[]', /found an array/, 'null'],
    [' 42 ', /found 42/, 'null'],
    ['null', /found null/, 'null'],
    ['"x"', /found "x"/, 'null'],
  ];
  for (const [text, reason, id] of cases) {
    const found = refused(text);
    assert.equal(found.code, 'invalid_request', text);
    assert.match(found.reason, reason);
    assert.equal(found.id, id, text);
  }
});

test('a key that the bridge looks at may stand there once, whatever its spelling', () => {
  const twice: [string, string][] = [
    ['{"jsonrpc":"2.0","id":1,"method":"ping","id":2}', 'id'],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","\\u0069d":2}', 'id'],
    ['{"jsonrpc":"2.0","id":1,"method":"tools/list","metho\\u0064":"tools/call"}', 'method'],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","params":{},"params":{}}', 'params'],
    ['{"jsonrpc":"2.0","id":1,"result":{},"result":{}}', 'result'],
    ['{"jsonrpc":"2.0","id":1,"error":{},"error":{}}', 'error'],
    ['{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}', 'jsonrpc'],
    [request('1', '{"name":"read","name":"write"}'), 'params.name'],
    [request('1', '{"name":"read","n\\u0061me":"write"}'), 'params.name'],
    [request('1', '{"uri":"a","uri":"b"}'), 'params.uri'],
    [request('1', '{"_meta":{"progressToken":1,"progressToken":2}}'), 'params._meta.progressToken'],
    [request('1', '{"_meta":{"progressToken":1},"_meta":{}}'), 'params._meta'],
    [request('1', '{"_meta":{},"\\u005fmeta":{"progressToken":1}}'), 'params._meta'],
  ];
  for (const [text, key] of twice) {
    const { code, reason } = refused(text);
    assert.equal(code, 'invalid_request', text);
    assert.ok(reason.includes(`"${key}" stands there twice`), reason);
  }
});

test('a key that the bridge does not look at may stand there as often as the sender likes', () => {
  read(request('1', '{"x":1,"x":2,"arguments":{"name":1,"name":2,"id":1,"id":2}}'));
});

test('names inside of strings and of deeper objects are not the message its own', () => {
  const message = read(
    request(
      '"\\"id\\":5"',
      '{"arguments":{"id":9,"name":"no","_meta":{"progressToken":8}},"x":"\\"name\\":\\"no\\""}',
    ),
  );
  assert.equal(message.id, '"\\"id\\":5"');
  assert.equal(message.target, undefined);
  assert.equal(message.token, undefined);
});

test('what a call is about is its name, else its uri, read as a string', () => {
  assert.equal(read(request('1', '{"name":"re\\u0061d_\\"x\\"","uri":"a:b"}')).target, 'read_"x"');
  assert.equal(read(request('1', '{"uri":"file:///é"}')).target, 'file:///é');
  assert.equal(read(request('1', '{"name":7}')).target, undefined);
});

test('each kind of message has its own token', () => {
  const notification = (method: string, params: string) =>
    read(`{"jsonrpc":"2.0","method":"notifications/${method}","params":${params}}`);
  assert.equal(read(request('1', '{"_meta":{"progressToken":"t"}}')).token, '"t"');
  assert.equal(read(request('1', '{"_meta":{"progressToken":0}}')).token, '0');
  assert.equal(read(request('1', '{"_meta":{"progressToken":null}}')).token, undefined);
  assert.equal(read(request('1', '{"_meta":{"progressToken":[1]}}')).token, undefined);
  assert.equal(read(request('1', '{"_meta":7}')).token, undefined);
  assert.equal(read(request('1', '{"progressToken":7}')).token, undefined, 'outside of _meta it is none');
  assert.equal(notification('progress', '{"progressToken":5,"progress":1}').token, '5');
  assert.equal(notification('cancelled', '{"reason":"x","requestId":"r"}').token, '"r"');
  assert.equal(notification('cancelled', '{"progressToken":1,"requestId":2}').token, '2');
});

test('a request that names its protocol version in _meta is modern', () => {
  const key = 'io.modelcontextprotocol/protocolVersion';
  assert.equal(read(request('1', `{"_meta":{"${key}":"2026-07-28"}}`)).isModern, true);
  assert.equal(read(request('1', `{"_meta":{"${key.replace('/', '\\/')}":1}}`)).isModern, true);
  assert.equal(read(request('1', `{"arguments":{"_meta":{"${key}":"2026-07-28"}}}`)).isModern, false);
  assert.equal(read(request('1', `{"${key}":"2026-07-28"}`)).isModern, false);
});

test('a pretty-printed message becomes one line with every string as it was', () => {
  const text =
    '\r\n{\r\n  "jsonrpc": "2.0",\n\t"id": 1,\n  "method": "x",\n  "params": {"a": "b\\nc"}\n}\r\n';
  const message = read(text);
  const line = message.text as string;
  assert.doesNotMatch(line, /[\r\n]/);
  assert.equal(line.length, text.length, 'places found before stay valid');
  assert.deepEqual(JSON.parse(line), JSON.parse(text));
});

test('a message without line breaks is passed on as the very text it was', () => {
  const text = request('1', '{ "a" :\t1.0 }');
  assert.equal(read(text).text, text);
});

test('params are found as they were written', () => {
  const message = read(request('1', '{ "a": 1e2 }'));
  const { start, end } = message.payloadSpan ?? assert.fail('no span');
  assert.equal((message.text as string).slice(start, end), '{ "a": 1e2 }');
});

test('what JSON.parse does not take is a parse error', () => {
  const broken = [
    '',
    ' ',
    '{',
    '}',
    '{"jsonrpc":"2.0"',
    '{"jsonrpc":"2.0",}',
    '{,}',
    "{'a':1}",
    '{a:1}',
    '{"a" 1}',
    '{"a":1 "b":2}',
    '{"a":}',
    '{"a":01}',
    '{"a":+1}',
    '{"a":.5}',
    '{"a":1.}',
    '{"a":1e}',
    '{"a":-}',
    '{"a":0x1}',
    '{"a":NaN}',
    '{"a":tru}',
    '{"a":"\t"}',
    '{"a":"\n"}',
    '{"a":"\\x"}',
    '{"a":"\\u12g4"}',
    '{"a":"\\u12"}',
    '{"a":"\\',
    '{"a":"',
    '{"a":[1,]}',
    '{"a":[,1]}',
    '{"a":[1}',
    '{"a":1]',
    '{}{}',
    '{} x',
    '{"a":1}\u00a0',
    '\ufeff{}',
    '[1,2',
    '{"a":"\0"}',
  ];
  for (const text of broken) {
    assert.throws(() => JSON.parse(text), SyntaxError, text);
    assert.equal(refused(text).code, 'parse_error', text);
  }
});

test('a text is taken for JSON exactly when JSON.parse takes it', () => {
  const parts = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '"a"',
    '"id"',
    '1',
    '-',
    '.',
    'e',
    '0',
    'null',
    'true',
  ];
  const piece = fc.constantFrom(...parts, ' ', '\n', '\t', '\\u00', '61', '\ud800', 'é', '\u2028', '\u0001');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join('');
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      const found = readMessage(text);
      assert.equal(found.kind === 'malformed' && found.code === 'parse_error', !valid);
    }),
    { numRuns: 20_000, seed: 20_251_125 },
  );
});

const MESSAGES = [
  '{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"a","arguments":{"b":[1,{}]},"_meta":{"c":"d"}}}',
  '{"result":{"content":[{"type":"text","text":"a\\n"}],"d":-0.5e1},"jsonrpc":"2.0","id":"a"}',
  '{"jsonrpc":"2.0","id":-1.5e+3,"method":"a\\u0041\\n","params":{"x":[true,null,{}],"y":""}}',
  '{"jsonrpc": "2.0", "id": 17, "method": "tools/call", "params": {"name": "a", "arguments": {"b": [1, -2.5]}}}',
  '{"result":{"a":{"b":{"c":[[{"d":"\\\\","e":[]}],false]}},"f":1e9},"jsonrpc":"2.0","id":"a"}',
];

test('one changed character never makes a broken message pass, nor a good one fail', () => {
  const places = MESSAGES.flatMap((text) => Array.from(text, (_, at) => ({ text, at })));
  const place = fc.constantFrom(...places);
  fc.assert(
    fc.property(place, fc.constantFrom(...'{}[]",:\\u0e.-+tn \n'), ({ text, at }, character) => {
      const changed = text.slice(0, at) + character + text.slice(at + 1);
      let valid = true;
      try {
        JSON.parse(changed);
      } catch {
        valid = false;
      }
      const found = readMessage(changed);
      assert.equal(found.kind === 'malformed' && found.code === 'parse_error', !valid, changed);
    }),
    { numRuns: 15_000, seed: 4 },
  );
});

test('nesting is taken to its limit and refused beyond, without a deep stack', () => {
  const nested = (levels: number) => request('1', `{"x":${'['.repeat(levels)}${']'.repeat(levels)}}`);
  const own = 2; // the message and its params
  read(nested(MAX_DEPTH - own));
  assert.match(refused(nested(MAX_DEPTH - own + 1)).reason, /nested deeper than 256 levels/);
  assert.match(refused(nested(200_000)).reason, /nested deeper/);
  assert.match(refused(`[${'['.repeat(MAX_DEPTH)}nothing`).reason, /nested deeper/, 'whatever follows');
  const result = (levels: number) =>
    `{"jsonrpc":"2.0","id":1,"result":${'['.repeat(levels)}${']'.repeat(levels)}}`;
  read(result(MAX_DEPTH - 1));
  assert.match(refused(result(MAX_DEPTH)).reason, /nested deeper/);
});

test('a batch is an array; its messages are read one by one, with their own text', () => {
  const texts = [
    request('1'),
    '{"jsonrpc":"2.0","method":"x"}',
    '42',
    request('"b"', '{"a":[1,{"b":"],"}]}'),
  ];
  const batch = ` [${texts.join(' ,\n')}]`;
  assert.equal(isBatch(batch), true);
  const messages = readBatch(batch);
  assert.ok(Array.isArray(messages));
  assert.deepEqual(
    messages.map(({ kind }) => kind),
    ['request', 'notification', 'malformed', 'request'],
  );
  assert.equal(messages[3]?.kind === 'request' && messages[3].text, texts[3]);
});

test('an empty batch and a broken one are refused whole', () => {
  assert.equal((readBatch('[]') as Malformed).code, 'invalid_request');
  assert.equal((readBatch('[1,') as Malformed).code, 'parse_error');
  assert.equal(isBatch('{"a":[]}'), false);
});

test('a message has at most as many keys as it may have, counted in all its objects', () => {
  const text = '{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"a":1},"b":[{"c":1},{"c":{}}]}}';
  assert.equal(readMessage(text, 9).kind, 'request');
  assert.deepEqual(readMessage(text, 8), {
    kind: 'malformed',
    code: 'invalid_request',
    reason: 'The message has more than 8 keys.',
    id: 'null',
  });
});

test('a batch has at most 100 messages', () => {
  const batch = (length: number) => `[${Array.from({ length }, () => '{"jsonrpc":"2.0","method":"x"}')}]`;
  assert.ok(Array.isArray(readBatch(batch(100))));
  const refused = readBatch(batch(101));
  assert.ok(!Array.isArray(refused) && 'reason' in refused);
  assert.equal(refused.reason, 'A batch holds at most 100 messages; found 101.');
});

test('a string may hold any number of escapes', () => {
  for (const length of [1, 999, 1000, 1001, 2000, 2001, 70_000]) {
    const escapes = '\\n\\u0041'.repeat(length);
    for (const around of [
      (text: string) => request('1', `{"name":"${text}"}`),
      (text: string) => request('1', `{"${text}":1}`),
      (text: string) => request('1', `{"arguments":{"a":["${text}"]}}`),
    ]) {
      read(around(escapes));
      read(around(`${escapes}a`));
      for (const bad of ['\\x', '\\', '\n', '"'])
        assert.equal(refused(around(escapes + bad)).code, 'parse_error', `${bad} behind ${length}`);
    }
  }
});

test('a long string is read to its end, and nothing in the middle of it is overlooked', () => {
  for (let length = 100; length < 700; length += 37) {
    for (const at of [0, 1, 126, 127, 128, 129, 255, 256, 257, length - 1]) {
      if (at >= length) continue;
      const around = (middle: string) =>
        request('1', `{"name":"${'x'.repeat(at)}${middle}${'é'.repeat(length - at)}","uri":"u"}`);
      const whole = `${'x'.repeat(at)}"${'é'.repeat(length - at)}`;
      assert.equal(read(around('\\"')).target, whole, `an escape at ${at}`);
      for (const bad of ['\t', '\0', '\\x', '"']) {
        assert.equal(refused(around(bad)).code, 'parse_error', `${JSON.stringify(bad)} at ${at}`);
      }
    }
  }
});
