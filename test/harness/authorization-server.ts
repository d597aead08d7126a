/**
 * A real authorization server (oidc-provider) in a test: clients register themselves, whoever comes is logged in as
 * alice, and what she is asked for she grants. Its access tokens are JWTs for the resource that was asked for.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

export interface AuthorizationServer {
  readonly issuer: string;
  readonly jwksUri: string;
  /** Follows an authorization request as a browser does; the parameters that come back to `redirect_uri`. */
  authorize(url: URL): Promise<URLSearchParams>;
  /** What clients have asked for: scope and resource of each authorization. */
  readonly asked: { readonly scope: string | undefined; readonly resource: string | undefined }[];
}

export const REDIRECT_URL = 'http://127.0.0.1:1/callback';
const MAX_REDIRECTS = 10;

export async function startAuthorizationServer(t: TestContext): Promise<AuthorizationServer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const asked: { scope: string | undefined; resource: string | undefined }[] = [];
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });

  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'k1', alg: 'ES256', use: 'sig' }] },
    cookies: { keys: ['of-a-test'] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    scopes: ['openid', 'mcp:bridge'],
    pkce: { required: () => true },
    interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    findAccount: (_: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    async loadExistingGrant({ oidc }: import('oidc-provider').Context) {
      const { scope, resource } = oidc.params;
      asked.push({ scope, resource });
      const grant = new provider.Grant({
        clientId: oidc.client.clientId,
        accountId: oidc.session.accountId,
      });
      grant.addOIDCScope(scope ?? '');
      for (const each of Object.keys(oidc.resourceServers)) grant.addResourceScope(each, scope ?? '');
      await grant.save();
      return grant;
    },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_: unknown, audience: string) => ({
          scope: 'mcp:bridge',
          audience,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  const serve = provider.callback();
  server.on('request', (request, response) => {
    if (!request.url?.startsWith('/interaction/')) serve(request, response);
    else void provider.interactionFinished(request, response, { login: { accountId: 'alice' }, consent: {} });
  });

  return {
    issuer,
    jwksUri: `${issuer}/jwks`,
    asked,
    async authorize(start) {
      const cookies = new Map<string, string>();
      let url = start;
      for (let i = 0; i < MAX_REDIRECTS; i++) {
        const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
        const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
        for (const line of response.headers.getSetCookie()) {
          const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
          cookies.set(name, value);
        }
        const location = response.headers.get('location');
        if (location === null) throw new Error(`${url}: ${response.status} ${await response.text()}`);
        url = new URL(location, url);
        if (url.href.startsWith(REDIRECT_URL)) return url.searchParams;
      }
      throw new Error(`${start} was sent on ${MAX_REDIRECTS} times`);
    },
  };
}
