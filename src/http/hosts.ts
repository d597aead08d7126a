/** The `Host` header: which names this bridge answers to. What stops DNS rebinding. */
import { BridgeError } from '../errors.ts';
import type { HeaderList } from './header-list.ts';

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)\.?(?::\d{1,5})?$/;

/** The longest name of DNS, a final dot and a port. Longer ones would cost the patterns below a second of thought. */
const MAX_HOST_CHARS = 260;

/** The name in a Host header or a list entry: lower case, without port, brackets and final dot; undefined when it is none. */
export function hostName(value: string): string | undefined {
  if (value.length > MAX_HOST_CHARS) return undefined;
  const lower = value.trim().toLowerCase();
  if (/^[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*$/.test(lower)) return lower;
  const name = HOST.exec(lower)?.[1];
  return name?.startsWith('[') ? name.slice(1, -1) : name;
}

export interface HostCheck {
  /** Throws `host_not_allowed`; `invalid_request` when there is no usable Host. */
  check(headers: HeaderList): void;
  /** A name that turned out to be ours, such as a tunnel's. */
  allow(host: string): void;
}

/** `allowed` left out: any host, as long as it is one. */
export function createHostCheck(allowed: readonly string[] | undefined): HostCheck {
  const names = allowed && new Set(allowed.map((host) => hostName(host) ?? host.toLowerCase()));
  // Host headers as sent that have passed, so that the usual one costs one lookup.
  const passed = new Set<string>();
  // The last of them: to compare costs less than to hash.
  let last: string | undefined;
  return {
    check(headers) {
      const { host } = headers;
      if (host !== undefined && (host === last || passed.has(host))) {
        last = host;
        return;
      }
      const name = host === undefined ? undefined : hostName(host);
      if (host === undefined || name === undefined) {
        throw new BridgeError('invalid_request', 'The request needs a Host header that names a host.');
      }
      if (names !== undefined && !names.has(name)) {
        throw new BridgeError(
          'host_not_allowed',
          `The host "${name}" is not one that this bridge answers to (ALLOWED_HOSTS).`,
        );
      }
      if (passed.size < 64) passed.add(host);
    },
    allow(host) {
      names?.add(hostName(host) ?? host.toLowerCase());
    },
  };
}
