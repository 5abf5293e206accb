/** Providers of tokens come and go with the file that names them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createAuthority, issue } from '../apiserver/index.ts';
import { MetricSet, seededRandom } from '../machinery/index.ts';
import { parseExposition, valueOf } from '../machinery/testkit/exposition.ts';
import { settle, VirtualClock } from '../testing/index.ts';
import { authenticationOf } from './authentication.ts';

const authority = createAuthority('authority', Date.now());

async function provider(t: TestContext) {
  const valid = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3600_000 };
  const made = issue(authority, { commonName: 'provider', hosts: ['localhost'], uses: ['server'], ...valid });
  const pair = await generateKeyPair('ES256');
  const keys = [{ ...(await exportJWK(pair.publicKey)), kid: 'a', alg: 'ES256' }];
  const server = createServer({ cert: made.certificate, key: made.key }, (request, response) => {
    const isIndex = request.url === '/.well-known/openid-configuration';
    response.end(JSON.stringify(isIndex ? { issuer: url, jwks_uri: `${url}/keys` } : { keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `https://localhost:${(server.address() as AddressInfo).port}`;
  const sign = (now: number) =>
    new SignJWT({ sub: 'jane' })
      .setProtectedHeader({ alg: 'ES256', kid: 'a' })
      .setIssuer(url)
      .setAudience('cluster')
      .setIssuedAt(now)
      .setExpirationTime(now + 86_400)
      .sign(pair.privateKey);
  const jwt = {
    issuer: { url, audiences: ['cluster'], certificateAuthority: authority.certificate },
    claimMappings: { username: { claim: 'sub', prefix: `${url}#` } },
  };
  return { jwt, sign, url };
}

test('a provider that is added or removed is known within a minute; a broken file changes nothing', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'authentication-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'authentication.yaml');
  const write = (content: object) =>
    writeFileSync(
      file,
      JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration', ...content }),
    );
  const [one, other] = [await provider(t), await provider(t)];
  const clock = new VirtualClock();
  const metrics = new MetricSet();
  const errors: string[] = [];
  const log = { debug() {}, info() {}, warn() {}, error: (fields: any) => void errors.push(fields.err.message) };
  write({ jwt: [one.jwt] });
  const { tokens, close } = await authenticationOf(file, { clock, random: seededRandom(1), log, metrics });
  t.after(close);
  const reloads = (status: string) =>
    valueOf(parseExposition(metrics.text()), 'apiserver_authentication_config_controller_automatic_reloads_total', {
      status,
    });
  const whoIs = async (of: typeof one) =>
    (await tokens.authenticate(await of.sign(Math.floor(clock.now() / 1000))))?.name;
  assert.equal(await whoIs(one), `${one.url}#jane`);
  assert.equal(await whoIs(other), undefined);
  const afterChange = async (status: string, count: number) => {
    await clock.advance(60_000);
    while (reloads(status) !== count) await settle();
  };
  write({ jwt: [other.jwt] });
  await afterChange('success', 1);
  assert.equal(await whoIs(one), undefined);
  assert.equal(await whoIs(other), `${other.url}#jane`);
  write({ jwt: [{ ...other.jwt, claimMappings: {} }] });
  await afterChange('failure', 1);
  write({ jwt: [other.jwt], anonymous: { enabled: false } });
  await afterChange('failure', 2);
  assert.equal(await whoIs(other), `${other.url}#jane`);
  assert.match(errors[0]!, /^jwt\[0\]\.claimMappings\.username: it is required/);
  assert.match(errors[1]!, /^anonymous: it stays as the server was started with; start it again/);
});
