/**
 * OAuth clients find their way by themselves: from a refusal of the bridge over its metadata to a real authorization
 * server and back with a token, which is good for what was asked for and for nothing else.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import * as v2 from '@modelcontextprotocol/client';
import type { OAuthClientProvider as OAuthV1 } from '@modelcontextprotocol/sdk/client/auth.js';
import * as authV1 from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { getOAuthProtectedResourceMetadataUrl } from '@modelcontextprotocol/server';
import { decodeJwt } from 'jose';
import {
  type AuthorizationServer,
  REDIRECT_URL,
  startAuthorizationServer,
} from './harness/authorization-server.ts';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { forEachEngine } from './harness/engines.ts';
import { assertHttpError } from './harness/expect.ts';
import { type Answer, honest, type Json, postBridge, send } from './harness/rpc.ts';
import { connectV1, connectV2, textOf } from './harness/sdk-clients.ts';
import { echo } from './harness/servers.ts';

/** What a client keeps of its way through OAuth; both generations of the SDK ask the same of it. */
class Wallet {
  readonly redirectUrl = REDIRECT_URL;
  readonly clientMetadata = {
    client_name: 'a client of the test',
    redirect_uris: [REDIRECT_URL],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    // What it asks for where nobody tells it: an issuer may refuse a request for nothing.
    scope: 'openid',
    // oidc-provider holds native applications to loopback addresses, and lets them have http.
    application_type: 'native',
  };
  /** Where the user is sent. */
  authorization: URL | undefined;
  #client: Json;
  #tokens: Json;
  #verifier = '';
  #discovery: Json;

  clientInformation(): Json {
    return this.#client;
  }
  saveClientInformation(client: Json): void {
    this.#client = client;
  }
  tokens(): Json {
    return this.#tokens;
  }
  saveTokens(tokens: Json): void {
    this.#tokens = tokens;
  }
  redirectToAuthorization(url: URL): void {
    this.authorization = url;
  }
  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }
  discoveryState(): Json {
    return this.#discovery;
  }
  saveDiscoveryState(discovery: Json): void {
    this.#discovery = discovery;
  }
  codeVerifier(): string {
    return this.#verifier;
  }
}

interface Setting {
  readonly bridge: Bridge;
  readonly issuer: AuthorizationServer;
}

async function start(t: TestContext, engine?: 'uws' | 'node'): Promise<Setting> {
  const issuer = await startAuthorizationServer(t);
  const bridge = await startBridge(t, {
    ...(engine && { engine }),
    // biome-ignore-start lint/suspicious/noTemplateCurlyInString: the bridge fills it in
    config: {
      servers: { echo: echo(), other: echo() },
      auth: {
        jwt: { issuer: issuer.issuer, audience: 'http://127.0.0.1:${PORT}', jwksUri: issuer.jwksUri },
      },
    },
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: as above
  });
  return { bridge, issuer };
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource';

forEachEngine('the way to a token is told, and to nobody who does not need it', async (t, engine) => {
  const { bridge, issuer } = await start(t, engine);
  const metadata = (path = ''): Promise<Answer> => send(bridge, { path: `${WELL_KNOWN}${path}` });

  const whole = await metadata();
  assert.equal(whole.status, 200);
  assert.deepEqual(whole.body, {
    resource: bridge.url,
    authorization_servers: [issuer.issuer],
    bearer_methods_supported: ['header'],
    resource_name: 'MCP Bridge',
  });
  assert.equal((await metadata('/mcp/echo')).body.resource, `${bridge.url}/mcp/echo`);
  assert.equal((await metadata('/sse/echo')).body.resource, `${bridge.url}/sse/echo`);
  assert.deepEqual((await metadata('/bridge')).body.scopes_supported, ['mcp:bridge']);
  assert.deepEqual(
    (await metadata('/mcp/never-heard-of')).status,
    200,
    'nor is told which servers there are',
  );
  for (const path of ['/', '/mcp', '/mcp/a/b', '/mcp/%2e', '/health', '/mcp/"', '/../bridge']) {
    assertHttpError(await metadata(path), { status: 404, code: 'not_found', says: /metadata|nothing at/ });
  }
  assert.equal(
    getOAuthProtectedResourceMetadataUrl(new URL(`${bridge.url}/mcp/echo`)),
    `${bridge.url}${WELL_KNOWN}/mcp/echo`,
    'as the SDK looks for it',
  );

  const challengeOf = async (path: string, token?: string): Promise<unknown> => {
    const { Authorization: _, ...headers } = honest(bridge);
    const answer = await send(bridge, {
      method: 'POST',
      path,
      headers: { ...headers, ...(token && { Authorization: `Bearer ${token}` }) },
      body: '{}',
    });
    return answer.headers['www-authenticate'];
  };
  const resource = `resource_metadata="${bridge.url}${WELL_KNOWN}"`;
  assert.equal(await challengeOf('/mcp/echo'), `Bearer realm="mcp-bridge", ${resource}`);
  assert.equal(
    await challengeOf('/mcp/echo', 'a.b.c'),
    `Bearer realm="mcp-bridge", error="invalid_token", ${resource}`,
  );
  assert.equal(await challengeOf('/bridge'), `Bearer realm="mcp-bridge", scope="mcp:bridge", ${resource}`);
});

test('without an issuer there is no metadata, and no challenge that names one', async (t) => {
  const bridge = await startBridge(t, { config: { servers: { echo: echo() } }, workers: 1 });
  assert.equal((await send(bridge, { path: WELL_KNOWN })).status, 404);
  const { headers } = await send(bridge, { path: '/servers' });
  assert.equal(headers['www-authenticate'], 'Bearer realm="mcp-bridge"');
});

for (const version of ['v1', 'v2'] as const) {
  test(`an SDK client (${version}) goes from the refusal to a token and a tool's answer`, async (t) => {
    const { bridge, issuer } = await start(t);
    const wallet = new Wallet();
    const transport = () => {
      const url = new URL(`${bridge.url}/mcp/echo`);
      return version === 'v1'
        ? new TransportV1(url, { authProvider: wallet as OAuthV1 })
        : new v2.StreamableHTTPClientTransport(url, { authProvider: wallet as v2.OAuthClientProvider });
    };
    const connect = (over: TransportV1 | v2.StreamableHTTPClientTransport) =>
      over instanceof TransportV1 ? connectV1(over, {}) : connectV2(over, {});

    const first = transport();
    await assert.rejects(connect(first), version === 'v1' ? authV1.UnauthorizedError : v2.UnauthorizedError);
    const back = await issuer.authorize(wallet.authorization ?? assert.fail('nobody was sent to the issuer'));
    if (first instanceof TransportV1) await first.finishAuth(back.get('code') ?? '');
    else await first.finishAuth(back);
    assert.equal(issuer.asked.at(-1)?.resource?.replace(/\/$/, ''), bridge.url);

    const client = await connect(transport());
    t.after(() => client.close());
    assert.equal(textOf(await client.callTool('echo', { text: 'let in' })), 'let in');

    const token = wallet.tokens().access_token;
    const refused = await callBridge(bridge, token);
    assertHttpError(refused, {
      status: 403,
      code: 'bridge_not_allowed',
      says: /may not use \/bridge/,
    });
    assert.equal(
      refused.headers['www-authenticate'],
      `Bearer realm="mcp-bridge", error="insufficient_scope", scope="mcp:bridge", resource_metadata="${bridge.url}${WELL_KNOWN}"`,
    );

    const { scope, resourceMetadataUrl } = v2.extractWWWAuthenticateParams(
      new Response('', {
        status: 403,
        headers: { 'WWW-Authenticate': String(refused.headers['www-authenticate']) },
      }),
    );
    const more = { serverUrl: `${bridge.url}/bridge`, scope, resourceMetadataUrl };
    // Registered anew: with this issuer a client has no more scopes than it registered for.
    const wider = new Wallet();
    assert.equal((await callBridge(bridge, await authorize(wider, issuer, more))).status, 200);
  });
}

test("a token for one server's address is good for that server alone", async (t) => {
  const { bridge, issuer } = await start(t);
  const token = await authorize(new Wallet(), issuer, {
    serverUrl: `${bridge.url}/mcp/echo`,
    resourceMetadataUrl: new URL(`${bridge.url}${WELL_KNOWN}/mcp/echo`),
    scope: 'mcp:bridge',
  });
  assert.equal(decodeJwt(token).aud, `${bridge.url}/mcp/echo`);
  const ping = (server: string) =>
    send(bridge, {
      method: 'POST',
      path: `/mcp/${server}`,
      headers: honest(bridge, { token }),
      body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    });
  assert.equal((await ping('echo')).status, 200);
  assert.equal((await ping('other')).status, 403);
  assert.equal((await callBridge(bridge, token, 'echo')).status, 200);
  assert.equal((await callBridge(bridge, token, 'other')).status, 403);
});

/** The SDK's own flow outside of a transport: an access token for what `asked` says. */
async function authorize(wallet: Wallet, issuer: AuthorizationServer, asked: object): Promise<string> {
  const options = asked as Parameters<typeof v2.auth>[1];
  await v2.auth(wallet as v2.OAuthClientProvider, options);
  const back = await issuer.authorize(wallet.authorization ?? assert.fail('nobody was sent to the issuer'));
  await v2.auth(wallet as v2.OAuthClientProvider, {
    ...options,
    authorizationCode: back.get('code') ?? '',
    iss: back.get('iss') ?? '',
  });
  return wallet.tokens().access_token;
}

const callBridge = (bridge: Bridge, token: string, serverPath = 'echo'): Promise<Answer> =>
  postBridge(bridge, { serverPath, method: 'tools/list' }, { token });
