/**
 * What every request passes before any route: which host, from which page, from whom. Each check lives in a file of
 * its own; here is only their order and what a worker calls.
 */
import type { Settings } from '../config/settings.ts';
import { BridgeError } from '../errors.ts';
import { type AuthDeps, type Authenticator, type AuthSettings, createAuthenticator } from './auth.ts';
import { createClientAddress } from './client-address.ts';
import { answerPreflight, createCors } from './cors.ts';
import type { HeaderPairs, RawRequest } from './engine.ts';
import { createHostCheck } from './hosts.ts';
import type { Reply } from './reply.ts';

export type GateSettings = AuthSettings &
  Pick<Settings, 'allowedHosts' | 'allowedOrigins' | 'loopbackOrigins'>;

export interface Gate extends Authenticator {
  /**
   * Host, then Origin, then headers that must not be sent twice. Returns the CORS headers of the answer. Throws
   * `host_not_allowed`, `origin_not_allowed`, `invalid_request`.
   */
  check(request: RawRequest): HeaderPairs;
  /** Answers OPTIONS, after `check`. */
  preflight(request: RawRequest, reply: Reply): void;
  clientAddress(request: RawRequest): string;
  /** A host name that turned out to be ours, such as a tunnel's. */
  allowHost(host: string): void;
}

export function createGate(settings: GateSettings, deps: AuthDeps): Gate {
  const hosts = createHostCheck(settings.allowedHosts);
  const cors = createCors(settings.allowedOrigins, settings.loopbackOrigins);
  return {
    ...createAuthenticator(settings, deps),
    check(request) {
      const { headers } = request;
      if (headers.sentTwice !== undefined) {
        throw new BridgeError(
          'invalid_request',
          `The header "${headers.sentTwice}" was sent more than once.`,
        );
      }
      hosts.check(headers);
      return cors.check(headers.origin);
    },
    preflight: answerPreflight,
    clientAddress: createClientAddress(settings.trustProxy),
    allowHost: (host) => hosts.allow(host),
  };
}
