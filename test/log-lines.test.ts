/** docs/logs.md has every line that operators can meet, and no other. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

test('every line from INFO on stands in docs/logs.md, with its level', () => {
  const page = readFileSync('docs/logs.md', 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `') || line.startsWith('| ``'));
  const lines = sources('src').flatMap((file) => linesOf(readFileSync(file, 'utf8')));
  assert.ok(lines.length > 40, `only ${lines.length} were found`);
  const missing = lines.filter(({ level, message }) => {
    const row = rows.find((each) => each.includes(`\`${message}`));
    return row === undefined || !row.includes(level);
  });
  assert.deepEqual(missing, [], 'each needs its row in docs/logs.md: what it means, and what to do');
});

test('no line stands in docs/logs.md that is not written any more', () => {
  const source = sources('src')
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  const [, ...tables] = readFileSync('docs/logs.md', 'utf8').split('| `msg` |');
  const cells = tables.flatMap((table) =>
    Array.from(table.matchAll(/^\| (`.*?`) \|/gm), ([, cell = '']) => cell),
  );
  const messages = cells.flatMap((cell) =>
    cell.startsWith('``')
      ? [cell.slice(2, -2)]
      : Array.from(cell.matchAll(/`([^`]+)`/g), ([, each = '']) => each),
  );
  assert.ok(messages.length > 40);
  const parts = messages.flatMap((message) => message.split('…').map((part) => part.trim()));
  assert.deepEqual(
    parts.filter((part) => !source.includes(part)),
    [],
  );
});

interface Line {
  readonly level: string;
  /** Up to the first place that is filled in. */
  readonly message: string;
}

/** The calls of a logger that write a constant message, be it behind fields. Notes, which are sentences, are none. */
function linesOf(source: string): Line[] {
  const call =
    /\b\w*[lL]og(?:ger)?\.(info|warn|error|fatal)\(|\blog\(turn, (?:clean \? )?'(info|warn|error)'/g;
  return Array.from(source.matchAll(call), ({ index, 0: head, 1: one, 2: other }) => ({
    level: one ?? other ?? '',
    message: messageIn(source, index + head.length),
  })).filter(({ message }) => message !== '');
}

/** The first text among the arguments of the call whose arguments begin at `start`; empty where there is none. */
function messageIn(source: string, start: number): string {
  let depth = 0;
  for (let at = start; at < source.length; at++) {
    const character = source.charAt(at);
    if ('([{'.includes(character)) depth++;
    else if (')]}'.includes(character) && depth-- === 0) return '';
    else if ("'`".includes(character)) {
      const end = source.indexOf(character, at + 1);
      if (depth === 0) return source.slice(at + 1, end).split('${')[0] ?? '';
      at = end;
    }
  }
  return '';
}

const sources = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(folder, name));
