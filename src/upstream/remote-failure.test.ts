import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SdkErrorCode, SdkHttpError } from '@modelcontextprotocol/client';
import { isUnreachable, statusOf, whatFailed } from './remote-failure.ts';

const httpError = (status: number, text: string): SdkHttpError =>
  new SdkHttpError(SdkErrorCode.ClientHttpNotImplemented, `Error POSTing to endpoint: ${text}`, {
    status,
    text,
  });

const systemError = (code: string): Error => Object.assign(new Error(`connect ${code} ::1:1`), { code });

test('an HTTP error is told by its status, never by its page', () => {
  assert.equal(whatFailed(httpError(500, 'secret page')), 'answered with HTTP 500');
  assert.equal(whatFailed(httpError(307, '')), 'answered with HTTP 307, a redirect that is not followed');
  assert.equal(statusOf(httpError(404, '')), 404);
  assert.equal(statusOf(new Error('Error POSTing to endpoint (HTTP 503): page')), 503);
  assert.equal(statusOf(new Error('Unexpected server response: 401')), 401);
  assert.equal(statusOf(new Error('something else')), undefined);
});

test('a refused connection is found however deep it is wrapped', () => {
  const both = new AggregateError([systemError('ECONNREFUSED'), systemError('ECONNREFUSED')]);
  for (const error of [
    systemError('ECONNREFUSED'),
    both,
    new TypeError('fetch failed', { cause: both }),
    new Error('x', { cause: new Error('y', { cause: systemError('ENOTFOUND') }) }),
  ]) {
    assert.ok(isUnreachable(error));
    assert.match(whatFailed(error), /^could not be reached \(E[A-Z]+\)$/);
  }
});

test('a connection that breaks does not mean that the server is unreachable', () => {
  assert.equal(isUnreachable(systemError('ECONNRESET')), false);
  assert.equal(whatFailed(systemError('ECONNRESET')), 'closed the connection before it had answered');
  assert.equal(isUnreachable(httpError(500, 'ECONNREFUSED')), false);
  assert.equal(isUnreachable('thrown text'), false);
});

test('what is not JSON-RPC is told without quoting it', () => {
  const broken = (() => {
    try {
      return JSON.parse('secret');
    } catch (error) {
      return error;
    }
  })();
  assert.equal(whatFailed(broken), 'sent something that is not a JSON-RPC message');
});

test('a cause in a loop ends', () => {
  const loop = new Error('loop');
  loop.cause = loop;
  assert.equal(whatFailed(loop), 'failed: loop');
});
