import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgeError } from '../errors.ts';
import { HeaderList } from '../http/header-list.ts';
import { checkContentType, notAcceptable, readAccept } from './negotiation.ts';

function headers(fields: Record<string, string>): HeaderList {
  const list = new HeaderList();
  for (const [name, value] of Object.entries(fields)) list.add(name, value);
  return list;
}

test('a body has to say that it is JSON; parameters and case do not matter', () => {
  for (const type of ['application/json', 'application/json; charset=utf-8', ' Application/JSON ;x=y']) {
    checkContentType(headers({ 'content-type': type }));
  }
  for (const type of ['text/plain', 'application/jsonp', 'application/json-rpc', '', 'x, application/json']) {
    assert.throws(
      () => checkContentType(headers({ 'content-type': type })),
      (error) => error instanceof BridgeError && error.code === 'unsupported_media_type',
    );
  }
  assert.throws(() => checkContentType(headers({})), /found none/);
});

test('what a client accepts is read with wildcards, parameters and refusals', () => {
  const cases: [string | undefined, boolean, boolean][] = [
    [undefined, true, true],
    ['*/*', true, true],
    ['application/json, text/event-stream', true, true],
    ['text/event-stream,application/json', true, true],
    ['APPLICATION/json;q=0.9 , text/*', true, true],
    ['application/*, text/event-stream;q=0.1', true, true],
    ['application/json', true, false],
    ['text/event-stream', false, true],
    ['text/event-stream;q=0, */*;q=0.0', false, false],
    ['application/json;q=0.000, text/event-stream', false, true],
    ['text/html', false, false],
    ['', false, false],
    ['application/jsonx, text/event-streams', false, false],
  ];
  for (const [accept, json, sse] of cases) {
    assert.deepEqual(readAccept(headers(accept === undefined ? {} : { accept })), { json, sse }, accept);
  }
});

test('a refusal names what is needed and what was found', () => {
  const error = notAcceptable(headers({ accept: 'text/html' }), 'text/event-stream');
  assert.equal(error.status, 406);
  assert.equal(error.message, 'Accept must list text/event-stream; found "text/html".');
});
