import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Deadlines, Expirable, now, within } from './deadline.ts';

/** The module's own timers let a process end; a test has to stay for them. */
function awake(t: TestContext): void {
  const timer = setInterval(() => undefined, 60_000);
  t.after(() => clearInterval(timer));
}

function create(t: TestContext) {
  awake(t);
  const deadlines = new Deadlines(2);
  t.after(() => deadlines.close());
  const expired: string[] = [];
  class Entry extends Expirable {
    readonly name: string;
    readonly over: Promise<void>;
    #resolve: () => void = () => undefined;

    constructor(name: string) {
      super();
      this.name = name;
      this.over = new Promise((resolve) => {
        this.#resolve = resolve;
      });
    }

    override expire(): void {
      expired.push(this.name);
      this.#resolve();
    }
  }
  return { deadlines, expired, entry: (name: string) => new Entry(name) };
}

test('entries of one length expire in the order in which they were set, each once and none too early', async (t) => {
  const { deadlines, expired, entry } = create(t);
  const entries = ['a', 'b', 'c'].map(entry);
  const startedAt = now();
  for (const each of entries) deadlines.set(each, 20);
  await entries[2]?.over;
  assert.ok(now() >= startedAt + 20);
  assert.deepEqual(expired, ['a', 'b', 'c']);
});

test('a cancelled entry never expires, and may be cancelled again', async (t) => {
  const { deadlines, expired, entry } = create(t);
  const [first, middle, last] = [entry('first'), entry('middle'), entry('last')];
  for (const each of [first, middle, last]) deadlines.set(each, 10);
  deadlines.cancel(middle);
  deadlines.cancel(middle);
  deadlines.cancel(entry('never set'));
  await last.over;
  assert.deepEqual(expired, ['first', 'last']);
});

test('setting an entry again gives it its whole time again, and leaves one place', async (t) => {
  const { deadlines, expired, entry } = create(t);
  const [again, other] = [entry('again'), entry('other')];
  deadlines.set(again, 20);
  deadlines.set(other, 20);
  deadlines.set(again, 20);
  await again.over;
  assert.deepEqual(expired, ['other', 'again']);
});

test('a shorter length does not wait for a longer one, and an entry may change its length', async (t) => {
  const { deadlines, expired, entry } = create(t);
  const [long, short, moved] = [entry('long'), entry('short'), entry('moved')];
  deadlines.set(long, 60_000);
  deadlines.set(moved, 60_000);
  deadlines.set(short, 5);
  deadlines.set(moved, 10);
  await Promise.all([short.over, moved.over]);
  assert.deepEqual(expired, ['short', 'moved']);
});

test('what expires may set and cancel others meanwhile', async (t) => {
  const { deadlines, expired, entry } = create(t);
  const [victim, next] = [entry('victim'), entry('next')];
  class Killer extends Expirable {
    override expire(): void {
      deadlines.cancel(victim);
      deadlines.set(next, 5);
    }
  }
  deadlines.set(new Killer(), 10);
  deadlines.set(victim, 10);
  await next.over;
  assert.deepEqual(expired, ['next']);
});

test('a wait settles as its promise does, or fails when it is late', async () => {
  assert.equal(await within(Promise.resolve(1), 60_000, () => new Error('late')), 1);
  await assert.rejects(
    within(Promise.reject(new Error('own')), 60_000, () => new Error('late')),
    /own/,
  );
  await assert.rejects(
    within(new Promise(() => undefined), 1, () => new Error('late')),
    /late/,
  );
});
