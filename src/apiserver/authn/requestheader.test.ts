import assert from 'node:assert/strict';
import { request } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { createAuthority, frontProxyName, issue, type KeyPair } from '../index.ts';
import { type Door, openDoor } from '../testkit/index.ts';

const reviews = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
const now = Date.now();
const certificateOf = (authority: KeyPair, commonName: string, organizations: string[] = []) =>
  issue(authority, {
    commonName,
    organizations,
    uses: ['client'],
    notBefore: now - 3600_000,
    notAfter: now + 3600_000,
  });

describe('a proxy in front names who asks', () => {
  const authority = createAuthority('front-proxy', now);
  let door: Door;
  before(async () => {
    door = await openDoor({
      frontProxy: { ...certificateOf(authority, frontProxyName), authority: authority.certificate },
    });
  });
  after(() => door[Symbol.asyncDispose]());

  const joe = { 'X-Remote-User': 'joe', 'X-Remote-Group': ['dev', 'ops'], 'X-Remote-Uid': '42' };
  const ask = (
    pair: KeyPair | undefined,
    headers: Record<string, string | string[]>,
  ): Promise<{ status: number; body: any }> =>
    new Promise((resolve, reject) => {
      const { ca } = door.tls;
      const shown = pair && { cert: pair.certificate, key: pair.key };
      const typed = { 'content-type': 'application/json', ...headers };
      const to = { host: '127.0.0.1', port: door.port, ca, agent: false as const, method: 'POST', path: reviews };
      const sent = request({ ...to, ...shown, headers: typed }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () =>
          resolve({ status: response.statusCode!, body: JSON.parse(Buffer.concat(parts).toString()) }),
        );
      });
      sent.on('error', reject);
      sent.end('{}');
    });

  test('its headers are believed: name, every group, uid and extra', async () => {
    const { status, body } = await ask(certificateOf(authority, frontProxyName), {
      ...joe,
      'X-Remote-Extra-Example.com%2fScopes': ['a', 'b'],
    });
    assert.equal(status, 201);
    const { username, uid, groups, extra } = body.status.userInfo;
    assert.deepEqual([username, uid, groups], ['joe', '42', ['dev', 'ops', 'system:authenticated']]);
    assert.deepEqual({ ...extra }, { 'example.com/scopes': ['a', 'b'] });
  });

  test('without a name in them it is nobody that is known', async () => {
    assert.equal((await ask(certificateOf(authority, frontProxyName), {})).status, 401);
  });

  test('a certificate of its authority under another name is believed in nothing', async () => {
    const master = certificateOf(authority, 'kubernetes-admin', ['system:masters']);
    assert.equal((await ask(master, joe)).status, 401);
    assert.equal((await ask(master, {})).status, 401);
  });

  test('the same headers from a user, or from nobody, mean nothing', async () => {
    const { authority: users } = await door.cluster.listen();
    const ann = await ask(certificateOf(users, 'ann'), joe);
    assert.equal(ann.body.status.userInfo.username, 'ann');
    const impostor = await ask(certificateOf(users, frontProxyName), joe);
    assert.equal(impostor.body.status.userInfo.username, frontProxyName);
    const stranger = await ask(certificateOf(createAuthority('front-proxy', now), frontProxyName), joe);
    assert.equal(stranger.status, 403);
    assert.equal((await ask(undefined, joe)).status, 403);
  });

  test('groups to impersonate are several when the header is', async () => {
    const { admin } = await door.cluster.listen();
    const { body } = await ask(admin, { 'Impersonate-User': 'joe', 'Impersonate-Group': ['dev', 'ops'] });
    assert.deepEqual(body.status.userInfo.groups, ['dev', 'ops', 'system:authenticated']);
  });
});
