import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { selectEngine } from '../http/select-engine.ts';
import { claimPort } from './port-claim.ts';

const host = '127.0.0.1';
const nobody = (): undefined => undefined;

async function occupy(t: TestContext): Promise<number> {
  const server = createServer().listen(0, host);
  t.after(() => server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('port 0 becomes a free one, and that is free again for the workers', async () => {
  const port = await claimPort({ host, port: 0, holder: nobody });
  assert.equal(await claimPort({ host, port, holder: nobody }), port);
});

test('a taken port is refused, with the pid of the bridge that has it', async (t) => {
  const port = await occupy(t);
  await assert.rejects(claimPort({ host, port, holder: nobody }), {
    exitCode: 1,
    message: `${host}:${port} is taken: another program listens there. Stop it, or choose another PORT.`,
  });
  await assert.rejects(
    claimPort({ host, port, holder: () => ({ pid: 42 }) }),
    /another bridge runs there \(pid 42\)/,
  );
});

test('listeners that share their port by SO_REUSEPORT do not let a second bridge in', async (t) => {
  const engine = await selectEngine('auto', () => undefined);
  const port = await claimPort({ host, port: 0, holder: nobody });
  const listener = await engine.listen({ host, port }, () => undefined);
  t.after(() => listener.close());
  await assert.rejects(claimPort({ host, port, holder: nobody }), /is taken/);
});

test('the port of a killed bridge is waited for while its workers leave', async () => {
  const leaving = createServer().listen(0, host);
  await once(leaving, 'listening');
  const { port } = leaving.address() as AddressInfo;
  const holder = (): 'dead' => {
    leaving.close();
    return 'dead';
  };
  assert.equal(await claimPort({ host, port, holder }), port);
});

test('an address of another machine is a fault of the configuration', async () => {
  await assert.rejects(claimPort({ host: '192.0.2.1', port: 0, holder: nobody }), {
    exitCode: 78,
    message: /^environment HOST: found "192\.0\.2\.1", which is no address of this machine; allowed: /,
  });
});
