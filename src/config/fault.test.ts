import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderFault, shown } from './fault.ts';

test('a fault is one line that names place, key, what was found and what is allowed', () => {
  const fault = { key: 'servers.fetch.comand', found: 'unknown key', allowed: 'did you mean "command"?' };
  assert.equal(
    renderFault({ file: 'mcp-servers.yaml', line: 7, column: 5, ...fault }),
    'mcp-servers.yaml:7:5 servers.fetch.comand: unknown key; did you mean "command"?',
  );
  assert.equal(
    renderFault({ file: 'environment', key: 'PORT', found: 'found "x"', allowed: 'allowed: 1' }),
    'environment PORT: found "x"; allowed: 1',
  );
  assert.equal(
    renderFault({ file: '.env', line: 2, key: '', found: 'found a', allowed: 'b' }),
    '.env:2:1: found a; b',
  );
});

test('a shown value stays on one line and is cut', () => {
  assert.equal(shown('a\nb'), 'found "a\\nb"');
  assert.equal(shown(''), 'found nothing');
  assert.equal(shown(null), 'found nothing');
  assert.ok(shown('x'.repeat(500)).length < 80);
});
