import assert from 'node:assert/strict';
import test from 'node:test';
import { type Pod, pods, type ResourceClaim, resourceClaims, resourceClaimTemplates } from '../../api/index.ts';
import { settle, startCluster } from '../../testing/index.ts';
import { report } from '../testpods.ts';
import { resourceClaimFor } from './index.ts';

const namespace = 'default';
const spec = { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpus' } }] } };
const podOf = (more: object): Pod =>
  ({
    metadata: { name: 'p', namespace },
    spec: { containers: [{ name: 'c', image: 'x' }], restartPolicy: 'Never', ...more },
  }) as Pod;

test('a pod gets a claim of its template, also when the template comes later; it goes with the end of the pod', async () => {
  await using cluster = await startCluster({ scheduler: false });
  await settle();
  const { client } = cluster;
  await client.create(pods, podOf({ resourceClaims: [{ name: 'mine', resourceClaimTemplateName: 'one' }] }));
  await client.create(resourceClaimTemplates, {
    metadata: { name: 'one', namespace },
    spec: { metadata: { labels: { team: 'a' } }, spec },
  });
  const told = await cluster.eventually(
    async () => (await client.get(pods, { namespace, name: 'p' })).status?.resourceClaimStatuses,
  );
  const [claim, ...more] = (await client.list<ResourceClaim>(resourceClaims)).items;
  assert.equal(more.length, 0);
  assert.deepEqual(told, [{ name: 'mine', resourceClaimName: claim!.metadata.name }]);
  assert.match(claim!.metadata.name!, /^p-mine-/);
  assert.equal(claim!.metadata.labels!.team, 'a');
  assert.equal(claim!.metadata.ownerReferences![0]!.name, 'p');
  const pod = await client.get(pods, { namespace, name: 'p' });
  await report(client, pod, { phase: 'Succeeded', ready: false, exitCode: 0, now: cluster.clock.now() });
  await cluster.eventually(async () => (await client.list(resourceClaims)).items.length === 0);
});

test('what a pod held is given back when it is gone, and a protected claim may then be deleted', async () => {
  await using cluster = await startCluster({ scheduler: false });
  await settle();
  const { client } = cluster;
  const pod = await client.create<Pod>(
    pods,
    podOf({ resourceClaims: [{ name: 'mine', resourceClaimName: 'shared' }] }),
  );
  const finalizers = ['resource.kubernetes.io/delete-protection'];
  const claim = await client.create<ResourceClaim>(resourceClaims, {
    metadata: { name: 'shared', namespace, finalizers },
    spec,
  });
  const allocation = { devices: { results: [{ request: 'gpu', driver: 'd.example.com', pool: 'a', device: 'g0' }] } };
  const reservedFor = [{ resource: 'pods', name: 'p', uid: pod.metadata.uid! }];
  await client.update(resourceClaims, { ...claim, status: { allocation, reservedFor } }, { subresource: 'status' });
  await client.delete(pods, { namespace, name: 'p' }, { gracePeriodSeconds: 0 });
  const freed = await cluster.eventually(async () => {
    const now = await client.get<ResourceClaim>(resourceClaims, { namespace, name: 'shared' });
    return !now.metadata.finalizers?.length && now;
  });
  assert.equal(freed.status?.allocation, undefined);
  assert.equal(freed.status?.reservedFor, undefined);
});

test('long names are both shortened', () => {
  const pod = { metadata: { name: 'p'.repeat(80), namespace, uid: 'u' }, spec: {} } as Pod;
  const made = resourceClaimFor(pod, 'c'.repeat(40), { metadata: {}, spec: { spec } });
  assert.match(made.metadata.generateName!, /^p{20,}-c{10,}-$/);
  assert.ok(made.metadata.generateName!.length <= 58);
});
