/**
 * GET /.well-known/oauth-protected-resource, for the whole bridge and with the path of one endpoint behind it: where
 * OAuth clients learn who issues tokens for it. Without a token, as everything that says how to get one.
 */
import { BridgeError } from '../errors.ts';
import type { Gate } from '../http/gate.ts';
import { WELL_KNOWN } from '../http/protected-resource.ts';
import { JSON_HEADERS } from '../http/reply.ts';
import type { Route } from './router.ts';

export function oauthMetadataRoutes(gate: Gate): readonly Route[] {
  const routeAt = (label: string, prefix: string): Route => ({
    label,
    methods: ['GET', 'HEAD'],
    shape: 'http',
    handle(exchange, parameter) {
      const document = gate.resourceMetadata(exchange.request, `${prefix}${parameter}`);
      if (document === undefined) {
        throw new BridgeError(
          'not_found',
          'There is no such metadata: it is given where auth.jwt names an issuer, for the bridge, /bridge, /mcp/<server> and /sse/<server>.',
        );
      }
      exchange.send(200, JSON_HEADERS, document);
    },
  });
  return [routeAt(WELL_KNOWN, ''), routeAt(`${WELL_KNOWN}/:path`, '/')];
}
