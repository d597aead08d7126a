import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Settings } from '../config/settings.ts';
import { BridgeError } from '../errors.ts';
import { createPrincipal } from '../http/principal.ts';
import { readBridgeCall } from '../protocol/bridge-call.ts';
import { BridgeResolutions } from './bridge-resolutions.ts';

const settingsWith = (more: object): Settings =>
  ({
    servers: [],
    requestTimeoutMs: 1,
    bridge: { allow: 'any', env: ['A'], urls: [] },
    ...more,
  }) as unknown as Settings;
const call = (more: object = {}) =>
  readBridgeCall(JSON.stringify({ serverPath: 'uvx', args: ['fetch'], method: 'ping', ...more }));
const anyone = createPrincipal('access-token', { tools: {}, bridge: true });
const narrow = createPrincipal('token:x', { servers: ['one'], tools: {}, bridge: true });

test('the same words are the same server, in the same settings and for the same principal', () => {
  const resolutions = new BridgeResolutions('/');
  const settings = settingsWith({});
  const first = resolutions.resolve(call(), anyone, settings);
  assert.equal(resolutions.resolve(call(), anyone, settings), first);
  assert.notEqual(
    resolutions.resolve(call({ args: ['fetch', 'x'] }), anyone, settings).server.name,
    first.server.name,
  );
  assert.notEqual(resolutions.resolve(call({ args: [] }), anyone, settings).server.name, first.server.name);
  assert.notEqual(
    resolutions.resolve(call({ env: { A: '1' } }), anyone, settings).server.name,
    first.server.name,
  );
  assert.throws(
    () => resolutions.resolve(call(), narrow, settings),
    BridgeError,
    'another principal is asked about',
  );
});

test('what other settings allowed is allowed no more', () => {
  const resolutions = new BridgeResolutions('/');
  resolutions.resolve(call(), anyone, settingsWith({}));
  const strict = settingsWith({ bridge: { allow: [], env: [], urls: [] } });
  assert.throws(() => resolutions.resolve(call(), anyone, strict), /neither configured nor allowed/);
  assert.throws(() => resolutions.resolve(call(), anyone, strict), /neither configured nor allowed/);
});

test('however many commands are tried, few are remembered', () => {
  const resolutions = new BridgeResolutions('/');
  const settings = settingsWith({});
  const first = resolutions.resolve(call(), anyone, settings);
  for (let n = 0; n < 300; n++) resolutions.resolve(call({ args: [`${n}`] }), anyone, settings);
  assert.notEqual(resolutions.resolve(call(), anyone, settings), first);
});
