/** The links between the documents: each leads to a file that is there, and to a heading of it. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const FOLDERS = ['.', 'docs', 'deploy', 'bench', 'test'];

test('no link between the documents is broken', () => {
  const documents = FOLDERS.flatMap((folder) => markdownIn(folder, folder !== '.'));
  assert.ok(documents.includes('README.md') && documents.includes(join('docs', 'deployment.md')));
  assert.deepEqual(documents.flatMap(brokenLinksOf), []);
});

function brokenLinksOf(document: string): string[] {
  const text = readFileSync(document, 'utf8').replaceAll(/^```.*?^```/gms, '');
  return Array.from(text.matchAll(/\]\(([^)\s]+)\)/g), ([, link = '']) => link)
    .filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [path = '', heading] = link.split('#');
      const target = path === '' ? document : normalize(join(dirname(document), path));
      if (!existsSync(target)) return true;
      return heading !== undefined && target.endsWith('.md') && !headingsOf(target).includes(heading);
    })
    .map((link) => `${document}: ${link}`);
}

/** As GitHub makes names of headings. */
const headingsOf = (document: string): string[] =>
  Array.from(readFileSync(document, 'utf8').matchAll(/^#+ (.*)$/gm), ([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );

function markdownIn(folder: string, recursive: boolean): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return recursive && entry.name !== 'node_modules' ? markdownIn(path, true) : [];
    return entry.name.endsWith('.md') ? [path] : [];
  });
}
