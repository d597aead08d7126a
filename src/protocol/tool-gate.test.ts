import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ToolGate } from './tool-gate.ts';

test('nothing filtered: everything passes, even a call that names no tool', () => {
  const gate = new ToolGate([{}, {}]);
  assert.deepEqual([gate.isOpen, gate.allows('x'), gate.allows(undefined)], [true, true, true]);
});

test('a tool must be allowed by every filter and denied by none', () => {
  const gate = new ToolGate([{ allow: ['read_*', 'list'] }, { deny: ['*_secret'] }]);
  const allowed = [
    'read_',
    'read_file',
    'list',
    'list_all',
    'Read_file',
    'read_secret',
    'xread_a',
    '',
    undefined,
  ];
  assert.deepEqual(
    allowed.map((name) => gate.allows(name)),
    [true, true, true, false, false, false, false, false, false],
  );
});

test('an empty list of allowed tools allows none', () => {
  assert.equal(new ToolGate([{ allow: [] }]).allows('x'), false);
});

test('only the star is special, and it stands for line breaks too', () => {
  const gate = new ToolGate([{ deny: ['a.b', '[x]+', 'evil*'] }]);
  assert.deepEqual(
    ['a.b', 'aXb', '[x]+', 'x', 'evil\nthing', 'evil'].map((name) => gate.allows(name)),
    [false, true, false, true, false, false],
  );
});

test('lists lose what is denied and nothing else; what is no list passes', () => {
  const gate = new ToolGate([{ allow: ['a'] }]);
  const list = { tools: [{ name: 'a', x: 1 }, { name: 'b' }, null, 7], nextCursor: 'c' };
  assert.deepEqual(gate.filterList(list), { tools: [{ name: 'a', x: 1 }], nextCursor: 'c' });
  assert.deepEqual(gate.filterList({ other: 1 }), { other: 1 });
});
