// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the texts under test
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../../test/harness/temporary-folder.ts';
import { gatherVariables, parseDotenv } from './dotenv.ts';
import { renderFault } from './fault.ts';

function folder(t: TestContext, files: Record<string, string>): string {
  const path = temporaryFolder(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

const textsOf = (variables: ReadonlyMap<string, { text: string }>) =>
  Object.fromEntries([...variables].map(([name, { text }]) => [name, text]));

test('the forms of a .env file are understood', () => {
  const { variables, faults } = parseDotenv(
    [
      '\uFEFF# a comment',
      'A=1',
      'export B = two words # a comment',
      'C=a#b',
      'D="x # y" # z',
      "E='\\n${X}'",
      'F="l1\\nl2\\"q"',
      'G="one',
      'two"',
      'H=',
      'A=2\r',
      '  I=# nothing',
    ].join('\n'),
    '.env',
  );
  assert.deepEqual(faults, []);
  assert.deepEqual(textsOf(variables), {
    A: '2',
    B: 'two words',
    C: 'a#b',
    D: 'x # y',
    E: '\\n${X}',
    F: 'l1\nl2"q',
    G: 'one\ntwo',
    H: '',
    I: '',
  });
  assert.equal(variables.get('H')?.line, 10);
});

test('a line that sets nothing, an open quote and text behind a quote are faults that do not show the text', () => {
  const { variables, faults } = parseDotenv(
    "hunter2\nA=1\n  B=\"hunter2\nC=3\n\nD='x' hunter2\n1E=5\n",
    '.env',
  );
  assert.deepEqual(faults.map(renderFault), [
    '.env:1:1: found a line that sets nothing; allowed: NAME=value',
    '.env:3:3 B: found no closing "; allowed: a value in a pair of quotes',
    ".env:6:1 D: found text after the closing '; allowed: a comment",
    '.env:7:1: found a line that sets nothing; allowed: NAME=value',
  ]);
  assert.deepEqual(textsOf(variables), { A: '1', C: '3' });
});

test('the real environment wins, then the more specific file; empty is unset', (t) => {
  const cwd = folder(t, {
    '.env': 'A=general\nB=general\nC=general\nD=general\nE=',
    '.env.staging': 'A=specific\nB=specific\nC=\n',
    '.env.production': 'A=production',
  });
  const { variables, faults } = gatherVariables(cwd, { NODE_ENV: 'staging', A: 'real', D: '' });
  assert.deepEqual(faults, []);
  assert.deepEqual(textsOf(variables), {
    A: 'real',
    B: 'specific',
    C: 'general',
    D: 'general',
    NODE_ENV: 'staging',
  });
  assert.equal(variables.get('B')?.file, '.env.staging');
});

test('NODE_ENV of .env chooses the specific file, which cannot change it', (t) => {
  const cwd = folder(t, {
    '.env': 'NODE_ENV=production',
    '.env.production': 'PORT=1\nNODE_ENV=development\n',
  });
  const { variables, faults } = gatherVariables(cwd, {});
  assert.deepEqual(faults.map(renderFault), [
    '.env.production:2:1 NODE_ENV: found "development"; allowed: production, for which this file is read',
  ]);
  assert.deepEqual(textsOf(variables), { NODE_ENV: 'production', PORT: '1' });
});

test('a NODE_ENV that is no plain name reads no file of that name', (t) => {
  const cwd = folder(t, { secret: 'PORT=1' });
  assert.deepEqual(textsOf(gatherVariables(cwd, { NODE_ENV: '/../secret' }).variables), {
    NODE_ENV: '/../secret',
  });
});

test('a .env that cannot be read is a fault', (t) => {
  const cwd = folder(t, {});
  mkdirSync(join(cwd, '.env'));
  assert.deepEqual(gatherVariables(cwd, {}).faults.map(renderFault), [
    '.env: cannot be read (EISDIR); allowed: a readable text file, or none',
  ]);
});
