import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDecide } from './decide.ts';
import { type Action, countSlots, emptyFleet, type FleetEvent, membersOf, slotState } from './fleet-state.ts';
import { type Rules, rulesFor } from './rules.ts';

const rules: Rules = { ...rulesFor({ drainTimeoutMs: 10_000, workerMaxMemoryMb: 100 }) };
const LARGE = 200 * 1024 * 1024;

/** A fleet driven by hand: processes are named a, b, c … in the order of their forks. */
function drive(workers: number, random = 0) {
  let last = 96;
  const decide = createDecide(rules, { id: () => String.fromCharCode(++last), random: () => random });
  const before = emptyFleet(workers);
  let fleet = before;
  let nowMs = 1_000;
  const send = (event: FleetEvent): readonly Action[] => {
    const decision = decide(fleet, event, nowMs);
    fleet = decision.fleet;
    return decision.actions;
  };
  return {
    send,
    boot: (...ids: string[]) => ids.flatMap((id) => send({ type: 'booted', id, engine: 'uws' })),
    die: (id: string, signal = 'SIGSEGV') => send({ type: 'exited', id, code: null, signal }),
    leave: (id: string) => send({ type: 'exited', id, code: 0, signal: null }),
    /** Time passes in ticks; the named processes stay alive. */
    wait(ms: number, ...alive: string[]): readonly Action[] {
      const actions: Action[] = [];
      for (let passed = 0; passed < ms; passed += 100) {
        nowMs += 100;
        for (const id of alive) actions.push(...send({ type: 'beat', id, rssBytes: 0 }));
        actions.push(...send({ type: 'tick' }));
      }
      return actions;
    },
    /** The primary itself stands still. */
    freeze(ms: number) {
      nowMs += ms;
      return send({ type: 'tick' });
    },
    get fleet() {
      return fleet;
    },
    states: () => fleet.slots.map(slotState),
    processes: () => fleet.slots.map((slot) => slot.processes.map(({ id, state }) => `${id} ${state}`)),
  };
}

/** What was ordered, without the words for the log and the roster. */
const orders = (actions: readonly Action[]): string[] =>
  actions.flatMap((action) => {
    switch (action.type) {
      case 'log':
      case 'roster':
        return [];
      case 'drain':
        return [`drain ${action.id}${action.rolling ? ' rolling' : ''}`];
      case 'restarted':
        return [`restarted ${action.slot} ${action.reason}`];
      case 'exit':
        return [`exit ${action.code}${action.lastLine === undefined ? '' : ` ${action.lastLine}`}`];
      case 'started':
        return ['started'];
      default:
        return [`${action.type} ${action.id}`];
    }
  });

function running(workers: number) {
  const fleet = drive(workers);
  fleet.send({ type: 'start' });
  fleet.boot(...['a', 'b', 'c'].slice(0, workers));
  return fleet;
}

test('start forks every slot, and the fleet runs when the last one is ready', () => {
  const fleet = drive(2);
  assert.deepEqual(fleet.states(), ['empty', 'empty']);
  assert.deepEqual(orders(fleet.send({ type: 'start' })), ['fork a', 'fork b']);
  assert.deepEqual(fleet.states(), ['booting', 'booting']);
  assert.deepEqual(orders(fleet.boot('a')), []);
  assert.deepEqual(orders(fleet.boot('b')), ['started']);
  assert.equal(fleet.fleet.phase, 'running');
});

test('a decision does not change the fleet it was given', () => {
  const decide = createDecide(rules, { id: () => 'a', random: () => 0 });
  const before = emptyFleet(1);
  decide(before, { type: 'start' }, 0);
  assert.deepEqual(before, emptyFleet(1));
});

test('everybody learns of every change before anybody drains, and of nothing else', () => {
  const fleet = running(1);
  const rolled = fleet.send({ type: 'roll' });
  assert.equal(
    rolled.findIndex(({ type }) => type === 'fork') < rolled.findIndex(({ type }) => type === 'roster'),
    true,
  );
  const ready = fleet.boot('b');
  const roster = ready.findIndex(({ type }) => type === 'roster');
  assert.deepEqual(ready[roster], {
    type: 'roster',
    members: [
      { slot: 0, id: 'a', state: 'draining' },
      { slot: 0, id: 'b', state: 'ready' },
    ],
  });
  assert.equal(roster < ready.findIndex(({ type }) => type === 'drain'), true);
  assert.deepEqual(fleet.send({ type: 'beat', id: 'b', rssBytes: 1 }), []);
});

test('a dead worker is reaped, cools down and comes back under a new id', () => {
  const fleet = running(2);
  assert.deepEqual(orders(fleet.die('a')), ['reap a']);
  assert.deepEqual(fleet.states(), ['cooling', 'ready']);
  assert.deepEqual(orders(fleet.wait(100, 'b')), ['fork c', 'restarted 0 crash']);
  fleet.boot('c');
  assert.deepEqual(fleet.states(), ['ready', 'ready']);
});

test('the back-off doubles from 100 ms to 15 s, with jitter below it', () => {
  const delays = (random: number): number[] => {
    const fleet = drive(2, random);
    fleet.send({ type: 'start' });
    fleet.boot('b');
    return ['a', ...'cdefghijk'].map((id) => {
      fleet.send({ type: 'exited', id, code: 1, signal: null });
      for (let ms = 100; ; ms += 100) {
        if (orders(fleet.wait(100, 'b')).some((order) => order.startsWith('fork'))) return ms;
      }
    });
  };
  assert.deepEqual(delays(1), [100, 200, 400, 800, 1600, 3200, 6400, 12800, 15000, 15000]);
  assert.deepEqual(delays(0), [100, 100, 200, 400, 800, 1600, 3200, 6400, 7500, 7500]);
});

test('30 s in service make the next death the first one again', () => {
  const fleet = running(1);
  fleet.die('a');
  fleet.wait(100);
  fleet.boot('b');
  fleet.die('b');
  assert.equal(fleet.fleet.slots[0]?.failures, 2);
  fleet.wait(200);
  fleet.boot('c');
  fleet.wait(30_000, 'c');
  fleet.die('c');
  assert.equal(fleet.fleet.slots[0]?.failures, 1);
});

test('a fleet of which nothing could start ends with 1 and the reason', () => {
  const fleet = drive(2);
  fleet.send({ type: 'start' });
  const all: string[] = [];
  for (const [one, two] of [
    ['a', 'b'],
    ['c', 'd'],
    ['e', 'f'],
  ] as const) {
    for (const id of [one, two]) {
      fleet.send({ type: 'boot-failed', id, reason: 'no engine' });
      all.push(...orders(fleet.send({ type: 'exited', id, code: 1, signal: null })));
    }
    all.push(...orders(fleet.wait(200)));
  }
  assert.equal(all.at(-1), 'exit 1 No worker could start: no engine');
  assert.equal(fleet.fleet.phase, 'stopped');
});

test('a slot that cannot start does not keep a healthy sibling from serving', () => {
  const fleet = drive(2);
  fleet.send({ type: 'start' });
  fleet.boot('b');
  assert.deepEqual(orders(fleet.die('a')), ['reap a', 'started']);
  for (const id of 'cdefgh') {
    fleet.wait(15_000, 'b');
    fleet.die(id);
  }
  assert.deepEqual(fleet.states(), ['cooling', 'ready']);
  assert.equal(fleet.fleet.phase, 'running');
});

test('a spent crash budget sets the slot aside, and it gets another attempt later', () => {
  const fleet = drive(2);
  fleet.send({ type: 'start' });
  fleet.boot('a', 'b');
  let current = 'a';
  for (let death = 0; death <= rules.crashBudget; death++) {
    fleet.die(current);
    const fork = fleet.wait(15_000, 'b').find(({ type }) => type === 'fork');
    if (fork?.type === 'fork') current = fork.id;
  }
  assert.deepEqual(fleet.states(), ['failed', 'ready']);
  assert.equal(countSlots(fleet.fleet)['failed'], 1);
  assert.deepEqual(
    orders(fleet.wait(rules.failedMs, 'b')).map((order) => order.slice(0, 4)),
    ['fork', 'rest'],
  );
});

test('when every slot of a fleet that served has failed, the primary ends with 1', () => {
  const fleet = running(1);
  let current = 'a';
  const all: string[] = [];
  for (let death = 0; death <= rules.crashBudget; death++) {
    all.push(...orders(fleet.die(current)));
    const fork = fleet.wait(15_000).find(({ type }) => type === 'fork');
    if (fork?.type === 'fork') current = fork.id;
  }
  assert.equal(
    all.some((order) => order === 'exit 1 No worker is left: worker 0 was killed by SIGSEGV'),
    true,
  );
});

test('a worker that does not become ready in 30 s is killed and started again', () => {
  const fleet = drive(1);
  fleet.send({ type: 'start' });
  assert.deepEqual(orders(fleet.wait(29_900)), []);
  assert.deepEqual(orders(fleet.wait(100)), ['kill a']);
  assert.deepEqual(fleet.states(), ['killing']);
  fleet.die('a', 'SIGKILL');
  assert.deepEqual(orders(fleet.wait(100)), ['fork b', 'restarted 0 boot']);
});

test('a worker that says it failed but stays is killed soon', () => {
  const fleet = drive(1);
  fleet.send({ type: 'start' });
  fleet.send({ type: 'boot-failed', id: 'a', reason: 'no engine' });
  assert.deepEqual(orders(fleet.wait(rules.graceMs)), ['kill a']);
  fleet.die('a', 'SIGKILL');
  assert.equal(fleet.fleet.slots[0]?.lastFault, 'no engine');
});

test('a worker without a heartbeat for 10 s is killed and replaced', () => {
  const fleet = running(2);
  assert.deepEqual(orders(fleet.wait(9_900, 'b')), []);
  assert.deepEqual(orders(fleet.wait(100, 'b')), ['kill a']);
  assert.deepEqual(membersOf(fleet.fleet), [{ slot: 1, id: 'b', state: 'ready' }]);
  fleet.die('a', 'SIGKILL');
  assert.deepEqual(orders(fleet.wait(100, 'b')), ['fork c', 'restarted 0 hang']);
});

test('a primary that stood still does not blame its workers', () => {
  const fleet = running(1);
  fleet.wait(100, 'a');
  assert.deepEqual(orders(fleet.freeze(60_000)), []);
  assert.deepEqual(orders(fleet.wait(10_000)), ['kill a']);
});

test('a stop drains the ready, kills the unready, and ends with 0 when all are gone', () => {
  const fleet = drive(2);
  fleet.send({ type: 'start' });
  fleet.boot('a');
  assert.deepEqual(orders(fleet.send({ type: 'stop' })), ['drain a', 'kill b']);
  assert.deepEqual(orders(fleet.die('b', 'SIGKILL')), ['reap b']);
  assert.deepEqual(orders(fleet.leave('a')), ['reap a', 'exit 0']);
});

test('a stop while nothing runs ends at once', () => {
  const fleet = running(1);
  fleet.die('a');
  assert.deepEqual(orders(fleet.send({ type: 'stop' })), ['exit 0']);
  assert.deepEqual(orders(fleet.wait(1_000)), []);
});

test('a second stop kills what is left; the echo of the first one does not', () => {
  const fleet = running(2);
  fleet.send({ type: 'stop' });
  assert.deepEqual(orders(fleet.send({ type: 'stop' })), []);
  fleet.wait(100, 'a', 'b');
  fleet.leave('a');
  assert.deepEqual(orders(fleet.send({ type: 'stop' })), ['kill b']);
  assert.deepEqual(orders(fleet.die('b', 'SIGKILL')), ['reap b', 'exit 0']);
});

test('a worker that does not leave at the deadline and its grace is killed', () => {
  const fleet = running(1);
  fleet.send({ type: 'stop' });
  assert.deepEqual(orders(fleet.wait(14_900, 'a')), []);
  assert.deepEqual(orders(fleet.wait(100, 'a')), ['kill a']);
  assert.deepEqual(orders(fleet.die('a', 'SIGKILL')), ['reap a', 'exit 0']);
});

test('rolling takes one slot at a time: replacement, ready, drain, gone, next', () => {
  const fleet = running(2);
  assert.deepEqual(orders(fleet.send({ type: 'roll' })), ['fork c', 'restarted 0 roll']);
  assert.equal(fleet.fleet.phase, 'rolling');
  assert.deepEqual(fleet.processes(), [['a ready', 'c booting'], ['b ready']]);
  assert.deepEqual(orders(fleet.boot('c')), ['drain a rolling']);
  assert.deepEqual(orders(fleet.leave('a')), ['fork d', 'reap a', 'restarted 1 roll']);
  assert.deepEqual(orders(fleet.boot('d')), ['drain b rolling']);
  assert.deepEqual(orders(fleet.leave('b')), ['reap b']);
  assert.equal(fleet.fleet.phase, 'running');
  assert.deepEqual(fleet.processes(), [['c ready'], ['d ready']]);
});

test('a replacement that fails leaves the old worker serving and ends the roll', () => {
  const fleet = running(2);
  fleet.send({ type: 'roll' });
  fleet.send({ type: 'boot-failed', id: 'c', reason: 'broken build' });
  const actions = fleet.send({ type: 'exited', id: 'c', code: 1, signal: null });
  assert.deepEqual(orders(actions), ['reap c']);
  assert.equal(
    actions.some((action) => action.type === 'log' && action.fields['fault'] === 'broken build'),
    true,
  );
  assert.equal(fleet.fleet.phase, 'running');
  assert.deepEqual(fleet.processes(), [['a ready'], ['b ready']]);
  assert.deepEqual(orders(fleet.wait(5_000, 'a', 'b')), []);
});

test('an old worker that dies while its replacement boots is replaced by it', () => {
  const fleet = running(1);
  fleet.send({ type: 'roll' });
  assert.deepEqual(orders(fleet.die('a')), ['reap a']);
  assert.deepEqual(orders(fleet.wait(1_000)), []);
  assert.deepEqual(orders(fleet.boot('b')), []);
  assert.equal(fleet.fleet.phase, 'running');
  assert.deepEqual(fleet.processes(), [['b ready']]);
});

test('an old worker that dies while draining in a roll is not counted as a crash', () => {
  const fleet = running(1);
  fleet.send({ type: 'roll' });
  fleet.boot('b');
  assert.deepEqual(orders(fleet.die('a')), ['reap a']);
  assert.deepEqual(orders(fleet.wait(1_000, 'b')), []);
  assert.equal(fleet.fleet.slots[0]?.failures, 0);
});

test('a stop in the middle of a roll drops the replacement and shortens the drain', () => {
  const fleet = running(2);
  fleet.send({ type: 'roll' });
  fleet.boot('c');
  fleet.leave('a');
  assert.deepEqual(orders(fleet.send({ type: 'stop' })), ['drain c', 'drain b', 'kill d']);
  fleet.die('d', 'SIGKILL');
  fleet.leave('b');
  assert.deepEqual(orders(fleet.leave('c')), ['reap c', 'exit 0']);
});

test('a roll asked for during a roll begins again with every slot', () => {
  const fleet = running(2);
  fleet.send({ type: 'roll' });
  fleet.send({ type: 'roll' });
  fleet.boot('c');
  assert.deepEqual(orders(fleet.leave('a')), ['fork d', 'reap a', 'restarted 0 roll']);
});

test('a roll gives a failed slot its next attempt at once', () => {
  const fleet = running(2);
  let current = 'a';
  for (let death = 0; death <= rules.crashBudget; death++) {
    fleet.die(current);
    const fork = fleet.wait(15_000, 'b').find(({ type }) => type === 'fork');
    if (fork?.type === 'fork') current = fork.id;
  }
  assert.deepEqual(fleet.states(), ['failed', 'ready']);
  fleet.send({ type: 'roll' });
  assert.deepEqual(fleet.states(), ['booting', 'ready']);
});

test('a worker above its memory is rolled, not killed, not while it is young, and not again at once', () => {
  const fleet = running(2);
  assert.deepEqual(orders(fleet.send({ type: 'beat', id: 'a', rssBytes: LARGE })), []);
  fleet.wait(5_000, 'a', 'b');
  assert.deepEqual(orders(fleet.send({ type: 'beat', id: 'a', rssBytes: LARGE })), [
    'fork c',
    'restarted 0 memory',
  ]);
  assert.deepEqual(orders(fleet.send({ type: 'beat', id: 'a', rssBytes: LARGE })), []);
  assert.deepEqual(orders(fleet.boot('c')), ['drain a rolling']);
  assert.deepEqual(orders(fleet.leave('a')), ['reap a']);
  assert.deepEqual(fleet.processes(), [['c ready'], ['b ready']]);
  fleet.wait(20_000, 'b', 'c');
  assert.deepEqual(orders(fleet.send({ type: 'beat', id: 'c', rssBytes: LARGE })), []);
  fleet.wait(10_000, 'b', 'c');
  const again = orders(fleet.send({ type: 'beat', id: 'c', rssBytes: LARGE }));
  assert.deepEqual(again, ['fork d', 'restarted 0 memory']);
});

test('events of processes that nobody knows any more are ignored', () => {
  const fleet = running(1);
  fleet.die('a');
  assert.deepEqual(fleet.boot('a'), []);
  assert.deepEqual(orders(fleet.leave('a')), []);
});
