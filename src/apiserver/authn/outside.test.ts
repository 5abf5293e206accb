/** Tokens that others know: OpenID Connect providers and webhooks, both real HTTPS servers. */
import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { isStatusError } from '../../machinery/index.ts';
import { VirtualClock } from '../../testing/index.ts';
import { createAuthority, issue } from '../pki/index.ts';
import { authenticationConfigurationOf } from './configuration.ts';
import { type JwtConfiguration, oidcTokens } from './oidc/index.ts';
import { WebhookTokens } from './webhook.ts';

const authority = createAuthority('authority', Date.now());

async function serve(t: TestContext, answer: (path: string, body: any) => unknown): Promise<string> {
  const valid = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3600_000 };
  const { certificate, key } = issue(authority, {
    commonName: 'provider',
    hosts: ['127.0.0.1', 'localhost'],
    uses: ['server'],
    ...valid,
  });
  const server = createServer({ cert: certificate, key }, async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    const found = answer(request.url!, text === '' ? undefined : JSON.parse(text));
    response.writeHead(found === undefined ? 500 : 200).end(JSON.stringify(found));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `https://localhost:${(server.address() as AddressInfo).port}`;
}

async function provider(t: TestContext, more: Partial<JwtConfiguration> = {}) {
  const clock = new VirtualClock();
  let fetched = 0;
  const keys: { kid: string; pair: Awaited<ReturnType<typeof generateKeyPair>> }[] = [];
  const rotate = async () => {
    keys.splice(0, 1, { kid: `key-${Math.random()}`, pair: await generateKeyPair('ES256') });
  };
  await rotate();
  let jwks: unknown = [];
  const publish = async () => {
    jwks = await Promise.all(
      keys.map(async ({ kid, pair }) => ({ ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256' })),
    );
  };
  await publish();
  const url: string = await serve(t, (path) => {
    if (path === '/.well-known/openid-configuration') return { issuer: url, jwks_uri: `${url}/keys` };
    fetched++;
    return { keys: jwks };
  });
  const refused: string[] = [];
  const configuration = {
    issuer: { url, audiences: ['cluster'], certificateAuthority: authority.certificate },
    claimMappings: { username: { claim: 'sub', prefix: 'oidc:' }, groups: { claim: 'roles', prefix: 'oidc:' } },
    ...more,
  };
  const [checked] = authenticationConfigurationOf({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthenticationConfiguration',
    jwt: [configuration],
  }).jwt;
  const tokens = oidcTokens(checked!, { clock, refused: (_issuer, why) => refused.push(why) });
  t.after(() => tokens.close());
  const now = () => Math.floor(clock.now() / 1000);
  return {
    clock,
    refused,
    url,
    fetched: () => fetched,
    rotate: async () => {
      await rotate();
      await publish();
    },
    authenticate: (token: string) => Promise.resolve(tokens.authenticate(token)),
    sign: (claims: Record<string, unknown>, aud = 'cluster') =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: keys[0]!.kid })
        .setIssuer(url)
        .setAudience(aud)
        .setIssuedAt(now())
        .setExpirationTime(now() + 600)
        .sign(keys[0]!.pair.privateKey),
  };
}

const unauthorized = (error: unknown) => isStatusError(error, 'Unauthorized');

test("a provider's token makes a user of its claims, with prefixes", async (t) => {
  const { authenticate, sign } = await provider(t);
  assert.deepEqual(await authenticate(await sign({ sub: 'jane', roles: ['dev', 'ops'], jti: 'x1' })), {
    name: 'oidc:jane',
    groups: ['oidc:dev', 'oidc:ops'],
    extra: { 'authentication.kubernetes.io/credential-id': ['JTI=x1'] },
  });
});

test('a token of somebody else is left to others; a wrong or late one is refused', async (t) => {
  const { authenticate, sign, clock, refused } = await provider(t);
  assert.equal(await authenticate('abc'), undefined);
  assert.equal(await authenticate('a.b.c'), undefined);
  await assert.rejects(authenticate(await sign({ sub: 'jane' }, 'elsewhere')), unauthorized);
  const good = await sign({ sub: 'jane' });
  await assert.rejects(authenticate(`${good.slice(0, -4)}AAAA`), unauthorized);
  assert.ok(await authenticate(good));
  await clock.advance(601_000);
  await assert.rejects(authenticate(good), unauthorized);
  assert.match(refused.join('\n'), /"aud".*\n.*signature.*\n.*"exp"/s);
});

test('keys are fetched once, and again when the provider has changed them, not for every unknown one', async (t) => {
  const { authenticate, sign, rotate, clock, fetched } = await provider(t);
  for (const sub of ['a', 'b']) assert.ok(await authenticate(await sign({ sub })));
  assert.equal(fetched(), 1);
  await rotate();
  await assert.rejects(authenticate(await sign({ sub: 'early' })), unauthorized);
  assert.equal(fetched(), 1);
  await clock.advance(10_000);
  assert.ok(await authenticate(await sign({ sub: 'late' })));
  assert.equal(fetched(), 2);
});

test('required claims, expressions over claims and rules about the user', async (t) => {
  const { authenticate, sign, refused } = await provider(t, {
    claimMappings: {
      username: { expression: "'x:' + claims.name" },
      groups: { expression: "claims.roles.split(',')" },
      uid: { claim: 'sub' },
      extra: [{ key: 'example.com/team', valueExpression: 'claims.?team.orValue("")' }],
    },
    claimValidationRules: [
      { claim: 'hd', requiredValue: 'example.com' },
      { expression: 'claims.exp - claims.nbf <= 86400', message: 'it lives too long' },
    ],
    userValidationRules: [{ expression: "!user.username.startsWith('x:system:')", message: 'reserved' }],
  });
  const claims = { sub: '7', name: 'jane', roles: 'a,b', team: 'red', hd: 'example.com', nbf: 0 };
  const far = { ...claims, nbf: 1 };
  await assert.rejects(authenticate(await sign(far)), unauthorized);
  const nbf = Math.floor(new VirtualClock().now() / 1000);
  assert.deepEqual(await authenticate(await sign({ ...claims, nbf })), {
    name: 'x:jane',
    uid: '7',
    groups: ['a', 'b'],
    extra: { 'example.com/team': ['red'] },
  });
  for (const wrong of [{ hd: undefined }, { hd: 'other' }, { name: 'system:admin' }, { name: 7 }])
    await assert.rejects(authenticate(await sign({ ...claims, nbf, ...wrong })), unauthorized);
  assert.deepEqual(refused.slice(0, 4), [
    'it lives too long',
    'required claim hd not present',
    'required claim hd has another value',
    'reserved',
  ]);
});

const valid = {
  issuer: { url: 'https://a.example', audiences: ['c'] },
  claimMappings: { username: { claim: 'sub', prefix: '' } },
};
for (const [name, jwt, wanted] of [
  [
    'an issuer without TLS',
    { ...valid, issuer: { ...valid.issuer, url: 'http://a.example' } },
    /jwt\[0\].issuer.url: .*https/,
  ],
  ['no audience', { ...valid, issuer: { url: 'https://a.example', audiences: [] } }, /audiences: at least one/],
  [
    'a claim without a prefix',
    { ...valid, claimMappings: { username: { claim: 'sub' } } },
    /username.prefix: it is required/,
  ],
  [
    'claim and expression',
    { ...valid, claimMappings: { username: { claim: 'a', prefix: '', expression: 'b' } } },
    /exactly one/,
  ],
  [
    'an address nobody verified',
    { ...valid, claimMappings: { username: { expression: 'claims.email' } } },
    /email_verified must be used/,
  ],
] as const)
  test(`a configuration with ${name} is refused`, () => {
    const file = { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration', jwt: [jwt] };
    assert.throws(() => authenticationConfigurationOf(file), wanted);
  });

test('an expression that does not compile is refused with its field', () => {
  const mappings = { username: { expression: 'claims.(' } };
  assert.throws(
    () => oidcTokens({ ...valid, claimMappings: mappings }, { clock: new VirtualClock() }),
    /claimMappings.username.expression: /,
  );
});

test('a webhook is asked once for a token, and again when its answer is old', async (t) => {
  const clock = new VirtualClock();
  const asked: any[] = [];
  const url = await serve(t, (_path, body) => {
    asked.push(body);
    const user = { username: 'jane', groups: ['dev'], extra: { a: ['1'] } };
    return { ...body, status: body.spec.token === 'good' ? { authenticated: true, user } : { authenticated: false } };
  });
  const tokens = new WebhookTokens({ remote: { url, ca: authority.certificate }, clock, cacheTtl: 60_000 });
  t.after(() => tokens.close());
  const user = { name: 'jane', groups: ['dev'], extra: { a: ['1'] } };
  assert.deepEqual(await Promise.all([tokens.authenticate('good'), tokens.authenticate('good')]), [user, user]);
  assert.deepEqual(await tokens.authenticate('good'), user);
  assert.equal(await tokens.authenticate('bad'), undefined);
  assert.equal(asked.length, 2);
  assert.deepEqual(
    [asked[0].kind, asked[0].apiVersion, asked[0].spec],
    ['TokenReview', 'authentication.k8s.io/v1', { token: 'good' }],
  );
  await clock.advance(60_001);
  await tokens.authenticate('good');
  assert.equal(asked.length, 3);
});

test('a webhook that fails knows nobody, and is asked again', async (t) => {
  const failures: string[] = [];
  const url = await serve(t, () => undefined);
  const options = { remote: { url, ca: authority.certificate }, clock: new VirtualClock() };
  const tokens = new WebhookTokens({ ...options, failed: ({ message }) => failures.push(message) });
  t.after(() => tokens.close());
  for (let i = 0; i < 2; i++) assert.equal(await tokens.authenticate('secret-token'), undefined);
  assert.equal(failures.length, 2);
  assert.match(failures[0]!, /status 500/);
  assert.ok(!failures.join().includes('secret-token'));
});
