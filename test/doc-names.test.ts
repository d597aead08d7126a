/** What the documents name is there: files, scripts, tests, variables, pages; and each Chinese twin says as much. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { ENVIRONMENT } from '../src/config/environment.ts';

const read = (path: string): string => readFileSync(path, 'utf8');
const PAGES = readdirSync('docs')
  .filter((name) => name.endsWith('.md'))
  .map((name) => join('docs', name));
const DOCUMENTS = [
  'README.md',
  'README.zh-CN.md',
  'SECURITY.md',
  ...PAGES,
  ...readdirSync('deploy')
    .map((name) => join('deploy', name, 'README.md'))
    .filter((path) => existsSync(path)),
];

/** What `pattern` finds in every document and `isThere` does not know. */
function strangers(pattern: RegExp, isThere: (name: string, document: string) => boolean): string[] {
  return DOCUMENTS.flatMap((document) =>
    Array.from(read(document).matchAll(pattern), ([, name = '']) => name)
      .filter((name) => !isThere(name, document))
      .map((name) => `${document}: ${name}`),
  );
}

test('every script that the documents run is in package.json', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  assert.deepEqual(
    strangers(/npm run (?:--silent )?([a-z:]+)/g, (name) => Object.hasOwn(scripts, name)),
    [],
  );
});

test('every source file that the documents name is there', () => {
  const path = /`((?:src|test|bench|deploy|workers|scripts)\/[A-Za-z0-9_./-]+\.[a-z]+)`/g;
  const places = ['', 'src'];
  const isThere = (name: string, document: string): boolean =>
    [dirname(document), ...places].some((folder) => existsSync(join(folder, name)));
  assert.deepEqual(strangers(path, isThere), []);
});

test('every test that docs/security.md names is there', () => {
  const rows = Array.from(
    read('docs/security.md').matchAll(/^\|(?:[^|]+\|){3}([^|]+)\|$/gm),
    ([, last = '']) => last,
  );
  const names = rows.flatMap((cell) =>
    Array.from(cell.matchAll(/`([a-z0-9/-]+)`/g), ([, name = '']) => name),
  );
  assert.ok(names.length > 30);
  assert.deepEqual(
    names.filter((name) => !['test', 'src'].some((folder) => existsSync(join(folder, `${name}.test.ts`)))),
    [],
  );
});

test('every setting that the documents put before a command is one of the bridge', () => {
  const command = /^(?:[A-Z_]+=\S+ )*([A-Z_]+)=\S+ (?:[A-Z_]+=\S+ )*(?:npm |node |pm2 |mcp-bridge)/gm;
  assert.deepEqual(
    strangers(command, (name) => Object.hasOwn(ENVIRONMENT, name)),
    [],
  );
});

test('docs/README.md leads to every page', () => {
  const index = read('docs/README.md');
  const pages = readdirSync('docs').filter((name) => name.endsWith('.md') && name !== 'README.md');
  assert.deepEqual(
    pages.filter((name) => !index.includes(`](${name})`)),
    [],
  );
});

for (const [page, twin] of [
  ['README.md', 'README.zh-CN.md'],
  ['docs/deployment.md', 'docs/deployment.zh-CN.md'],
] as const) {
  test(`${twin} has the commands, links, tables and names of ${page}`, () => {
    assert.deepEqual(skeleton(read(twin)), skeleton(read(page)));
  });
}

/** What a translation leaves as it is. */
function skeleton(text: string) {
  const fences = Array.from(text.matchAll(/^```.*?^```/gms), ([fence]) => fence.replaceAll(/\s*# .*$/gm, ''));
  const prose = text.replaceAll(/^```.*?^```/gms, '');
  const links = Array.from(prose.matchAll(/\]\(([^)#\s]+)[^)]*\)/g), ([, link = '']) =>
    link.replace('.zh-CN.md', '.md'),
  );
  const names = Array.from(prose.matchAll(/`([^`]+)`/g), ([, name = '']) => name).filter(isAscii);
  return {
    fences,
    headings: Array.from(prose.matchAll(/^#+(?= )/gm), ([marks]) => marks),
    rows: prose.match(/^\|/gm)?.length,
    links: links.sort(),
    names: [...new Set(names)].filter((name) => !name.includes('<')).sort(),
  };
}

const isAscii = (text: string): boolean => /^[\x20-\x7e…]+$/.test(text);
