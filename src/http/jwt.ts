/**
 * JSON Web Tokens of one issuer: verified against its key set, which is fetched, cached and, when a token names a
 * new key, fetched again. Asymmetric algorithms only, so that a public key can never serve as a shared secret.
 */
import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import type { JwtAuth } from '../config/settings.ts';
import { createPrincipal, type Principal } from './principal.ts';
import { audienceOf, BRIDGE_SCOPE } from './protected-resource.ts';

const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const CLOCK_TOLERANCE_SECONDS = 30;
const JWKS_TIMEOUT_MS = 5_000;
/** At most one fetch for unknown keys in so long: made-up key ids must not become requests to the issuer. */
const JWKS_COOLDOWN_MS = 10_000;
/** A withdrawn key or a narrowed scope takes effect after so long, even on a long-lived token. */
const MAX_TRUST_MS = 300_000;

type JwtFailure = 'expired' | 'invalid' | 'unavailable';

type JwtOutcome =
  | { readonly principal: Principal; readonly trustedUntilMs: number }
  | { readonly failure: JwtFailure; readonly reason: string };

export interface JwtVerifier {
  /** Never rejects. */
  verify(token: string): Promise<JwtOutcome>;
}

const KEY_PREFIX = 'jwt:';

/** Whether somebody was let in by a JSON Web Token. */
export const isOfJwt = ({ key }: Principal): boolean => key.startsWith(KEY_PREFIX);

/** Whether `token` could be one at all. */
export const looksLikeJwt = (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token);

/** `wallClock` gives milliseconds since 1970. */
export function createJwtVerifier(auth: JwtAuth, wallClock: () => number = Date.now): JwtVerifier {
  // Loaded only where tokens of this kind are accepted: it is a tenth of what a worker loads.
  const loading = import('jose').then((jose) => ({
    jose,
    keys: jose.createRemoteJWKSet(new URL(auth.jwksUri), {
      timeoutDuration: JWKS_TIMEOUT_MS,
      cooldownDuration: JWKS_COOLDOWN_MS,
    }) as JWTVerifyGetKey,
  }));
  return {
    async verify(token) {
      const { jose, keys } = await loading;
      try {
        const { payload } = await jose.jwtVerify(token, keys, {
          issuer: auth.issuer,
          algorithms: ALGORITHMS,
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
          currentDate: new Date(wallClock()),
          requiredClaims: ['exp', 'sub', 'aud'],
        });
        const expiresAtMs = ((payload.exp ?? 0) + CLOCK_TOLERANCE_SECONDS) * 1000;
        return {
          principal: principalOf(auth, payload),
          trustedUntilMs: Math.min(expiresAtMs, wallClock() + MAX_TRUST_MS),
        };
      } catch (error) {
        if (error instanceof jose.errors.JWTExpired)
          return { failure: 'expired', reason: 'The token has expired.' };
        if (error instanceof InvalidClaim) return { failure: 'invalid', reason: error.message };
        if (isUnavailable(error, jose.errors)) {
          return {
            failure: 'unavailable',
            reason: 'The keys of the token issuer cannot be fetched right now.',
          };
        }
        return { failure: 'invalid', reason: 'The token is not valid here.' };
      }
    },
  };
}

/** Errors of the network, and of a key set that does not answer or answers nonsense. */
function isUnavailable(error: unknown, errors: typeof import('jose').errors): boolean {
  if (!(error instanceof errors.JOSEError)) return true;
  return (
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    error.code === 'ERR_JOSE_GENERIC'
  );
}

class InvalidClaim extends Error {}

function principalOf({ issuer, audience }: JwtAuth, payload: JWTPayload): Principal {
  const { sub, aud, scope, mcp_servers: servers } = payload;
  if (typeof sub !== 'string' || sub === '')
    throw new InvalidClaim('The claim "sub" must be a non-empty string.');
  if (servers !== undefined && !isStrings(servers)) {
    throw new InvalidClaim('The claim "mcp_servers" must be an array of server names.');
  }
  const meant = audienceOf(aud, audience);
  if (meant === false) throw new InvalidClaim('The token is for somebody else: see its claim "aud".');
  const narrowed = meant === true ? servers : meant.filter((name) => servers?.includes(name) ?? true);
  const scopes = typeof scope === 'string' ? scope.split(' ') : [];
  return createPrincipal(`${KEY_PREFIX}${issuer}|${sub}`, {
    ...(narrowed && { servers: narrowed }),
    tools: {},
    bridge: scopes.includes(BRIDGE_SCOPE),
  });
}

const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');
