import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import test from 'node:test';
import { type ConfigMap, configMaps, type Secret, secrets } from '../../api/index.ts';
import { formatTime, isStatusError } from '../../machinery/index.ts';
import { type Cluster, startCluster } from '../../testing/index.ts';

function token({ client, clock }: Cluster, id: string, more: Record<string, string> = {}): Promise<Secret> {
  const texts: Record<string, string> = {
    'token-id': id,
    'token-secret': 'aaaabbbbccccdddd',
    expiration: formatTime(clock.now() + 3600_000),
    'usage-bootstrap-authentication': 'true',
    'usage-bootstrap-signing': 'true',
    ...more,
  };
  const data = Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
  );
  return client.create<Secret>(secrets, {
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    data,
  });
}

test('cluster-info is signed with every token, until the token has expired and is deleted', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  const at = { name: 'cluster-info', namespace: 'kube-public' };
  await client.create<ConfigMap>(configMaps, { metadata: at, data: { kubeconfig: 'content' } });
  await token(cluster, 'abcdef');
  await token(cluster, 'nosign', { 'usage-bootstrap-signing': 'false' });
  const data = async () => (await client.get<ConfigMap>(configMaps, at)).data!;
  const signature = await cluster.eventually(async () => (await data())['jws-kubeconfig-abcdef']);
  const [header, content, signed] = signature.split('.');
  assert.deepEqual(JSON.parse(Buffer.from(header!, 'base64url').toString()), { alg: 'HS256', kid: 'abcdef' });
  assert.equal(content, '');
  const expected = createHmac('sha256', 'aaaabbbbccccdddd').update(
    `${header}.${Buffer.from('content').toString('base64url')}`,
  );
  assert.equal(signed, expected.digest('base64url'));
  await cluster.eventually(async () => Object.keys(await data()).join() === 'kubeconfig', { within: 2 * 3600_000 });
  const gone = await client.get(secrets, { name: 'bootstrap-token-abcdef', namespace: 'kube-system' }).catch((e) => e);
  assert.ok(isStatusError(gone, 'NotFound'));
});
