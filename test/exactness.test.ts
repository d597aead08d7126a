/**
 * Exactness from end to end: what a server reads and what its client gets are, byte for byte, what the other one
 * wrote, but for the id and the progress token. Half of the calls land on a worker that does not own their session.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { startBridge } from './harness/bridge.ts';
import { oddMessage } from './harness/odd-json.ts';
import { initialize, post, send } from './harness/rpc.ts';
import { slowRewrite } from './harness/slow-rewrite.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';

const SERVERS = 4;
const CALLS_PER_SERVER = 750;
const SEED = 20_261_123;
/** One in so many messages is large enough to be read by a task thread. */
const LARGE_EVERY = 50;
const FILLER = `{"filler":"${'é\\"'.repeat(40_000)}",`;

const NOWHERE = { token: '', tokenPath: 'nowhere' };
const PLACEHOLDER = 'ID_OF_THE_REQUEST';

interface Exchange {
  readonly request: string;
  /** As the server says it, with the placeholder for its id. */
  readonly answer: string;
}

function exchanges(seed: number): Exchange[] {
  const choices = fc.uint8Array({ maxLength: 200, size: 'max' });
  const lists = fc.sample(fc.tuple(choices, choices), { numRuns: CALLS_PER_SERVER, seed });
  return lists.map(([forRequest, forAnswer], i) => {
    const enlarge = (text: string): string => (i % LARGE_EVERY === 7 ? text.replace('{', FILLER) : text);
    const answer = oddMessage(forAnswer, i % 5 === 0 ? 'error' : 'result');
    return {
      request: enlarge(oddMessage(forRequest, 'request')),
      answer: slowRewrite(enlarge(answer), PLACEHOLDER, NOWHERE).text,
    };
  });
}

test('thousands of odd messages pass the bridge in both directions without a changed byte', async (t) => {
  const dir = temporaryFolder(t);
  const names = Array.from({ length: SERVERS }, (_, i) => `s${i}`);
  const lists = names.map((_, i) => exchanges(SEED + i));
  const servers = names.map((name, i) => {
    const [record, script] = [join(dir, `${name}.record`), join(dir, `${name}.script`)];
    writeFileSync(script, lists[i]?.map(({ answer }) => answer).join('\n') ?? '');
    return [
      name,
      { command: process.execPath, args: [resolve('test/fixtures/servers/recorder.mjs'), record, script] },
    ];
  });
  const bridge = await startBridge(t, {
    config: { servers: Object.fromEntries(servers) },
    env: { LOG_LEVEL: 'ERROR' },
  });

  await Promise.all(
    names.map(async (name, i) => {
      const list = lists[i] ?? [];
      const session = await initialize(bridge, name);
      for (const { request, answer } of list) {
        const got = await post(bridge, name, request, { session });
        const { id = '' } = slowRewrite(request, '', NOWHERE);
        assert.equal(got.status, 200, got.text.slice(0, 500));
        assert.equal(
          got.text,
          answer.replace(PLACEHOLDER, () => id),
          'what the client got',
        );
      }

      const read = readFileSync(join(dir, `${name}.record`), 'utf8').split('\n');
      const [hello, initialized, ...lines] = read.slice(0, -1);
      assert.match(`${hello} ${initialized}`, /"initialize".*"notifications\/initialized"/);
      assert.equal(lines.length, list.length);
      list.forEach(({ request }, n) => {
        const line = lines[n] ?? '';
        const { id = '' } = slowRewrite(line, '', NOWHERE);
        const place = { token: id, tokenPath: 'params._meta.progressToken' };
        assert.match(id, /^\d+$/);
        assert.equal(line, slowRewrite(request, id, place).text, 'what the server read');
      });
    }),
  );

  const metrics = await send(bridge, { path: '/metrics' });
  assert.match(metrics.text, /forwarded_total\{direction="in"[^}]*\} [1-9]/, 'some of them made a hop');
});
