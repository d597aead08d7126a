import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Settings } from '../config/settings.ts';
import { banner, urlOf } from './banner.ts';

const workers = [{ slot: 0, pid: 7, engine: 'uws' }];
const show = (settings: Partial<Settings>, generatedToken?: string, tokenFile?: string): string =>
  banner({
    settings: { host: '127.0.0.1', workers: 1, servers: [], accessTokens: [], ...settings } as Settings,
    port: 3000,
    workers,
    generatedToken,
    tokenFile,
  });
const servers = (...names: string[]) =>
  names.map((name) => ({ name, disabled: false })) as unknown as Settings['servers'];

test('the generated token stands in a curl that works as printed', () => {
  const text = show({ servers: servers('everything') }, 'abc');
  assert.equal(
    text.includes(
      `curl -s http://127.0.0.1:3000/bridge -H 'Authorization: Bearer abc' -H 'Content-Type: application/json' -d '{"serverPath":"everything","method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"}}}'\n`,
    ),
    true,
  );
});

test('a generated token that is in a file is not shown, and the curl reads it there', () => {
  const text = show({ servers: servers('a') }, 'abc-def', "/tmp/o'clock/access-token");
  assert.doesNotMatch(text, /abc-def/);
  assert.match(text, /^ {2}token {4}in \/tmp\/o'clock\/access-token \(made for this run;/m);
  assert.ok(text.includes(`-H "Authorization: Bearer $(cat '/tmp/o'\\''clock/access-token')"`), text);
});

test('a configured token is never printed; the shell fills it in', () => {
  assert.match(
    show({ servers: servers('a'), accessTokens: ['s3cret'] }),
    /"Authorization: Bearer \$ACCESS_TOKEN"/,
  );
  const rotating = show({ servers: servers('a'), accessTokens: ['s3cret', 'older'] });
  assert.match(rotating, /"Authorization: Bearer \$\{ACCESS_TOKEN%%,\*\}"/);
  assert.doesNotMatch(rotating, /s3cret|older/);
  assert.match(rotating, /^ {2}token {4}ACCESS_TOKEN, as you set it \(export it/m);
  assert.match(
    show({ servers: servers('a') }),
    /^ {2}token {4}as auth .* \(export one as TOKEN .*"Authorization: Bearer \$TOKEN"/ms,
  );
});

test('the name of a server cannot leave its quotes', () => {
  assert.match(
    show({ servers: servers("o'brien") }, 'abc'),
    /-d '\{"serverPath":"o'\\''brien","method":"tools\/list"\}'/,
  );
});

test('without a server there is still something to try', () => {
  assert.match(show({}), /\ncurl -s http:\/\/127\.0\.0\.1:3000\/health\n/);
});

test('an address for all interfaces is shown as one that can be called', () => {
  assert.deepEqual(
    ['0.0.0.0', '::', '::1', 'example.com'].map((host) => urlOf(host, 80)),
    ['http://127.0.0.1:80', 'http://[::1]:80', 'http://[::1]:80', 'http://example.com:80'],
  );
});
