import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { GatheredPart } from '../src/ipc/messages.ts';
import { renderMetrics } from '../src/metrics/merge.ts';
import { startFleet } from './fixtures/fleet/harness.ts';
import { groupRuns, isAlive } from './harness/process.ts';

const LIMIT = { timeout: 60_000 };

test('a killed worker is replaced in its slot, under a new id', LIMIT, async (t) => {
  const fleet = await startFleet(t, {});
  const first = await fleet.ready(0);
  await fleet.ready(1);
  process.kill(first.pid, 'SIGKILL');
  const next = await fleet.ready(2);
  assert.equal(next.slot, first.slot);
  assert.notEqual(next.id, first.id);
  const died = await fleet.log('worker died');
  assert.equal(died['fault'], `worker ${first.slot} was killed by SIGKILL (perhaps out of memory)`);
  assert.equal(existsSync(join(fleet.runtimeDir, `${first.id}.sock`)), false);
  const roster = (await next.order({ do: 'roster' })) as { id: string }[];
  assert.deepEqual(
    roster.map(({ id }) => id).sort(),
    fleet.all
      .slice(1)
      .map(({ id }) => id)
      .sort(),
  );
});

test('a worker starts although somebody has removed RUNTIME_DIR', LIMIT, async (t) => {
  const fleet = await startFleet(t, { workers: 1 });
  const first = await fleet.ready(0);
  const held = readdirSync(fleet.runtimeDir).filter((name) => !name.endsWith('.sock'));
  assert.equal(held.length, 3);
  rmSync(fleet.runtimeDir, { recursive: true });
  process.kill(first.pid, 'SIGKILL');
  await fleet.ready(1);
  const restored = readdirSync(fleet.runtimeDir);
  for (const name of held) assert.ok(restored.includes(name), name);
  assert.equal(fleet.logged('RUNTIME_DIR was removed and is made again').length, 1);
});

test('a worker that hangs is killed and replaced', LIMIT, async (t) => {
  const fleet = await startFleet(t, { workers: 1, rules: { silentMs: 1_000 } });
  const first = await fleet.ready(0);
  await first.order({ do: 'hang' });
  const next = await fleet.ready(1);
  assert.equal(next.slot, 0);
  assert.equal(isAlive(first.pid), false);
  assert.equal(fleet.logged('worker hangs and is killed').length, 1);
});

test('a worker that never becomes ready is killed and tried again', LIMIT, async (t) => {
  const fleet = await startFleet(t, {
    workers: 1,
    rules: { bootMs: 3_000 },
    onHello: (nth) => (nth === 0 ? 'silent' : 'boot'),
  });
  await fleet.ready(1);
  assert.equal(fleet.logged('worker does not become ready and is killed').length, 1);
});

test('a fleet that cannot boot ends with 1 and the reason as its last line', LIMIT, async (t) => {
  const fleet = await startFleet(t, { workers: 1, onHello: () => 'fail' });
  const { code, complaints } = await fleet.end();
  assert.equal(code, 1);
  assert.equal(complaints, 'No worker could start: slot 0 has no engine\n');
  assert.equal(fleet.all.length, 3);
});

test('SIGTERM lets the workers drain and ends with 0, leaving nothing behind', LIMIT, async (t) => {
  const fleet = await startFleet(t, {});
  await fleet.ready(0);
  await fleet.ready(1);
  fleet.primary.kill('SIGTERM');
  assert.equal((await fleet.end()).code, 0);
  assert.deepEqual(
    fleet.all.map(({ drains }) => drains),
    [[{ rolling: false }], [{ rolling: false }]],
  );
  assert.deepEqual(
    fleet.all.map(({ pid }) => isAlive(pid)),
    [false, false],
  );
  assert.deepEqual(readdirSync(fleet.runtimeDir), []);
});

test('a second SIGTERM stops at once, and still with 0', LIMIT, async (t) => {
  const fleet = await startFleet(t, { workers: 1, rules: { drainMs: 600_000, sameSignalMs: 0 } });
  const worker = await fleet.ready(0);
  await worker.order({ do: 'stay' });
  fleet.primary.kill('SIGTERM');
  await fleet.until(() => worker.drains[0]);
  fleet.primary.kill('SIGTERM');
  assert.equal((await fleet.end()).code, 0);
  assert.equal(isAlive(worker.pid), false);
});

test('a worker that does not leave at the drain deadline is killed', LIMIT, async (t) => {
  const fleet = await startFleet(t, { workers: 1, rules: { graceMs: 300 } });
  const worker = await fleet.ready(0);
  await worker.order({ do: 'stay' });
  fleet.primary.kill('SIGTERM');
  assert.equal((await fleet.end()).code, 0);
  assert.equal(fleet.logged('worker did not finish draining and is killed').length, 1);
  assert.equal(isAlive(worker.pid), false);
});

test('the workers of a killed primary leave', LIMIT, async (t) => {
  const fleet = await startFleet(t, {});
  const workers = [await fleet.ready(0), await fleet.ready(1)];
  fleet.primary.kill('SIGKILL');
  await fleet.until(() => (workers.every(({ isGone }) => isGone) ? true : undefined));
});

test(
  'what a killed worker left is ended, children that ignore SIGTERM and grandchildren too',
  LIMIT,
  async (t) => {
    const fleet = await startFleet(t, { workers: 1 });
    const worker = await fleet.ready(0);
    const pgid = (await worker.order({ do: 'spawn' })) as number;
    assert.equal(groupRuns(pgid), true);
    // The report of the child is on its way before the answer of this question.
    await worker.order({ do: 'gather', topic: 'servers' });
    process.kill(worker.pid, 'SIGKILL');
    const line = await fleet.log('ended the children of a worker that is gone');
    assert.deepEqual(line['servers'], ['stubborn']);
    assert.equal(groupRuns(pgid), false);
  },
);

test('quotas are exact over all workers, and a dead worker gives back what it held', LIMIT, async (t) => {
  const fleet = await startFleet(t, { maxSessions: 10 });
  const one = await fleet.ready(0);
  const two = await fleet.ready(1);
  const ones = Array<number>(8).fill(1);
  const granted = await Promise.all(
    [one, two].map(
      (worker) => worker.order({ do: 'acquire', kind: 'sessions', counts: ones }) as Promise<boolean[]>,
    ),
  );
  assert.equal(granted.flat().filter(Boolean).length, 10);
  await two.order({ do: 'release', kind: 'sessions', counts: [1] });
  // Two in one tick: the first does not fit and gives its share back, the second does.
  assert.deepEqual(await two.order({ do: 'acquire', kind: 'sessions', counts: [2, 1] }), [false, true]);
  assert.deepEqual(await two.order({ do: 'acquire', kind: 'sessions', counts: [1] }), [false]);
  const held = granted[0]?.filter(Boolean).length ?? 0;
  process.kill(one.pid, 'SIGKILL');
  const next = await fleet.ready(2);
  assert.deepEqual(await next.order({ do: 'acquire', kind: 'sessions', counts: [held, 1] }), [true, false]);
});

test('a gather leaves out a worker that stays silent', LIMIT, async (t) => {
  const fleet = await startFleet(t, {});
  const one = await fleet.ready(0);
  const two = await fleet.ready(1);
  const both = (await one.order({ do: 'gather', topic: 'servers' })) as GatheredPart[];
  assert.deepEqual(both.map(({ value }) => value).sort(), ['slot 0', 'slot 1']);
  await two.order({ do: 'mute' });
  const parts = (await one.order({ do: 'gather', topic: 'servers' })) as GatheredPart[];
  assert.deepEqual(parts, [{ slot: one.slot, id: one.id, value: `slot ${one.slot}` }]);
});

test('counters of silent and dead workers stay in the sum', LIMIT, async (t) => {
  const fleet = await startFleet(t, {});
  const one = await fleet.ready(0);
  const two = await fleet.ready(1);
  await one.order({ do: 'count', value: 5 });
  await two.order({ do: 'count', value: 7 });
  const scrape = async (): Promise<string> => {
    const parts = (await one.order({ do: 'gather', topic: 'metrics' })) as GatheredPart[];
    return renderMetrics(parts.map(({ value }) => value));
  };
  assert.match(await scrape(), /^test_total 12$/m);
  await two.order({ do: 'mute' });
  assert.match(await scrape(), /^test_total 12$/m);
  process.kill(two.pid, 'SIGKILL');
  await fleet.ready(2);
  const text = await scrape();
  assert.match(text, /^test_total 12$/m);
  assert.match(
    text,
    new RegExp(`^mcp_bridge_worker_restarts_total\\{slot="${two.slot}",reason="crash"\\} 1$`, 'm'),
  );
  assert.match(text, /^mcp_bridge_workers\{state="ready"\} 2$/m);
});

test(
  'a rolling restart replaces every worker, each drained after its replacement is ready',
  LIMIT,
  async (t) => {
    const fleet = await startFleet(t, {});
    const old = [await fleet.ready(0), await fleet.ready(1)];
    await fleet.log('started');
    fleet.primary.kill('SIGUSR2');
    await fleet.log('rolling restart ended');
    assert.deepEqual(
      old.map(({ drains }) => drains),
      [[{ rolling: true }], [{ rolling: true }]],
    );
    assert.deepEqual(fleet.all.map(({ slot }) => slot).slice(2), [0, 1]);
    assert.deepEqual(fleet.logged('worker died'), []);
  },
);

test('a rolling restart whose replacement fails keeps the old workers', LIMIT, async (t) => {
  const fleet = await startFleet(t, { onHello: (nth) => (nth < 2 ? 'boot' : 'fail') });
  const old = [await fleet.ready(0), await fleet.ready(1)];
  await fleet.log('started');
  fleet.primary.kill('SIGUSR2');
  const line = await fleet.log('rolling restart given up: the replacement failed, the old worker goes on');
  assert.equal(line['fault'], 'slot 0 has no engine');
  assert.deepEqual(
    old.map(({ drains, pid }) => [drains.length, isAlive(pid)]),
    [
      [0, true],
      [0, true],
    ],
  );
});

test(
  'a worker above its memory is rolled: its replacement is ready before it drains, the other stays',
  LIMIT,
  async (t) => {
    const rules = { maxMemoryBytes: 1_000, memoryYoungMs: 300 };
    const fleet = await startFleet(t, { rules });
    const large = await fleet.ready(0);
    const other = await fleet.ready(1);
    await large.order({ do: 'weigh', value: 1_001 });
    await fleet.log('rolling restart ended');
    const [said] = fleet.logged('worker is above WORKER_MAX_MEMORY_MB and will be replaced');
    assert.deepEqual([said?.['worker'], said?.['rssBytes']], [large.id, 1_001]);
    const next = await fleet.ready(2);
    assert.equal(next.slot, large.slot);
    assert.deepEqual([large.drains, other.drains], [[{ rolling: true }], []]);
    assert.deepEqual(fleet.logged('worker died'), []);
    const parts = (await next.order({ do: 'gather', topic: 'metrics' })) as GatheredPart[];
    const text = await renderMetrics(parts.map(({ value }) => value));
    assert.match(
      text,
      new RegExp(`^mcp_bridge_worker_restarts_total\\{slot="${large.slot}",reason="memory"\\} 1$`, 'm'),
    );
  },
);
