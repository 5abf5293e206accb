import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { namespaces, type Pod, pods, serviceAccounts } from '../../api/index.ts';
import { startCluster, type VirtualClock } from '../../testing/index.ts';
import { type Door, openDoor } from '../testkit/index.ts';

const path = '/api/v1/namespaces/default/pods';

describe('the service account of a pod', () => {
  let door: Door;
  before(async () => {
    door = await openDoor();
    for (const body of [
      { metadata: { name: 'default' }, imagePullSecrets: [{ name: 'pull' }] },
      {
        metadata: { name: 'strict', annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } },
        secrets: [{ name: 'mine' }],
      },
    ])
      await door.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { body });
  });
  after(() => door[Symbol.asyncDispose]());

  const create = (name: string, spec: object, annotations: object = {}) =>
    door.ask('POST', path, {
      body: { metadata: { name, annotations }, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } },
    });

  test('brings its pull secrets, and a token that is bound to the pod', async () => {
    const { body } = await create('a', {});
    assert.deepEqual(body.spec.imagePullSecrets, [{ name: 'pull' }]);
    const [volume] = body.spec.volumes;
    assert.match(volume.name, /^kube-api-access-/);
    assert.equal(volume.projected.sources[0].serviceAccountToken.expirationSeconds, 3607);
    assert.equal(body.spec.containers[0].volumeMounts[0].mountPath, '/var/run/secrets/kubernetes.io/serviceaccount');
  });

  test('may limit which secrets its pods use', async () => {
    const account = { serviceAccountName: 'strict' };
    const volume = (secretName: string) => ({ ...account, volumes: [{ name: 'v', secret: { secretName } }] });
    assert.equal((await create('b', volume('mine'))).status, 201);
    const refused = await create('c', volume('other'));
    assert.equal(refused.status, 403);
    assert.match(
      refused.body.message,
      /volume with secret.secretName="other" is not allowed because service account strict/,
    );
    const from = [{ name: 'c', image: 'i', envFrom: [{ secretRef: { name: 'other' } }] }];
    assert.match(
      (await create('d', { ...account, containers: from })).body.message,
      /container c with envFrom referencing/,
    );
    assert.match(
      (await create('e', { ...account, imagePullSecrets: [{ name: 'pull' }] })).body.message,
      /imagePullSecrets\[0\].name="pull" is not allowed/,
    );
  });

  test('is not for mirror pods, nor are secrets', async () => {
    const mirror = { 'kubernetes.io/config.mirror': 'hash' };
    const account = await create('f', { nodeName: 'n', serviceAccountName: 'default' }, mirror);
    assert.match(account.body.message, /a mirror pod may not reference service accounts/);
    const secret = await create('g', { nodeName: 'n', volumes: [{ name: 'v', secret: { secretName: 's' } }] }, mirror);
    assert.match(secret.body.message, /a mirror pod may not reference secrets/);
    assert.equal((await create('h', { nodeName: 'n' }, mirror)).status, 201);
  });
});

test('the first pod of a namespace waits for the account that every namespace is given', async () => {
  await using cluster = await startCluster({ controllers: false, scheduler: false });
  const { client, clock } = cluster;
  await client.create(namespaces, { metadata: { name: 'fresh' }, spec: {} });
  const made = client.create(pods, {
    metadata: { name: 'first', namespace: 'fresh' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });
  await (clock as VirtualClock).advance(300);
  await client.create(serviceAccounts, { metadata: { name: 'default', namespace: 'fresh' } });
  // no time passes any more
  assert.equal((await made).spec!.serviceAccountName, 'default');
});

test('a pod where there is no namespace is refused for that', async () => {
  await using cluster = await startCluster({ controllers: false, scheduler: false });
  const made = cluster.client.create(pods, {
    metadata: { name: 'first', namespace: 'nowhere' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });
  await assert.rejects(made, /namespaces "nowhere" not found/);
});

test('who replaces a pod need not say its priority', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  const body = { metadata: { name: 'p', namespace: 'default' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const made = await cluster.eventually(() => client.create<Pod>(pods, body));
  const { priority: _, preemptionPolicy: __, ...spec } = made.spec!;
  const replaced = await client.update<Pod>(pods, { ...made, spec });
  assert.equal(replaced.spec!.priority, 0);
});
