import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stdioServer } from '../test/harness/definitions.ts';
import type { Loaded, Refused } from './config/load.ts';
import type { ServerDefinition, Settings } from './config/settings.ts';
import { Reloader } from './reloader.ts';

const server = (name: string, command = 'node'): ServerDefinition => stdioServer({ name, command });

const settings = (servers: ServerDefinition[], more: Partial<Settings> = {}) =>
  ({
    port: 3000,
    requestTimeoutMs: 1,
    accessTokens: ['t'],
    tokens: [],
    bridge: {},
    servers,
    ...more,
  }) as unknown as Settings;

const loaded = (of: Settings, notes: string[] = []): Loaded => ({ settings: of, notes });

/** A reloader whose file, workers and log are the test's; `next` resolves with the next thing that happens. */
function startReloader(running: Settings, retryMs?: number) {
  let source: Loaded | Refused = loaded(running);
  let broken = new Set<string>();
  const happened: string[] = [];
  const waiting: ((what: string) => void)[] = [];
  const note = (what: string): void => {
    const waiter = waiting.shift();
    if (waiter === undefined) happened.push(what);
    else waiter(what);
  };
  const next = (): Promise<string> => {
    const what = happened.shift();
    return what === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(what);
  };
  const log = (level: string) => (first: unknown, second?: string) => {
    const { server: name, fault } = (typeof first === 'object' ? first : {}) as Record<string, string>;
    note([level, name, fault, second ?? first].filter((part) => part !== undefined).join(' '));
  };
  const adopted: Settings[] = [];
  const reloader = new Reloader({
    settings: running,
    notes: ['known note'],
    read: () => source,
    tryServers: async (servers) => {
      note(`try ${servers.map(({ name }) => name).join(',')}`);
      return servers
        .filter(({ name }) => broken.has(name))
        .map(({ name }) => ({ server: name, reason: 'no' }));
    },
    adopt: async (fresh) => {
      adopted.push(fresh);
      note(
        `adopt ${fresh.servers.map((each) => `${each.name}:${(each as { command?: string }).command}`).join(',')}`,
      );
    },
    logger: { info: log('info'), warn: log('warn'), error: log('error') } as never,
    ...(retryMs !== undefined && { retryMs }),
  });
  return {
    reloader,
    next,
    adopted,
    write: (to: Loaded | Refused): void => {
      source = to;
    },
    break: (...names: string[]): void => {
      broken = new Set(names);
    },
  };
}

test('a configuration that lets nobody in changes nothing: the token that a start would make is known to nobody', async () => {
  const { reloader, next, write, adopted } = startReloader(settings([server('a')]));
  const made = settings([server('b')], { accessTokens: ['made'] });
  write({ ...loaded(made), generatedToken: 'made' });
  reloader.request('test');
  assert.match(await next(), /^error environment ACCESS_TOKEN: found nothing; .*: what runs goes on$/);
  assert.deepEqual(adopted, []);

  const { reloader: open, next: heard, write: rewrite } = startReloader(made);
  rewrite({ ...loaded(settings([], { accessTokens: ['made'] })), generatedToken: 'made' });
  open.request('test');
  assert.equal(await heard(), 'try ');
});

test('faults are all told, and nothing is tried or adopted', async () => {
  const { reloader, next, write, adopted } = startReloader(settings([server('a')]));
  const fault = (line: number) => ({
    file: 'f.yaml',
    line,
    column: 2,
    key: 'k',
    found: 'found x',
    allowed: 'y',
  });
  write({ faults: [fault(1), fault(2)] });
  reloader.request('test');
  assert.match(await next(), /^error f\.yaml:1:2 k: found x; y configuration not reloaded/);
  assert.match(await next(), /^error f\.yaml:2:2 /);
  assert.deepEqual(adopted, []);
});

test('only servers that are new or changed are tried; a refused one stays as it was', async () => {
  const { reloader, next, write, ...rest } = startReloader(
    settings([server('same'), server('bad'), server('good')]),
  );
  rest.break('bad', 'new');
  write(loaded(settings([server('same'), server('bad', 'b'), server('good', 'b'), server('new')])));
  reloader.request('test');
  assert.equal(await next(), 'try bad,good,new');
  assert.equal(
    await next(),
    'error bad a server does not start as it is defined now: its old definition stays',
  );
  assert.equal(await next(), 'error new a server does not start as it is defined now: it is left out');
  assert.equal(await next(), 'adopt same:node,bad:node,good:b');
  assert.equal(await next(), 'info configuration reloaded');
  reloader.close();
});

test('a refused server is tried again by itself, and adopted when it starts', async (t) => {
  const { reloader, next, write, ...rest } = startReloader(settings([server('a')]), 1);
  const alive = setInterval(() => undefined, 1_000);
  t.after(() => clearInterval(alive));
  rest.break('a');
  write(loaded(settings([server('a', 'b')])));
  reloader.request('test');
  assert.equal(await next(), 'try a');
  assert.match(await next(), /^error a /);
  assert.match(await next(), /nothing to apply/);
  rest.break();
  assert.equal(await next(), 'try a');
  assert.equal(await next(), 'adopt a:b');
  reloader.close();
});

test('requests during a reload become one more, which reads what is there by then', async () => {
  const { reloader, next, write } = startReloader(settings([server('a')]));
  write(loaded(settings([server('a', 'b')])));
  reloader.request('first');
  reloader.request('second');
  reloader.request('third');
  write(loaded(settings([server('a', 'c')])));
  const seen = [];
  for (let i = 0; i < 6; i++) seen.push(await next());
  assert.deepEqual(seen, [
    'try a',
    'adopt a:b',
    'info configuration reloaded',
    'try a',
    'adopt a:c',
    'info configuration reloaded',
  ]);
});

test('notes, and variables that wait for a new start, are told once', async () => {
  const { reloader, next, write } = startReloader(settings([server('a')]));
  write(loaded(settings([server('a')], { port: 4000 }), ['known note', 'new note']));
  reloader.request('test');
  assert.equal(await next(), 'warn new note');
  assert.equal(await next(), 'warn These take effect when the bridge is started anew: PORT.');
  assert.equal(await next(), 'try ');
  assert.match(await next(), /nothing to apply/);
  await new Promise(setImmediate);
  reloader.request('test');
  assert.equal(await next(), 'try ');
});

test('a closed reloader does nothing', async () => {
  const { reloader, write, adopted } = startReloader(settings([server('a')]));
  write(loaded(settings([server('a', 'b')])));
  reloader.request('test');
  reloader.close();
  reloader.request('test');
  await new Promise(setImmediate);
  assert.deepEqual(adopted, []);
});
