import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as sdk from '@modelcontextprotocol/sdk/types.js';
import { httpMethodLabel, methodLabel } from './labels.ts';

/** Every method that the official SDK has a schema for (legacy revisions and tasks). */
function methodsOfTheSdk(): string[] {
  const methods = Object.values(sdk).flatMap((schema) => {
    const method = (schema as { shape?: { method?: { value?: unknown } } }).shape?.method;
    return typeof method?.value === 'string' ? [method.value] : [];
  });
  return [...new Set(methods)];
}

test('every method of the protocol is its own label', () => {
  const methods = methodsOfTheSdk();
  assert.ok(methods.length >= 30, `the SDK's schemas name ${methods.length} methods`);
  for (const method of [...methods, 'server/discover', 'subscriptions/listen', 'tasks/update']) {
    assert.equal(methodLabel(method), method);
  }
});

test('what a client invents is "other"', () => {
  for (const method of ['', 'tools/call ', 'TOOLS/CALL', '__proto__', 'x'.repeat(1000)]) {
    assert.equal(methodLabel(method), 'other');
    assert.equal(httpMethodLabel(method), 'other');
  }
  assert.equal(httpMethodLabel('POST'), 'POST');
});
