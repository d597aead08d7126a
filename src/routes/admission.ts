/**
 * Between the gate and a route: who asks may be known at once or only after a look at a token's keys, the body
 * comes meanwhile, and what is asked for must lie within his scope.
 */
import { asBridgeError, BridgeError } from '../errors.ts';
import { type BodyRules, readBody } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Principal } from '../http/principal.ts';
import { sendError } from '../http/send-error.ts';
import { LARGE_MESSAGE_BYTES } from '../protocol/large.ts';
import { textOf } from '../protocol/utf8.ts';

/** Calls `next` at once where the principal is known at once. */
export function whenKnown(
  principal: Principal | Promise<Principal>,
  next: (principal: Principal) => void | Promise<void>,
): void | Promise<void> {
  return principal instanceof Promise ? principal.then(next) : next(principal);
}

/** Reads the body, which has to begin in this tick, and calls `done` when both are there. What `done` throws is answered. */
export function readAdmitted(
  exchange: Exchange,
  principal: Principal | Promise<Principal>,
  rules: BodyRules,
  done: (principal: Principal, body: string | Uint8Array) => void,
): void | Promise<void> {
  if (principal instanceof Promise) {
    const body = new Promise<string | Uint8Array>((resolve) => readBody(exchange, rules, resolve));
    return principal.then(async (known) => done(known, await body));
  }
  readBody(exchange, rules, (body) => {
    try {
      done(principal, body);
    } catch (error) {
      sendError(exchange, asBridgeError(error), rules.shape);
    }
  });
}

/** The server's name, if the principal may use it; the same answer for what does not exist. Throws `server_not_allowed`. */
export function admit(server: string, { servers }: Principal): string {
  if (servers === undefined || servers.has(server)) return server;
  throw new BridgeError('server_not_allowed', `This token may not use a server "${server.slice(0, 100)}".`);
}

/** A body as `readBody` gives it, from the bytes that another worker sent. */
export function relayedBody(bytes: Uint8Array): string | Uint8Array {
  if (bytes.byteLength > LARGE_MESSAGE_BYTES) return bytes;
  return textOf(bytes);
}
