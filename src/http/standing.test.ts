import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AccessSettings, mayStillUse } from './standing.ts';

const access = (more: Partial<AccessSettings>): AccessSettings => ({ accessTokens: [], tokens: [], ...more });
const token = (name: string, servers?: readonly string[]) => ({
  name,
  token: 'secret',
  tools: {},
  bridge: true,
  ...(servers && { servers }),
});

test('ACCESS_TOKEN is one principal, as long as there is any value of it', () => {
  assert.equal(mayStillUse(access({ accessTokens: ['new'] }), 'access-token', 'a'), true);
  assert.equal(mayStillUse(access({ tokens: [token('access-token')] }), 'access-token', 'a'), false);
});

test('a named token stands by its name, whatever its text, for the servers it lists', () => {
  const settings = access({ tokens: [token('ci', ['a']), token('all')] });
  assert.equal(mayStillUse(settings, 'token:ci', 'a'), true);
  assert.equal(mayStillUse(settings, 'token:ci', 'b'), false);
  assert.equal(mayStillUse(settings, 'token:all', 'b'), true);
  assert.equal(mayStillUse(settings, 'token:gone', 'a'), false);
});

test('a JWT stands as long as its issuer does, and no longer name passes for it', () => {
  const jwt = { issuer: 'https://id', audience: 'a', jwksUri: 'https://id/keys' };
  assert.equal(mayStillUse(access({ jwt }), 'jwt:https://id|ada', 'a'), true);
  assert.equal(mayStillUse(access({ jwt }), 'jwt:https://id.evil|ada', 'a'), false);
  assert.equal(mayStillUse(access({}), 'jwt:https://id|ada', 'a'), false);
});
