import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serveAtEndOfTurn, writeAtEndOfTurn } from './end-of-turn.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('requests are served in their order, then what they sent is written, all in one turn', async () => {
  const done: string[] = [];
  const note = (what: string) => ({ run: () => void done.push(what) });
  writeAtEndOfTurn(note('write'));
  serveAtEndOfTurn({
    run() {
      done.push('first');
      serveAtEndOfTurn(note('third'));
      writeAtEndOfTurn(note('write of the first'));
    },
  });
  serveAtEndOfTurn(note('second'));
  assert.deepEqual(done, []);
  await turn();
  assert.deepEqual(done, ['first', 'second', 'third', 'write', 'write of the first']);
});

test('each turn has its own', async () => {
  let runs = 0;
  const count = { run: () => void runs++ };
  for (let i = 1; i <= 3; i++) {
    writeAtEndOfTurn(count);
    serveAtEndOfTurn(count);
    await turn();
    assert.equal(runs, 2 * i);
  }
});
