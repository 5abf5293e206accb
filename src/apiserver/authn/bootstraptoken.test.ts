import assert from 'node:assert/strict';
import test from 'node:test';
import type { AnyObject } from '../../machinery/index.ts';
import { VirtualClock } from '../../testing/index.ts';
import { BootstrapTokens } from './bootstraptoken.ts';

const good = {
  'token-id': 'abcdef',
  'token-secret': '0123456789abcdef',
  'usage-bootstrap-authentication': 'true',
  'auth-extra-groups': 'system:bootstrappers:workers',
};

function tokensOf(texts: Record<string, string>): BootstrapTokens {
  const data = Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
  );
  const secret = { type: 'bootstrap.kubernetes.io/token', metadata: { name: 'bootstrap-token-abcdef' }, data };
  return new BootstrapTokens(
    async (_, name) => (name === 'bootstrap-token-abcdef' ? (secret as AnyObject) : undefined),
    new VirtualClock(),
  );
}

test('a bootstrap token names its bearer and the groups it was given', async () => {
  assert.deepEqual(await tokensOf(good).authenticate('abcdef.0123456789abcdef'), {
    name: 'system:bootstrap:abcdef',
    groups: ['system:bootstrappers', 'system:bootstrappers:workers'],
  });
  assert.equal(await tokensOf(good).authenticate('eyJhbGciOi.another.kind'), undefined);
});

test('one that is unknown, wrong, expired, or not for this is refused', async () => {
  const refused = (texts: Record<string, string>, token = 'abcdef.0123456789abcdef') =>
    assert.rejects(tokensOf(texts).authenticate(token), { reason: 'Unauthorized' });
  await refused(good, 'fedcba.0123456789abcdef');
  await refused(good, 'abcdef.0123456789abcdee');
  await refused({ ...good, expiration: '1999-01-01T00:00:00Z' });
  await refused({ ...good, expiration: 'soon' });
  await refused({ ...good, 'usage-bootstrap-authentication': 'false' });
  await refused({ ...good, 'auth-extra-groups': 'system:masters' });
});
