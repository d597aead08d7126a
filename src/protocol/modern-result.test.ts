import assert from 'node:assert/strict';
import { test } from 'node:test';
import { madeResult, modernResult } from './modern-result.ts';
import { readMessage } from './read-message.ts';

const INFO = { name: 'legacy', version: '1' };
const SERVER_INFO = 'io.modelcontextprotocol/serverInfo';
const OWN = { _meta: { page: 2 }, tools: [] };

test('what a server says in `_meta` stays, whether its result passes or is made anew', () => {
  const answer = readMessage(JSON.stringify({ jsonrpc: '2.0', id: 1, result: OWN }));
  assert.ok(answer.kind !== 'malformed');
  for (const text of [
    modernResult('tools/list', answer, INFO).join(''),
    madeResult('tools/list', OWN, INFO),
  ]) {
    const { _meta, ...result } = JSON.parse(text);
    assert.deepEqual(_meta, { page: 2, [SERVER_INFO]: INFO });
    assert.deepEqual(result, { resultType: 'complete', ttlMs: 0, cacheScope: 'private', tools: [] });
  }
});
