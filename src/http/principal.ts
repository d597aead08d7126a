/** Who asks, and what he may. Carried to other workers as JSON, over sockets that only our own processes reach. */
import type { ToolFilter } from '../config/settings.ts';

export interface Principal {
  /** `access-token`, `token:NAME` or `jwt:ISSUER|SUBJECT`: survives rotation and refresh of the token. */
  readonly key: string;
  /** Left out: all servers. */
  readonly servers?: ReadonlySet<string>;
  readonly tools: ToolFilter;
  /** Whether /bridge is his. */
  readonly bridge: boolean;
  /** Its JSON. */
  readonly wire: string;
}

interface Scope {
  readonly servers?: readonly string[];
  readonly tools: ToolFilter;
  readonly bridge: boolean;
}

const MAX_CACHED_PRINCIPALS = 1024;

export function createPrincipal(key: string, { servers, tools, bridge }: Scope): Principal {
  const wire = JSON.stringify({ key, servers, tools, bridge });
  return { key, ...(servers && { servers: new Set(servers) }), tools, bridge, wire };
}

/** The principal that another worker's gate has let in. `cache` belongs to the caller and stays small. */
export function principalFromWire(wire: string, cache: Map<string, Principal>): Principal {
  const known = cache.get(wire);
  if (known !== undefined) return known;
  const { key, ...scope } = JSON.parse(wire) as Scope & { key: string };
  const principal = createPrincipal(key, scope);
  if (cache.size >= MAX_CACHED_PRINCIPALS) forgetOldest(cache);
  cache.set(wire, principal);
  return principal;
}

/** Takes out the entry that was put in first. */
export function forgetOldest(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
