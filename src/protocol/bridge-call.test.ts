import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgeError } from '../errors.ts';
import { readBridgeCall } from './bridge-call.ts';
import { payloadOf } from './message.ts';

test('params reach the server as they were sent', () => {
  const params = '{ "name" : "a", "n": 9007199254740993, "x": "\\u0061" }';
  const { message } = readBridgeCall(`{"params":${params},"serverPath":"x","method":"tools/call"}`);
  assert.deepEqual([message.method, message.target, payloadOf(message)], ['tools/call', 'a', params]);
});

test('a body that is read as a whole is read as it would be in its parts', () => {
  for (const body of [
    '{"serverPath":"x","method":"tools/list"}',
    '{"serverPath":"x","args":[],"env":{},"method":"tools/call","params":{"name":"a","arguments":{"b":[1]}}}',
    '{"serverPath":"x","args":["-y","a b\\n"],"env":{"A":"1","":"é"},"method":"x","params":{}}',
  ]) {
    assert.deepEqual(readBridgeCall(body), readBridgeCall(` ${body}`));
  }
});

test('a method cannot smuggle members into the request', () => {
  const { message } = readBridgeCall(JSON.stringify({ serverPath: 'x', method: 'a","id":9,"x":"' }));
  assert.deepEqual([message.method, message.id], ['a","id":9,"x":"', '0']);
});

test('a body of the wrong shape is refused by the name of what is wrong', () => {
  const cases: [string, RegExp][] = [
    ['', /not valid JSON/],
    ['[]', /must be an object/],
    ['null', /must be an object/],
    ['{"method":"x"}', /"serverPath" must be .*; found nothing/],
    ['{"serverPath":7,"method":"x"}', /found 7/],
    ['{"serverPath":"","method":"x"}', /"serverPath"/],
    ['{"serverPath":"x"}', /"method" must name/],
    ['{"serverPath":"x","method":"x","args":"-x"}', /"args" must be a list of strings/],
    ['{"serverPath":"x","method":"x","args":[1]}', /"args"/],
    ['{"serverPath":"x","method":"x","env":{"A":1}}', /"env" must be an object of strings/],
    ['{"serverPath":"x","method":"x","env":[]}', /"env"/],
    ['{"serverPath":"x","method":"x","params":[]}', /"params" must be an object/],
    ['{"serverPath":"x","method":"x","arg":[]}', /"arg" is not a key of \/bridge/],
    ['{"serverPath":"x","method":"x","__proto__":{}}', /"__proto__" is not a key/],
    ['{"serverPath":"x","method":"x","serverPat\\u0068":"y"}', /"serverPath" stands there twice/],
    ['{"serverPath":"x","method":"x","params":{"name":"a","name":"b"}}', /"params.name" stands there twice/],
  ];
  for (const [body, text] of cases)
    assert.throws(
      () => readBridgeCall(body),
      (error) => error instanceof BridgeError && error.code === 'invalid_request' && text.test(error.message),
      body,
    );
});
