/**
 * A TCP proxy in front of a bridge whose connections can be cut, as networks do.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface CuttingProxy {
  readonly url: string;
  /** Cuts every connection; new ones are let through. */
  cut(): void;
}

export async function cuttingProxy(t: TestContext, port: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  const hold = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
  };
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const proxy = { url: '', cut };
  const server = createServer((socket) => {
    hold(socket);
    const behind = connect(port, '127.0.0.1');
    hold(behind);
    socket.pipe(behind).pipe(socket);
    socket.on('close', () => behind.destroy());
    behind.on('close', () => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(() => {
    proxy.cut();
    server.close();
  });
  return proxy;
}
