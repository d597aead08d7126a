/**
 * RATE_LIMIT_MAX requests per RATE_LIMIT_WINDOW_MS, token and route, over all workers; requests without a valid token
 * count for their address. A key's count lives with the worker that owns the key, and is asked for over the relay: in
 * blocks where the limit is large, so that most requests are counted without a word to anybody. What is left of a block
 * is of no use to other workers: up to 1/64 of the limit.
 *
 * Headers: draft-ietf-httpapi-ratelimit-headers-10, "RateLimit-Policy" and "RateLimit".
 */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { now } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import { networkOf } from '../http/client-address.ts';
import type { RawRequest } from '../http/engine.ts';
import type { Gate } from '../http/gate.ts';
import { forgetOldest, type Principal } from '../http/principal.ts';
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
/** A block is this part of the limit, shared by the workers. */
const BLOCK_SHARE = 64;
/** Blocks that one worker has in hand. */
const MAX_BLOCKS = 10_000;

interface Block {
  left: number;
  /** Monotonic: the end of the window. */
  readonly until: number;
}

interface Question {
  readonly key: string;
  readonly points: number;
}

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

  const count = async ({ key: wanted, points }: Question): Promise<Verdict> => {
    const key = await keptKey(wanted);
    try {
      const { msBeforeNext, isFirstInDuration } = await counts.consume(key, points);
      if (isFirstInDuration && key.startsWith('address ')) addresses++;
      return { allowed: true, resetMs: msBeforeNext };
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      // A block that is refused whole takes nothing: what is left of the limit goes in single requests.
      if (points > 1) await counts.reward(key, points);
      return { allowed: false, resetMs: refusal.msBeforeNext };
    }
  };
  answerWorkers(relay, ROUTE, async (question) => JSON.stringify(await count(JSON.parse(question))));

  const ask = async (question: Question): Promise<Verdict> => {
    const owner = roster.owners(`rate ${question.key}`, 1)[0]?.id ?? self;
    if (owner === self) return count(question);
    try {
      return JSON.parse(await askWorker(relay, owner, ROUTE, JSON.stringify(question))) as Verdict;
    } catch (error) {
      // Its counts went with the worker; until the roster names the next owner they are kept here.
      log.debug({ err: error }, 'the owner of a rate limit is gone');
      return count(question);
    }
  };

  const blocks = new Map<string, Block>();
  const refills = new Map<string, Promise<Verdict>>();

  /** Whether a block in hand covers one more request. */
  const isCovered = (key: string): boolean => {
    const block = blocks.get(key);
    if (block === undefined || block.left === 0 || block.until <= now()) return false;
    block.left--;
    return true;
  };

  /** One at a time for each key: all who wait take of the same block. */
  const refill = (key: string, points: number): Promise<Verdict> => {
    const filling = (async () => {
      let got = points;
      let verdict = await ask({ key, points });
      if (!verdict.allowed) {
        got = 1;
        verdict = await ask({ key, points: 1 });
      }
      if (!verdict.allowed) return verdict;
      if (blocks.size >= MAX_BLOCKS) forgetOldest(blocks);
      blocks.set(key, { left: got, until: now() + verdict.resetMs });
      return verdict;
    })().finally(() => refills.delete(key));
    refills.set(key, filling);
    return filling;
  };

  const verdictOn = async (key: string): Promise<Verdict> => {
    const points = Math.floor(max / BLOCK_SHARE / Math.max(1, roster.size));
    if (points <= 1) return ask({ key, points: 1 });
    for (;;) {
      const verdict = await (refills.get(key) ?? refill(key, points));
      if (!verdict.allowed || isCovered(key)) return verdict;
    }
  };

  /** Throws `rate_limited`. */
  const consume = async (key: string): Promise<void> => {
    const { allowed, resetMs } = await verdictOn(key);
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
    await consume(tokenKey(known, route));
    return known;
  };

  return {
    ...gate,
    authenticate(request: RawRequest) {
      let principal: Principal | Promise<Principal>;
      try {
        principal = gate.authenticate(request);
      } catch (error) {
        principal = Promise.reject(error);
      }
      const route = routeOf(request.path);
      if (!(principal instanceof Promise) && isCovered(tokenKey(principal, route))) return principal;
      // Read now: the connection's address is gone with the connection.
      const address = gate.clientAddress(request);
      const admitted = admit(principal, { address, route });
      // A route may refuse the request for another reason before it looks at who asks.
      admitted.catch(() => undefined);
      return admitted;
    },
  };
}

const tokenKey = ({ key }: Principal, route: string): string => `token ${key} ${route}`;

/** `/mcp` of `/mcp/fetch`: only routes that exist ask who calls, so there are few. */
function routeOf(path: string): string {
  const slash = path.indexOf('/', 1);
  return slash === -1 ? path : path.slice(0, slash);
}
