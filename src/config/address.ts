/** Names and addresses as configuration has them: hosts, origins, CIDRs. Each parser answers undefined for bad text. */
import { isIP, isIPv4, isIPv6 } from 'node:net';

const hostName = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/;

/** An address (IPv6 with or without brackets) or a host name: bare, in lower case. */
export function parseHost(text: string): string | undefined {
  const host = text.toLowerCase();
  const bracketed = /^\[(.*)\]$/.exec(host)?.[1];
  if (bracketed !== undefined) return isIPv6(bracketed) ? bracketed : undefined;
  if (isIP(host) !== 0) return host;
  return hostName.test(host) ? host : undefined;
}

/** The forms that a `Host` header may have for one listed name; a port is left off, since the header's is too. */
export function parseHostHeader(text: string): readonly string[] | undefined {
  const host = parseHost(isIPv6(text) ? text : text.replace(/:\d{1,5}$/, ''));
  if (host === undefined) return undefined;
  return isIPv6(host) ? [`[${host}]`, host] : [host];
}

const loopbackHosts: readonly string[] = ['localhost', '127.0.0.1', '[::1]', '::1'];

/** What clients call the loopback interface; with `host`, since that may be another address of it (127.0.0.2). */
export function loopbackHostsWith(host: string): readonly string[] {
  return [...new Set([...loopbackHosts, host])];
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** `https://app.example.com`, as a browser sends it: no path, no default port, lower case. */
export function parseOrigin(text: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s*]+\/?$/i.test(text) || !URL.canParse(text)) return undefined;
  const { origin, protocol, host } = new URL(text);
  // Extensions and editors have schemes whose origin the URL standard calls opaque; browsers send scheme and host.
  return origin === 'null' ? `${protocol}//${host}`.toLowerCase() : origin;
}

/** `10.0.0.0/8`; a bare address stands for itself alone. Whatever this answers, `net.BlockList` takes. */
export function parseCidr(text: string): string | undefined {
  const [address = '', prefix, ...more] = text.split('/');
  // BlockList drops a zone (fe80::1%eth0) without a word: the prefix would be trusted on every interface.
  const version = address.includes('%') ? 0 : isIP(address);
  if (version === 0 || more.length > 0 || (prefix !== undefined && !/^\d{1,3}$/.test(prefix)))
    return undefined;
  const widest = version === 4 ? 32 : 128;
  const bits = prefix === undefined ? widest : Number(prefix);
  if (bits > widest) return undefined;
  return `${address}/${bits}`;
}
