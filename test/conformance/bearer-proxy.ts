/**
 * Adds the bearer token to every request: the suite has no option for one, and the bridge serves nothing without.
 * Everything else passes as it came, `Host` and `Origin` included, which the suite forges in one scenario.
 */
import { once } from 'node:events';
import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface BearerProxy {
  /** Of the proxy, as `http://127.0.0.1:PORT`. */
  readonly origin: string;
  close(): void;
}

export async function openBearerProxy(port: number, token: string): Promise<BearerProxy> {
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url = '/', rawHeaders } = incoming;
    const headers = [...rawHeaders, 'Authorization', `Bearer ${token}`];
    const onward = send({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      outgoing.flushHeaders();
      answer.on('error', () => outgoing.destroy()).pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: ownPort } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${ownPort}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
