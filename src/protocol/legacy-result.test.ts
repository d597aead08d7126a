import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inputRequired, legacyToolList, legacyToolResult } from './legacy-result.ts';

test('a result that asks for input is told from one that speaks of it', () => {
  const asking = {
    resultType: 'input_required',
    inputRequests: { a: { method: 'roots/list' } },
    requestState: 's',
  };
  assert.deepEqual(inputRequired(JSON.stringify(asking)), {
    inputRequests: asking.inputRequests,
    requestState: 's',
  });
  assert.equal(inputRequired('{"resultType":"complete","content":["input_required"]}'), undefined);
});

test('an output schema that is no object is wrapped, with its definitions where references find them', () => {
  const list = {
    tools: [{ name: 'a', outputSchema: { $defs: { x: {} }, type: 'array', items: { $ref: '#/$defs/x' } } }],
  };
  assert.deepEqual(JSON.parse(legacyToolList(JSON.stringify(list))).tools[0].outputSchema, {
    $defs: { x: {} },
    type: 'object',
    properties: { result: { type: 'array', items: { $ref: '#/$defs/x' } } },
    required: ['result'],
  });
});

test('other tools stay as they are', () => {
  const list = { tools: [{ name: 'a' }, { name: 'b', outputSchema: { type: 'object' } }], nextCursor: 'c' };
  assert.deepEqual(JSON.parse(legacyToolList(JSON.stringify(list))), list);
});

test('structured content is wrapped when it is no object, or when the schema of its tool was', () => {
  for (const value of ['[1,2]', '"text"', '12345678901234567890', 'null']) {
    const result = `{"content":[],"structuredContent": ${value},"isError":false}`;
    assert.ok(legacyToolResult(result, false).includes(`"structuredContent": {"result":${value}},`));
  }
  const object = '{"structuredContent":{"a":1}}';
  assert.equal(legacyToolResult(object, false), object);
  assert.equal(legacyToolResult(object, true), '{"structuredContent":{"result":{"a":1}}}');
  assert.equal(legacyToolResult('{"content":[]}', true), '{"content":[]}');
});
