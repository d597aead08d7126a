/**
 * RATE_LIMIT_MAX requests per RATE_LIMIT_WINDOW_MS, token and route, over all workers; requests without a valid token
 * count for their address. A key's count lives with the worker that owns the key, and is asked for over the relay.
 *
 * Headers: draft-ietf-httpapi-ratelimit-headers-10, "RateLimit-Policy" and "RateLimit".
 */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { now } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import { networkOf } from '../http/client-address.ts';
import type { RawRequest } from '../http/engine.ts';
import type { Gate } from '../http/gate.ts';
import type { Principal } from '../http/principal.ts';
import type { Logger } from '../log.ts';
import { answerWorkers, askWorker } from '../shard/ask.ts';
import type { Relay } from '../shard/relay.ts';
import type { Roster } from '../shard/roster.ts';

export interface RateLimitDeps {
  readonly max: number;
  readonly windowMs: number;
  readonly relay: Relay;
  readonly roster: Roster;
  /** This worker's id. */
  readonly self: string;
  readonly log: Logger;
  /** A request was refused. */
  readonly refused: () => void;
}

/** What one worker counts of addresses in a window; those beyond share one count, so that nobody fills the memory. */
const MAX_ADDRESSES = 100_000;
const OTHER_ADDRESSES = 'address others';

interface Verdict {
  readonly allowed: boolean;
  readonly resetMs: number;
}

const ROUTE = 'rate';

/** The gate with the limit behind its door; itself when `max` is 0. */
export function limitRate(gate: Gate, deps: RateLimitDeps): Gate {
  if (deps.max === 0) return gate;
  const { max, windowMs, relay, roster, self, log } = deps;
  const counts = new RateLimiterMemory({ points: max, duration: windowMs / 1000 });

  let addresses = 0;
  let addressesSince = now();

  const keptKey = async (key: string): Promise<string> => {
    if (addresses < MAX_ADDRESSES || !key.startsWith('address ')) return key;
    if (now() - addressesSince > windowMs) {
      addresses = 0;
      addressesSince = now();
      return key;
    }
    return (await counts.get(key)) === null ? OTHER_ADDRESSES : key;
  };

  const count = async (wanted: string): Promise<Verdict> => {
    try {
      const key = await keptKey(wanted);
      const { msBeforeNext, isFirstInDuration } = await counts.consume(key);
      if (isFirstInDuration && key.startsWith('address ')) addresses++;
      return { allowed: true, resetMs: msBeforeNext };
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      return { allowed: false, resetMs: refusal.msBeforeNext };
    }
  };
  answerWorkers(relay, ROUTE, async (key) => JSON.stringify(await count(key)));

  const ask = async (key: string): Promise<Verdict> => {
    const owner = roster.owners(`rate ${key}`, 1)[0]?.id ?? self;
    if (owner === self) return count(key);
    try {
      return JSON.parse(await askWorker(relay, owner, ROUTE, key)) as Verdict;
    } catch (error) {
      // Its counts went with the worker; until the roster names the next owner they are kept here.
      log.debug({ err: error }, 'the owner of a rate limit is gone');
      return count(key);
    }
  };

  /** Throws `rate_limited`. */
  const consume = async (key: string): Promise<void> => {
    const { allowed, resetMs } = await ask(key);
    if (allowed) return;
    deps.refused();
    const seconds = Math.max(1, Math.ceil(resetMs / 1000));
    throw new BridgeError(
      'rate_limited',
      `More than ${max} requests in ${windowMs / 1000} s; the next is welcome in ${seconds} s.`,
      {
        retryAfterSeconds: seconds,
        headers: [
          ['RateLimit-Policy', `"requests";q=${max};w=${Math.ceil(windowMs / 1000)}`],
          ['RateLimit', `"requests";r=0;t=${seconds}`],
        ],
      },
    );
  };

  const admit = async (
    principal: Principal | Promise<Principal>,
    { address, route }: { address: string; route: string },
  ): Promise<Principal> => {
    let known: Principal;
    try {
      known = await principal;
    } catch (error) {
      await consume(`address ${networkOf(address)} ${route}`);
      throw error;
    }
    await consume(`token ${known.key} ${route}`);
    return known;
  };

  return {
    ...gate,
    authenticate(request: RawRequest) {
      // Read now: the connection's address is gone with the connection.
      const address = gate.clientAddress(request);
      let principal: Principal | Promise<Principal>;
      try {
        principal = gate.authenticate(request);
      } catch (error) {
        principal = Promise.reject(error);
      }
      const admitted = admit(principal, { address, route: routeOf(request.path) });
      // A route may refuse the request for another reason before it looks at who asks.
      admitted.catch(() => undefined);
      return admitted;
    },
  };
}

/** `/mcp` of `/mcp/fetch`: only routes that exist ask who calls, so there are few. */
function routeOf(path: string): string {
  const slash = path.indexOf('/', 1);
  return slash === -1 ? path : path.slice(0, slash);
}
