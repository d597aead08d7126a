/** The address a request comes from, seen past the proxies that are trusted to say so (TRUST_PROXY). */
import { BlockList, isIP, SocketAddress } from 'node:net';
import type { RawRequest } from './engine.ts';
import type { HeaderList } from './header-list.ts';

/**
 * The peer, or where the peer is a trusted proxy, the rightmost address of X-Forwarded-For that is not: what stands
 * left of it was written by whoever wanted to. Canonical text; IPv4-mapped IPv6 as IPv4.
 */
export function createClientAddress(
  trustProxy: boolean | readonly string[],
): (request: RawRequest) => string {
  if (trustProxy === false) return (request) => canonicalAddress(request.peerAddress) ?? request.peerAddress;
  const trusts = trustProxy === true ? () => true : blockListOf(trustProxy);
  return (request) => {
    let address = canonicalAddress(request.peerAddress) ?? request.peerAddress;
    const forwarded = forwardedFor(request.headers);
    for (let i = forwarded.length - 1; i >= 0 && trusts(address); i--) {
      const next = canonicalAddress(forwarded[i] as string);
      if (next === undefined) break;
      address = next;
    }
    return address;
  };
}

/** Whether the peer itself is trusted to speak for others, by forwarded headers of any kind. */
export function createPeerTrust(trustProxy: boolean | readonly string[]): (request: RawRequest) => boolean {
  if (typeof trustProxy === 'boolean') return () => trustProxy;
  const trusts = blockListOf(trustProxy);
  return (request) => trusts(canonicalAddress(request.peerAddress) ?? '');
}

/** An address with or without port, brackets and zone, in one spelling; undefined when it is none. */
export function canonicalAddress(text: string): string | undefined {
  const bare = text.trim().replace(/%[^\]]*/, '');
  if (isIP(bare) === 4) return bare;
  const address =
    isIP(bare) === 6 ? bare : /^\[(.+)\](?::\d+)?$|^([\d.]+):\d+$/.exec(bare)?.slice(1).join('');
  if (address === undefined || isIP(address) === 0) return undefined;
  if (isIP(address) === 4) return address;
  const canonical = new SocketAddress({ address, family: 'ipv6' }).address;
  return canonical.startsWith('::ffff:') && canonical.includes('.') ? canonical.slice(7) : canonical;
}

/** What one client has of addresses: one in IPv4, and all of a /64 in IPv6. `address` is canonical. */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':').filter((group) => group !== '');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  // IPv4 in its own spelling stands for the last two groups, and never for one of the first four.
  const zeros = tail === undefined ? 0 : 8 - groups.length - last.length;
  for (let i = 0; i < zeros; i++) groups.push('0');
  return [...groups, ...last].slice(0, 4).join(':');
}

function forwardedFor(headers: HeaderList): string[] {
  if (headers.other('x-forwarded-for') === undefined) return [];
  const addresses: string[] = [];
  for (const [name, value] of headers.entries()) {
    if (name === 'x-forwarded-for') addresses.push(...value.split(','));
  }
  return addresses;
}

function blockListOf(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}
