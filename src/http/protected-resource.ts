/**
 * This bridge as a protected resource of OAuth 2.0: what a client is told of it, in a challenge and in a document, so
 * that it finds the issuer of its tokens by itself. RFC 9728; RFC 6750, section 3; MCP, "Authorization".
 */
import type { JwtAuth } from '../config/settings.ts';
import { createPeerTrust } from './client-address.ts';
import type { RawRequest } from './engine.ts';
import { hostName } from './hosts.ts';

export const WELL_KNOWN = '/.well-known/oauth-protected-resource';
/** What a JWT needs for POST /bridge. */
export const BRIDGE_SCOPE = 'mcp:bridge';

interface Challenge {
  readonly error?: 'invalid_token' | 'insufficient_scope';
  readonly jwt: JwtAuth | undefined;
}

export interface ProtectedResource {
  /** The value of `WWW-Authenticate`; without `jwt` it sends nobody to an issuer. */
  challenge(request: RawRequest, challenge: Challenge): string;
  /** The metadata of what is at `path` of this bridge (empty: of the whole bridge), as JSON; undefined for other paths. */
  metadata(request: RawRequest, path: string, jwt: JwtAuth): string | undefined;
}

/** What has metadata of its own. */
const PATH = /^(?:|\/bridge|\/(?:mcp|sse)\/[A-Za-z0-9._-]{1,64})$/;
const SERVER_AUDIENCE = /^\/(?:mcp|sse)\/([A-Za-z0-9._-]{1,64})$/;

export function createProtectedResource(trustProxy: boolean | readonly string[]): ProtectedResource {
  const peerTrusted = createPeerTrust(trustProxy);

  /** As the client itself calls us; undefined when it did not say. */
  const origin = (request: RawRequest, jwt: JwtAuth): string | undefined => {
    const { host } = request.headers;
    if (host === undefined || hostName(host) === undefined) return undefined;
    const base = baseOf(jwt.audience);
    if (base !== undefined && new URL(base).host === host.toLowerCase()) return base;
    const forwarded = peerTrusted(request) ? request.headers.other('x-forwarded-proto') : undefined;
    return `${forwarded === 'https' ? 'https' : 'http'}://${host}`;
  };

  return {
    challenge(request, { error, jwt }) {
      const parts = ['Bearer realm="mcp-bridge"'];
      if (error !== undefined) parts.push(`error="${error}"`);
      const from = jwt && origin(request, jwt);
      if (from !== undefined) {
        if (request.path === '/bridge') parts.push(`scope="${BRIDGE_SCOPE}"`);
        parts.push(`resource_metadata="${from}${WELL_KNOWN}"`);
      }
      return parts.join(', ');
    },

    metadata(request, path, jwt) {
      const from = PATH.test(path) ? origin(request, jwt) : undefined;
      if (from === undefined) return undefined;
      return JSON.stringify({
        resource: `${baseOf(jwt.audience) ?? from}${path}`,
        authorization_servers: [jwt.issuer],
        bearer_methods_supported: ['header'],
        // Not for the whole bridge: clients ask for all that is named, and most never need this one.
        ...(path === '/bridge' && { scopes_supported: [BRIDGE_SCOPE] }),
        resource_name: 'MCP Bridge',
      });
    },
  };
}

/** An audience that is an origin is how this bridge is called; any other text is only compared. */
function baseOf(audience: string): string | undefined {
  if (!/^https?:\/\//i.test(audience) || !URL.canParse(audience)) return undefined;
  const { origin, href } = new URL(audience);
  return href === `${origin}/` ? origin : undefined;
}

/**
 * What tokens with these audiences are for: everything (`true`), the named servers, or nothing here (`false`). Where
 * the audience is an origin, a client may have asked its issuer for a token for one server's address (RFC 8707).
 */
export function audienceOf(found: unknown, expected: string): boolean | readonly string[] {
  const named = (Array.isArray(found) ? found : [found]).filter((each) => typeof each === 'string');
  if (named.includes(expected)) return true;
  const base = baseOf(expected);
  if (base === undefined) return false;
  const servers: string[] = [];
  for (const audience of named) {
    if (audience === base || audience === `${base}/`) return true;
    const server = audience.startsWith(base) && SERVER_AUDIENCE.exec(audience.slice(base.length))?.[1];
    if (server) servers.push(server);
  }
  return servers.length > 0 && servers;
}
