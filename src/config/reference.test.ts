import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ENVIRONMENT } from './environment.ts';
import { generatedTables, schemaText, withTables } from './reference.ts';

const fileOf = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const advice = 'run: node --import tsx scripts/generate-schema.ts';

test('mcp-servers.schema.json is what the tables of keys give', () => {
  assert.equal(fileOf('mcp-servers.schema.json'), schemaText(), advice);
});

test('the tables of docs/configuration.md are what the tables of keys give', () => {
  const page = fileOf('docs/configuration.md');
  assert.equal(page, withTables(page), advice);
  for (const name of generatedTables.keys()) assert.ok(page.includes(`<!-- generated: ${name} -->`), name);
});

test('a page that asks for an unknown table is refused', () => {
  assert.throws(() => withTables('<!-- generated: nonsense -->\n\n<!-- end -->'), /nonsense/);
});

test('.env.example names every variable', () => {
  const named = new Set(
    Array.from(fileOf('.env.example').matchAll(/^(?:# )?([A-Z_]+)=/gm), ([, name]) => name),
  );
  assert.deepEqual(
    Object.keys(ENVIRONMENT).filter((name) => !named.has(name)),
    [],
  );
});

test('the committed samples set nothing that everybody would know', () => {
  for (const path of ['.env.development', '.env.production']) {
    assert.doesNotMatch(fileOf(path), /^[^#\n]/m, path);
  }
});
