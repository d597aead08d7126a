/** Who a request is from: its bearer token, looked up or verified. Owns the challenges of a 401. */
import { isDeepStrictEqual } from 'node:util';
import type { Settings } from '../config/settings.ts';
import { BridgeError } from '../errors.ts';
import { bearerToken, createTokenBook } from './bearer.ts';
import type { HeaderPairs, RawRequest } from './engine.ts';
import { createJwtVerifier, isOfJwt, looksLikeJwt } from './jwt.ts';
import { createPrincipal, forgetOldest, type Principal } from './principal.ts';
import { createProtectedResource } from './protected-resource.ts';
import type { AccessSettings } from './standing.ts';

export type AuthFailure =
  | 'missing'
  | 'malformed'
  | 'unknown'
  | 'expired'
  | 'invalid'
  | 'unavailable'
  | 'metrics';

export type AuthSettings = Pick<Settings, 'accessTokens' | 'tokens' | 'jwt' | 'metricsToken' | 'trustProxy'>;

export interface Authenticator {
  /** A promise only for a JWT that was not seen lately. Throws (or rejects with) `unauthorized`, `auth_unavailable`. */
  authenticate(request: RawRequest): Principal | Promise<Principal>;
  /** Knows these tokens from now on. Keys of an unchanged issuer are not fetched again. */
  adopt(access: AccessSettings): void;
  /** The headers of a refusal for want of scope: how to get it, for those whose tokens have any. */
  scopeChallenge(request: RawRequest, principal: Principal): HeaderPairs;
  /** RFC 9728: the document about what is at `path`; undefined where there is none. */
  resourceMetadata(request: RawRequest, path: string): string | undefined;
  /** Throws `unauthorized` when METRICS_TOKEN is set and not what was sent. */
  authorizeMetrics(request: RawRequest): void;
}

export interface AuthDeps {
  /** For `auth_failures_total`. */
  onFailure(reason: AuthFailure): void;
  /** Milliseconds since 1970. */
  wallClock?: () => number;
}

interface Admitted {
  readonly principal: Principal;
  readonly trustedUntilMs: number;
}

/** Headers whose token was found good; what is not among them goes the constant-time way. */
const MAX_ADMITTED = 2048;
const KEYS_RETRY_SECONDS = 5;

export function createAuthenticator(settings: AuthSettings, deps: AuthDeps): Authenticator {
  const { onFailure, wallClock = Date.now } = deps;
  const everything = createPrincipal('access-token', { tools: {}, bridge: true });
  const bookOf = ({ accessTokens, tokens }: AccessSettings) =>
    createTokenBook<Principal>([
      ...accessTokens.map((token) => [token, everything] as const),
      ...tokens.map(({ name, token, ...scope }) => [token, createPrincipal(`token:${name}`, scope)] as const),
    ]);
  let { jwt } = settings;
  let book = bookOf(settings);
  let verifier = jwt && createJwtVerifier(jwt, wallClock);
  const metricsBook = settings.metricsToken && createTokenBook([[settings.metricsToken, true]]);
  const resource = createProtectedResource(settings.trustProxy);
  const admitted = new Map<string, Admitted>();

  const remember = (header: string, entry: Admitted): Principal => {
    if (admitted.size >= MAX_ADMITTED) forgetOldest(admitted);
    admitted.set(header, entry);
    return entry.principal;
  };

  const refuse = (request: RawRequest, failure: AuthFailure, message: string): BridgeError => {
    onFailure(failure);
    const challenge = resource.challenge(request, {
      // RFC 6750, section 3.1: no error code when no credentials were sent.
      ...(failure !== 'missing' && { error: 'invalid_token' }),
      jwt: failure === 'metrics' ? undefined : jwt,
    });
    return new BridgeError('unauthorized', message, { headers: [['WWW-Authenticate', challenge]] });
  };

  const verify = async (request: RawRequest, header: string, token: string): Promise<Principal> => {
    const asked = verifier;
    const outcome = await asked?.verify(token);
    // A reload came in between: what it trusts is what counts.
    if (asked !== verifier) return verify(request, header, token);
    if (outcome === undefined) throw refuse(request, 'unknown', UNKNOWN);
    if ('principal' in outcome) return remember(header, outcome);
    if (outcome.failure !== 'unavailable') throw refuse(request, outcome.failure, outcome.reason);
    onFailure('unavailable');
    throw new BridgeError('auth_unavailable', outcome.reason, { retryAfterSeconds: KEYS_RETRY_SECONDS });
  };

  return {
    authenticate(request) {
      const header = request.headers.authorization;
      if (header === undefined)
        throw refuse(request, 'missing', 'A bearer token is needed: Authorization: Bearer …');
      const known = admitted.get(header);
      if (known !== undefined) {
        if (known.trustedUntilMs === Number.POSITIVE_INFINITY || known.trustedUntilMs > wallClock()) {
          return known.principal;
        }
        admitted.delete(header);
      }
      const token = bearerToken(header);
      if (token === undefined)
        throw refuse(request, 'malformed', 'The Authorization header must be: Bearer TOKEN.');
      const principal = book.find(token);
      if (principal !== undefined) {
        return remember(header, { principal, trustedUntilMs: Number.POSITIVE_INFINITY });
      }
      if (verifier !== undefined && looksLikeJwt(token)) {
        const verified = verify(request, header, token);
        // A route may refuse the request for another reason before it looks at who asks.
        verified.catch(() => undefined);
        return verified;
      }
      throw refuse(request, 'unknown', UNKNOWN);
    },

    adopt(access) {
      book = bookOf(access);
      if (!isDeepStrictEqual(jwt, access.jwt))
        verifier = access.jwt && createJwtVerifier(access.jwt, wallClock);
      jwt = access.jwt;
      admitted.clear();
    },

    scopeChallenge(request, principal) {
      if (jwt === undefined || !isOfJwt(principal)) return [];
      return [['WWW-Authenticate', resource.challenge(request, { error: 'insufficient_scope', jwt })]];
    },

    resourceMetadata: (request, path) => jwt && resource.metadata(request, path, jwt),

    authorizeMetrics(request) {
      if (!metricsBook) return;
      const header = request.headers.authorization;
      const token = header === undefined ? undefined : bearerToken(header);
      if (token !== undefined && metricsBook.find(token)) return;
      throw refuse(
        request,
        header === undefined ? 'missing' : 'metrics',
        'The metrics need their own bearer token.',
      );
    },
  };
}

const UNKNOWN = 'The bearer token is not one that this bridge knows.';
