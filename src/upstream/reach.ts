/**
 * Where connections to a remote server may lead. A caller of POST /bridge names a URL, and whoever owns its name
 * decides which address that is: without a check the bridge would fetch from its own machine, its network or the
 * cloud's metadata service on a stranger's behalf (SSRF). Each name is resolved here, all its addresses are checked, and
 * the connection goes to one of those that were checked; a redirect passes the same way again.
 *
 * Hosts in decimal, octal or hex are addresses to the URL parser already; IPv4 inside IPv6 is taken for what it is.
 */
import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { RemoteServer } from '../config/settings.ts';
import { canonicalAddress } from '../http/client-address.ts';

export interface Reach {
  /** Throws for a URL of another origin, or of an address that is out of reach. */
  check(url: URL): void;
  /** Resolves a name to addresses that are within reach; an error when one of them is not. */
  readonly lookup: LookupFunction;
}

/** RFC 6890 and what became of it: everything in IPv4 that is not an address of the Internet. */
const NOT_PUBLIC = blockList([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  // In IPv6 the Internet is 2000::/3 without these: Teredo and its kin, documentation, and 6to4, which holds IPv4.
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
]);
const INTERNET_6 = blockList(['2000::/3']);
/** No name of a server leads there in earnest: link-local (with the metadata services of clouds), nothing, everybody. */
const NEVER_BY_NAME = blockList([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  'fe80::/10',
  'ff00::/8',
  'fd00:ec2::254/128',
  '::/128',
]);

/** `resolve`: the system's resolver when left out. */
export function createReach(
  { url, reach }: Pick<RemoteServer, 'url' | 'reach'>,
  resolve: LookupFunction = systemLookup as LookupFunction,
): Reach {
  const { origin, host, hostname } = new URL(url);
  const port = host.slice(hostname.length);
  // An origin that is listed by name vouches for the name, not for what it may resolve to.
  const listed = new Set((reach ?? []).map((each) => new URL(each).host));
  const isListed = (name: string): boolean => listed.has(`${name}${port}`);
  const isWithin = (address: string): boolean => {
    const canonical = canonicalAddress(address);
    if (canonical === undefined) return false;
    if (reach === undefined) return !contains(NEVER_BY_NAME, canonical);
    return isPublic(canonical) || isListed(isIP(canonical) === 6 ? `[${canonical}]` : canonical);
  };

  return {
    check(target) {
      if (target.origin !== origin) throw new Error(`it leads to another origin, ${target.origin}`);
      // One that the file names, the operator has named.
      if (reach === undefined || isListed(hostname)) return;
      const address = hostname.replace(/^\[|\]$/g, '');
      if (isIP(address) !== 0 && !isWithin(address)) throw outOfReach(hostname);
    },

    lookup(name, options, callback) {
      resolve(name, { ...options, all: true }, (error, found) => {
        if (error !== null) {
          callback(error, [], 0);
          return;
        }
        const addresses = typeof found === 'string' ? [{ address: found, family: isIP(found) }] : found;
        const isLoopbackName = /(^|\.)localhost\.?$/i.test(name) && isListed(hostname);
        const [first] = addresses;
        if (first === undefined || !(isLoopbackName || addresses.every(({ address }) => isWithin(address)))) {
          callback(outOfReach(name), [], 0);
        } else if (options.all) callback(null, addresses);
        else callback(null, first.address, first.family);
      });
    },
  };
}

function outOfReach(host: string): Error {
  return new Error(
    `"${host}" is no address of the Internet; others are reached only if bridge.urls or a configured server names them`,
  );
}

/** `address` in its canonical spelling. */
function isPublic(address: string): boolean {
  if (contains(NOT_PUBLIC, address)) return false;
  return isIP(address) === 4 || contains(INTERNET_6, address);
}

const contains = (list: BlockList, address: string): boolean =>
  list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}
