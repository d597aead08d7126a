/**
 * Makes sure that the port is this bridge's alone. The workers share it by SO_REUSEPORT, and with that the kernel
 * would let a second bridge join in silently: so the primary binds it once without, which fails when anybody
 * listens there, in whatever way.
 */
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { renderFault, shown } from '../config/fault.ts';
import { EXIT_CONFIG, EXIT_FAILED, StartError } from './start-error.ts';

export interface PortWish {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /**
   * Asked when the port is taken: the bridge that holds it, `dead` when that one is gone but its workers are still
   * leaving, undefined when it is somebody else.
   */
  readonly holder: () => { readonly pid: number } | 'dead' | undefined;
}

/** How long the workers of a killed bridge may take to leave. */
const LEAVING_MS = 5_000;
const LOOK_MS = 100;

/** Resolves with the port, never 0. Rejects with a StartError that names host and port. */
export async function claimPort(wish: PortWish): Promise<number> {
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    const answer = await probe(wish);
    if (typeof answer === 'number') return answer;
    const holder = answer.code === 'EADDRINUSE' ? wish.holder() : undefined;
    if (holder !== 'dead' || waitedMs >= LEAVING_MS) {
      throw refusal(wish, answer, typeof holder === 'object' ? holder.pid : undefined);
    }
    await wait(LOOK_MS);
  }
}

function probe({ host, port }: PortWish): Promise<number | NodeJS.ErrnoException> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => {
      const claimed = (server.address() as AddressInfo).port;
      server.close(() => resolve(claimed));
    });
  });
}

function refusal(
  { host, port }: PortWish,
  error: NodeJS.ErrnoException,
  pid: number | undefined,
): StartError {
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const config = (key: string, value: string | number, why: string, allowed: string): StartError => {
    const fault = { file: 'environment', key, found: `${shown(value)}, ${why}`, allowed };
    return new StartError(renderFault(fault), EXIT_CONFIG, error);
  };
  switch (error.code) {
    case 'EADDRINUSE': {
      const who =
        pid === undefined ? 'another program listens there' : `another bridge runs there (pid ${pid})`;
      return new StartError(
        `${place} is taken: ${who}. Stop it, or choose another PORT.`,
        EXIT_FAILED,
        error,
      );
    }
    case 'EACCES':
      return config(
        'PORT',
        port,
        'which this user may not open',
        'allowed: 1024 to 65535, or run with CAP_NET_BIND_SERVICE',
      );
    case 'EADDRNOTAVAIL':
      return config(
        'HOST',
        host,
        'which is no address of this machine',
        'allowed: 127.0.0.1, 0.0.0.0 or an address that `ip addr` shows',
      );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return config(
        'HOST',
        host,
        'a name that does not resolve',
        'allowed: an address of this machine or a name for one',
      );
    default:
      return new StartError(`Cannot listen on ${place}: ${error.message}.`, EXIT_FAILED, error);
  }
}
