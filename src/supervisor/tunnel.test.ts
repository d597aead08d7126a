import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ngrok, openTunnel } from './tunnel.ts';

const unused = (): Promise<Ngrok> => Promise.reject(new Error('must not be loaded'));

test('without a token nothing is loaded and the sentence names the variable', async () => {
  await assert.rejects(
    openTunnel({ port: 3000, authToken: undefined, load: unused }),
    /NGROK_AUTH_TOKEN is not set/,
  );
});

test('a package that is not there is named', async () => {
  await assert.rejects(
    openTunnel({ port: 3000, authToken: 'x', load: unused }),
    /@ngrok\/ngrok does not load here: must not/,
  );
});

test('the tunnel leads to the port, with the token, and is closed', async () => {
  const calls: unknown[] = [];
  const ngrok: Ngrok = {
    forward(config) {
      calls.push(config);
      return Promise.resolve({
        url: () => 'https://a.example',
        close: async () => void calls.push('closed'),
      });
    },
  };
  const tunnel = await openTunnel({ port: 4321, authToken: 'secret', load: async () => ngrok });
  assert.equal(tunnel.url, 'https://a.example');
  await tunnel.close();
  assert.deepEqual(calls, [{ addr: 4321, authtoken: 'secret' }, 'closed']);
});

test('what ngrok refuses is told in its words', async () => {
  const ngrok: Ngrok = { forward: () => Promise.reject(new Error('authentication failed')) };
  await assert.rejects(
    openTunnel({ port: 1, authToken: 'x', load: async () => ngrok }),
    /^Error: No tunnel: authentication failed\.$/,
  );
});
