import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ngrok, openTunnel } from './tunnel.ts';

const ignored = { lost: () => undefined, found: () => undefined };
const unused = (): Promise<Ngrok> => Promise.reject(new Error('must not be loaded'));

test('without a token nothing is loaded and the sentence names the variable', async () => {
  await assert.rejects(
    openTunnel({ ...ignored, port: 3000, authToken: undefined, load: unused }),
    /NGROK_AUTH_TOKEN is not set/,
  );
});

test('a package that is not there is named', async () => {
  await assert.rejects(
    openTunnel({ ...ignored, port: 3000, authToken: 'x', load: unused }),
    /@ngrok\/ngrok does not load here: must not/,
  );
});

test('the tunnel leads to the port, with the token, tells when it is lost and back, and is closed', async () => {
  const calls: unknown[] = [];
  let change: (status: string) => void = () => undefined;
  const ngrok: Ngrok = {
    forward({ onStatusChange, ...config }) {
      calls.push(config);
      change = onStatusChange;
      change('connected');
      return Promise.resolve({
        url: () => 'https://a.example',
        close: async () => {
          change('closed');
          calls.push('closed');
        },
      });
    },
  };
  const tunnel = await openTunnel({
    port: 4321,
    authToken: 'secret',
    lost: () => calls.push('lost'),
    found: () => calls.push('found'),
    load: async () => ngrok,
  });
  assert.equal(tunnel.url, 'https://a.example');
  change('closed');
  change('closed');
  change('connected');
  await tunnel.close();
  assert.deepEqual(calls, [{ addr: 4321, authtoken: 'secret' }, 'lost', 'found', 'closed']);
});

test('what ngrok refuses is told in its words', async () => {
  const ngrok: Ngrok = { forward: () => Promise.reject(new Error('authentication failed')) };
  await assert.rejects(
    openTunnel({ ...ignored, port: 1, authToken: 'x', load: async () => ngrok }),
    /^Error: No tunnel: authentication failed\.$/,
  );
});
