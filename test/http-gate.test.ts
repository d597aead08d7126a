/** The gate as a table: hosts, origins, tokens, JSON Web Tokens against a real key server, client addresses. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import { BridgeError, type ErrorCode } from '../src/errors.ts';
import type { AuthFailure } from '../src/http/auth.ts';
import { canonicalAddress, networkOf } from '../src/http/client-address.ts';
import type { Chunk, HeaderPairs, RawRequest } from '../src/http/engine.ts';
import { createGate, type Gate, type GateSettings } from '../src/http/gate.ts';
import { HeaderList } from '../src/http/header-list.ts';
import { type Principal, principalFromWire } from '../src/http/principal.ts';
import type { Reply } from '../src/http/reply.ts';

const SETTINGS: GateSettings = {
  accessTokens: ['old-token', 'new-token'],
  tokens: [
    { name: 'ci', token: 'ci-token', servers: ['fetch'], tools: { deny: ['write_*'] }, bridge: false },
    { name: 'ops', token: 'ops-token', tools: {}, bridge: true },
  ],
  trustProxy: false,
  allowedOrigins: ['https://app.example.com'],
  loopbackOrigins: false,
  allowedHosts: ['localhost', '127.0.0.1', '::1', 'Bridge.Example.COM'],
};

interface GateUnderTest {
  readonly gate: Gate;
  readonly failures: AuthFailure[];
}

const gateWith = (changes: Partial<GateSettings> = {}, wallClock?: () => number): GateUnderTest => {
  const failures: AuthFailure[] = [];
  const deps = { onFailure: (reason: AuthFailure) => failures.push(reason), ...(wallClock && { wallClock }) };
  return { gate: createGate({ ...SETTINGS, ...changes }, deps), failures };
};

function request(pairs: readonly (readonly [string, string])[], peerAddress = '127.0.0.1'): RawRequest {
  const headers = new HeaderList();
  for (const [name, value] of pairs) headers.add(name, value);
  return { method: 'POST', path: '/mcp/x', query: '', headers, peerAddress };
}

const withToken = (token: string): RawRequest =>
  request([
    ['host', 'localhost'],
    ['authorization', `Bearer ${token}`],
  ]);

const codeOf = (run: () => unknown): ErrorCode | 'passed' => {
  try {
    run();
    return 'passed';
  } catch (error) {
    assert.ok(error instanceof BridgeError, String(error));
    return error.code;
  }
};

for (const [host, expected] of [
  ['localhost', 'passed'],
  ['LocalHost:3000', 'passed'],
  ['localhost.:3000', 'passed'],
  ['127.0.0.1:3000', 'passed'],
  ['[::1]:3000', 'passed'],
  ['[::1]', 'passed'],
  ['bridge.example.com:443', 'passed'],
  ['evil.example.com', 'host_not_allowed'],
  ['localhost.evil.example.com', 'host_not_allowed'],
  ['evil-localhost', 'host_not_allowed'],
  ['127.0.0.1.nip.io', 'host_not_allowed'],
  ['[::2]:3000', 'host_not_allowed'],
  ['0.0.0.0:3000', 'host_not_allowed'],
  ['localhost@evil.example.com', 'invalid_request'],
  ['localhost:port', 'invalid_request'],
  ['localhost/', 'invalid_request'],
  ['a b', 'invalid_request'],
  ['', 'invalid_request'],
] as const) {
  test(`Host "${host}": ${expected}`, () => {
    const { gate } = gateWith();
    for (let i = 0; i < 2; i++)
      assert.equal(
        codeOf(() => gate.check(request([['host', host]]))),
        expected,
      );
  });
}

test('any host passes without ALLOWED_HOSTS, but there must be one', () => {
  const { allowedHosts: _, ...open } = SETTINGS;
  const gate = createGate(open, { onFailure: assert.fail });
  assert.equal(
    codeOf(() => gate.check(request([['host', 'anything.example']]))),
    'passed',
  );
  assert.equal(
    codeOf(() => gate.check(request([]))),
    'invalid_request',
  );
});

test("a tunnel's host is let in when it is known", () => {
  const { gate } = gateWith();
  const tunnelled = request([['host', 'abc.ngrok.app']]);
  assert.equal(
    codeOf(() => gate.check(tunnelled)),
    'host_not_allowed',
  );
  gate.allowHost('ABC.ngrok.app');
  assert.equal(
    codeOf(() => gate.check(tunnelled)),
    'passed',
  );
});

for (const [origin, loopbackOrigins, expected] of [
  ['https://app.example.com', false, 'passed'],
  ['https://APP.example.com', false, 'passed'],
  ['http://app.example.com', false, 'origin_not_allowed'],
  ['https://app.example.com:8443', false, 'origin_not_allowed'],
  ['https://app.example.com.evil.com', false, 'origin_not_allowed'],
  ['null', false, 'origin_not_allowed'],
  ['null', true, 'origin_not_allowed'],
  ['', false, 'origin_not_allowed'],
  ['http://localhost:5173', false, 'origin_not_allowed'],
  ['http://localhost:5173', true, 'passed'],
  ['http://127.0.0.1', true, 'passed'],
  ['https://[::1]:1', true, 'passed'],
  ['http://localhost.evil.com', true, 'origin_not_allowed'],
  ['http://127.0.0.1.evil.com', true, 'origin_not_allowed'],
  ['file://localhost', true, 'origin_not_allowed'],
] as const) {
  test(`Origin "${origin}"${loopbackOrigins ? ' with loopback origins' : ''}: ${expected}`, () => {
    const { gate } = gateWith({ loopbackOrigins });
    const asked = request([
      ['host', 'localhost'],
      ['origin', origin],
    ]);
    assert.equal(
      codeOf(() => gate.check(asked)),
      expected,
    );
    if (expected === 'passed')
      assert.deepEqual(gate.check(asked)[0], ['Access-Control-Allow-Origin', origin]);
  });
}

test('Origin null passes where it is listed', () => {
  const { gate } = gateWith({ allowedOrigins: ['null'] });
  assert.equal(
    codeOf(() =>
      gate.check(
        request([
          ['host', 'localhost'],
          ['origin', 'null'],
        ]),
      ),
    ),
    'passed',
  );
});

test('a request without Origin gets no CORS headers', () => {
  assert.deepEqual(gateWith().gate.check(request([['host', 'localhost']])), []);
});

test('a preflight allows the fixed headers and the Mcp-Param-* that were asked for', () => {
  const sent: { status: number; headers: HeaderPairs; body: Chunk | readonly Chunk[] }[] = [];
  const reply = { send: (status, headers, body) => sent.push({ status, headers, body }) } as Pick<
    Reply,
    'send'
  > as Reply;
  const { gate } = gateWith();
  gate.preflight(
    request([
      ['access-control-request-method', 'POST'],
      ['access-control-request-headers', 'content-type, mcp-param-city, x-evil, mcp-param-\r\nx: y'],
    ]),
    reply,
  );
  const [{ status, headers } = assert.fail()] = sent;
  const allowed = new Map(headers);
  assert.equal(status, 204);
  assert.equal(allowed.get('Access-Control-Allow-Methods'), 'POST, GET, DELETE, OPTIONS');
  assert.match(
    allowed.get('Access-Control-Allow-Headers') ?? '',
    /Mcp-Session-Id, .*baggage, mcp-param-city$/,
  );
  assert.match(allowed.get('Access-Control-Max-Age') ?? '', /^\d+$/);
});

for (const [authorization, expected] of [
  ['Bearer old-token', 'access-token'],
  ['Bearer new-token', 'access-token'],
  ['bearer new-token', 'access-token'],
  ['BEARER  new-token', 'access-token'],
  ['Bearer ci-token', 'token:ci'],
  ['Bearer ops-token', 'token:ops'],
  ['Bearer old-toke', 'unknown'],
  ['Bearer old-token2', 'unknown'],
  ['Bearer OLD-TOKEN', 'unknown'],
  ['Bearer a.b.c', 'unknown'],
  ['Bearer', 'malformed'],
  ['Bearer a b', 'malformed'],
  ['Basic old-token', 'malformed'],
  ['old-token', 'malformed'],
  ['', 'malformed'],
] as const) {
  test(`Authorization "${authorization}": ${expected}`, async () => {
    const { gate, failures } = gateWith();
    const asked = request([
      ['host', 'localhost'],
      ['authorization', authorization],
    ]);
    for (let i = 0; i < 2; i++) {
      if (expected === 'unknown' || expected === 'malformed') {
        const error = await refusal(() => gate.authenticate(asked));
        assert.equal(error.code, 'unauthorized');
        assert.equal(challengeOf(error), 'Bearer realm="mcp-bridge", error="invalid_token"');
        assert.equal(failures[i], expected);
      } else {
        assert.equal((await gate.authenticate(asked)).key, expected);
        assert.deepEqual(failures, []);
      }
    }
  });
}

test('without credentials the challenge names no error', async () => {
  const { gate, failures } = gateWith();
  const error = await refusal(() => gate.authenticate(request([['host', 'localhost']])));
  assert.equal(challengeOf(error), 'Bearer realm="mcp-bridge"');
  assert.deepEqual(failures, ['missing']);
});

test('a principal keeps its scope over the wire, and the cache of principals stays small', async () => {
  const { gate } = gateWith();
  const principal = await gate.authenticate(withToken('ci-token'));
  const cache = new Map<string, Principal>();
  const carried = principalFromWire(principal.wire, cache);
  assert.deepEqual(carried, principal);
  assert.deepEqual([...(carried.servers ?? [])], ['fetch']);
  assert.deepEqual(carried.tools, { deny: ['write_*'] });
  assert.equal(carried.bridge, false);
  assert.equal(principalFromWire(principal.wire, cache), carried);
  for (let i = 0; i < 3000; i++) {
    principalFromWire(JSON.stringify({ key: `jwt:i|${i}`, tools: {}, bridge: false }), cache);
  }
  assert.ok(cache.size <= 1024);
  assert.equal((await gate.authenticate(withToken('ops-token'))).servers, undefined);
});

test('the metrics have a token of their own', async () => {
  const open = gateWith();
  open.gate.authorizeMetrics(request([['host', 'localhost']]));
  const { gate, failures } = gateWith({ metricsToken: 'm-token' });
  gate.authorizeMetrics(withToken('m-token'));
  for (const asked of [request([]), withToken('old-token')]) {
    const error = await refusal(() => gate.authorizeMetrics(asked));
    assert.equal(error.code, 'unauthorized');
  }
  assert.deepEqual(failures, ['missing', 'metrics']);
});

for (const [trustProxy, peer, forwarded, expected] of [
  [false, '10.0.0.1', ['1.2.3.4'], '10.0.0.1'],
  [false, '0000:0000:0000:0000:0000:ffff:7f00:0001', [], '127.0.0.1'],
  [['10.0.0.0/8'], '10.0.0.1', ['1.2.3.4'], '1.2.3.4'],
  [['10.0.0.0/8'], '::ffff:10.0.0.1', ['1.2.3.4'], '1.2.3.4'],
  [['10.0.0.0/8'], '10.0.0.1', ['6.6.6.6, 1.2.3.4'], '1.2.3.4'],
  [['10.0.0.0/8'], '10.0.0.1', ['6.6.6.6, 1.2.3.4, 10.9.9.9'], '1.2.3.4'],
  [['10.0.0.0/8'], '10.0.0.1', ['6.6.6.6', '1.2.3.4'], '1.2.3.4'],
  [['10.0.0.0/8'], '10.0.0.1', ['6.6.6.6, nonsense'], '10.0.0.1'],
  [['10.0.0.0/8'], '10.0.0.1', ['[2001:DB8::1]:443'], '2001:db8::1'],
  [['10.0.0.0/8'], '9.9.9.9', ['1.2.3.4'], '9.9.9.9'],
  [['2001:db8::/32', '127.0.0.1'], '127.0.0.1', ['5.5.5.5:80, 2001:db8:0::7'], '5.5.5.5'],
  [true, '10.0.0.1', ['1.2.3.4, 5.6.7.8'], '1.2.3.4'],
  [true, '10.0.0.1', [], '10.0.0.1'],
] as const) {
  test(`TRUST_PROXY ${trustProxy}, peer ${peer}, X-Forwarded-For ${JSON.stringify(forwarded)}: ${expected}`, () => {
    const { gate } = gateWith({ trustProxy });
    assert.equal(
      gate.clientAddress(
        request(
          forwarded.map((value) => ['x-forwarded-for', value]),
          peer,
        ),
      ),
      expected,
    );
  });
}

test('an address has one spelling', () => {
  assert.equal(canonicalAddress('2001:DB8:0:0::1'), '2001:db8::1');
  assert.equal(canonicalAddress('fe80::1%eth0'), 'fe80::1');
  assert.equal(canonicalAddress('1.2.3'), undefined);
  assert.equal(canonicalAddress('[1.2.3.4'), undefined);
});

test('a client has one address in IPv4, and a /64 in IPv6', () => {
  for (const [address, network] of [
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8:1:2::', '2001:db8:1:2'],
    ['::1', '0:0:0:0'],
    ['fe80::a:b:c:d', 'fe80:0:0:0'],
    ['1:2:3::5:6:7:8', '1:2:3:0'],
    ['1::4:5:6:7:8', '1:0:0:4'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0'],
  ] as const) {
    assert.equal(networkOf(address), network, address);
  }
});

/** A key server, and a signer whose key it publishes. */
async function issuer(t: TestContext) {
  const keys: JWK[] = [];
  let fetches = 0;
  const server = createServer((_, res) => {
    fetches++;
    res.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const addKey = async (kid: string, alg: 'RS256' | 'ES256' | 'EdDSA' = 'ES256') => {
    const { publicKey, privateKey } = await generateKeyPair(alg);
    keys.push({ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' });
    const sign = (claims: Record<string, unknown> = {}): Promise<string> =>
      new SignJWT({ iss: ISSUER, aud: 'mcp-bridge', sub: 'alice', exp: nowSeconds() + 600, ...claims })
        .setProtectedHeader({ alg, kid })
        .sign(privateKey);
    return { sign, publicKey };
  };
  const jwt = {
    issuer: ISSUER,
    audience: 'mcp-bridge',
    jwksUri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
  };
  return { jwt, keys, addKey, server, fetches: () => fetches };
}

const ISSUER = 'https://id.example.com';
const nowSeconds = (): number => Math.floor(Date.now() / 1000);
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a JWT becomes a principal with what its claims grant, and is verified once', async (t) => {
  const { jwt, addKey, fetches } = await issuer(t);
  const { sign } = await addKey('k1');
  const { gate, failures } = gateWith({ jwt });
  const token = await sign({ mcp_servers: ['fetch', 'github'], scope: 'openid mcp:bridge' });
  const principal = await gate.authenticate(withToken(token));
  assert.equal(principal.key, `jwt:${ISSUER}|alice`);
  assert.deepEqual([...(principal.servers ?? [])], ['fetch', 'github']);
  assert.equal(principal.bridge, true);
  assert.equal(gate.authenticate(withToken(token)), principal, 'the second time it is no promise');
  const narrow = await gate.authenticate(withToken(await sign({ sub: 'bob', mcp_servers: [] })));
  assert.deepEqual([...(narrow.servers ?? ['all'])], []);
  assert.equal(narrow.bridge, false);
  assert.equal(fetches(), 1);
  assert.deepEqual(failures, []);
});

test('a refreshed JWT is the same principal', async (t) => {
  const { jwt, addKey } = await issuer(t);
  const { sign } = await addKey('k1', 'RS256');
  const { gate } = gateWith({ jwt });
  const first = await gate.authenticate(withToken(await sign({ jti: '1' })));
  const second = await gate.authenticate(withToken(await sign({ jti: '2' })));
  assert.equal(first.key, second.key);
});

test('ACCESS_TOKEN, named tokens and JWTs add up', async (t) => {
  const { jwt, addKey } = await issuer(t);
  const { sign } = await addKey('k1', 'EdDSA');
  const { gate } = gateWith({ jwt });
  const tokens = ['old-token', 'ci-token', await sign()];
  const keys = await Promise.all(
    tokens.map(async (token) => (await gate.authenticate(withToken(token))).key),
  );
  assert.deepEqual(keys, ['access-token', 'token:ci', `jwt:${ISSUER}|alice`]);
});

test('JWTs that are wrong in any way are refused with a challenge that names the metadata', async (t) => {
  const { jwt, addKey } = await issuer(t);
  const { sign, publicKey } = await addKey('k1', 'RS256');
  const stranger = await generateKeyPair('RS256');
  const good = { iss: ISSUER, aud: 'mcp-bridge', sub: 'alice', exp: nowSeconds() + 600 };
  const confused = `${part({ alg: 'HS256', kid: 'k1' })}.${part(good)}`;
  const hmac = createHmac('sha256', await exportSPKI(publicKey))
    .update(confused)
    .digest('base64url');
  const table: readonly (readonly [what: string, token: string, reason: AuthFailure])[] = [
    ['alg none', `${part({ alg: 'none' })}.${part(good)}.`, 'invalid'],
    ['HS256 with the public key', `${confused}.${hmac}`, 'invalid'],
    ['wrong audience', await sign({ aud: 'other' }), 'invalid'],
    ['wrong issuer', await sign({ iss: 'https://evil.example' }), 'invalid'],
    ['expired', await sign({ exp: nowSeconds() - 31 }), 'expired'],
    ['not yet valid', await sign({ nbf: nowSeconds() + 120 }), 'invalid'],
    ['no expiry', await sign({ exp: undefined }), 'invalid'],
    ['no subject', await sign({ sub: undefined }), 'invalid'],
    ['empty subject', await sign({ sub: '' }), 'invalid'],
    ['mcp_servers not an array', await sign({ mcp_servers: 'fetch' }), 'invalid'],
    ['unknown key id', (await sign()).replace(/^[^.]+/, part({ alg: 'RS256', kid: 'k9' })), 'invalid'],
    [
      "a stranger's signature",
      await new SignJWT(good).setProtectedHeader({ alg: 'RS256', kid: 'k1' }).sign(stranger.privateKey),
      'invalid',
    ],
    ['changed claims', (await sign()).replace(/\.[^.]+\./, `.${part({ ...good, sub: 'root' })}.`), 'invalid'],
    ['not base64', 'a.b.c', 'invalid'],
  ];
  const { gate, failures } = gateWith({ jwt });
  for (const [what, token, reason] of table) {
    const error = await refusal(() => gate.authenticate(withToken(token)));
    assert.equal(error.code, 'unauthorized', what);
    assert.equal(failures.at(-1), reason, what);
    assert.equal(
      challengeOf(error),
      'Bearer realm="mcp-bridge", error="invalid_token", ' +
        'resource_metadata="http://localhost/.well-known/oauth-protected-resource"',
    );
  }
  assert.equal(failures.length, table.length);
});

test('a clock that is 20 s off is tolerated', async (t) => {
  const { jwt, addKey } = await issuer(t);
  const { sign } = await addKey('k1');
  const { gate } = gateWith({ jwt });
  await gate.authenticate(withToken(await sign({ exp: nowSeconds() - 20 })));
  await gate.authenticate(withToken(await sign({ nbf: nowSeconds() + 20 })));
});

test('a verified JWT is trusted until it expires and no longer', async (t) => {
  const { jwt, addKey } = await issuer(t);
  const { sign } = await addKey('k1');
  let timeMs = Date.now();
  const { gate, failures } = gateWith({ jwt }, () => timeMs);
  const token = await sign({ exp: nowSeconds() + 60 });
  const principal = await gate.authenticate(withToken(token));
  timeMs += 60_000;
  assert.equal(gate.authenticate(withToken(token)), principal);
  timeMs += 40_000;
  await refusal(() => gate.authenticate(withToken(token)));
  assert.deepEqual(failures, ['expired']);
});

test('a rotated key is found, an old one forgotten, and made-up keys cause no flood of fetches', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  const { jwt, addKey, keys, fetches } = await issuer(t);
  const old = await addKey('k1');
  const { gate } = gateWith({ jwt });
  await gate.authenticate(withToken(await old.sign()));
  const next = await addKey('k2');
  keys.shift();
  const token = await next.sign();
  for (let i = 0; i < 5; i++) await refusal(() => gate.authenticate(withToken(token)));
  assert.equal(fetches(), 1);
  t.mock.timers.tick(11_000);
  assert.equal((await gate.authenticate(withToken(token))).key, `jwt:${ISSUER}|alice`);
  assert.equal(fetches(), 2);
  const stale = await old.sign({ jti: '2' });
  await refusal(() => gate.authenticate(withToken(stale)));
});

test('an issuer that is down is a 503 that says so, and recovers', async (t) => {
  const { jwt, addKey, server } = await issuer(t);
  const { sign } = await addKey('k1');
  const { port } = server.address() as AddressInfo;
  server.close();
  const { gate, failures } = gateWith({ jwt });
  const token = await sign();
  const error = await refusal(() => gate.authenticate(withToken(token)));
  assert.equal(error.code, 'auth_unavailable');
  assert.equal(error.status, 503);
  assert.match(error.message, /keys of the token issuer/);
  assert.deepEqual(failures, ['unavailable']);
  await gate.authenticate(withToken('old-token'));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  assert.equal((await gate.authenticate(withToken(token))).key, `jwt:${ISSUER}|alice`);
});

async function refusal(run: () => unknown): Promise<BridgeError> {
  try {
    await run();
  } catch (error) {
    assert.ok(error instanceof BridgeError, String(error));
    return error;
  }
  return assert.fail('was let in');
}

function challengeOf(error: BridgeError): string | undefined {
  return new Map(error.details.headers).get('WWW-Authenticate');
}

test('a reload knows the new tokens, has forgotten the old, and asks an unchanged issuer for nothing', async (t) => {
  const { jwt, addKey, fetches } = await issuer(t);
  const { sign } = await addKey('k1');
  const { gate } = gateWith({ jwt });
  const signed = await sign();
  await gate.authenticate(withToken(signed));
  assert.equal((await gate.authenticate(withToken('old-token'))).key, 'access-token');
  gate.adopt({ accessTokens: ['fresh-token'], tokens: [], jwt: { ...jwt } });
  for (const gone of ['old-token', 'ci-token']) {
    assert.equal(
      codeOf(() => gate.authenticate(withToken(gone))),
      'unauthorized',
    );
  }
  assert.equal((await gate.authenticate(withToken('fresh-token'))).key, 'access-token');
  assert.equal((await gate.authenticate(withToken(signed))).key, `jwt:${ISSUER}|alice`);
  assert.equal(fetches(), 1);
});

test('a JWT whose verification a reload overtakes is judged by what the reload trusts', async (t) => {
  const { jwt, addKey } = await issuer(t);
  const { sign } = await addKey('k1');
  const { gate } = gateWith({ jwt });
  const pending = gate.authenticate(withToken(await sign()));
  gate.adopt({ accessTokens: ['fresh-token'], tokens: [] });
  await assert.rejects(async () => pending, { code: 'unauthorized' });
});
