import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type PersistentVolume,
  persistentVolumeClaims,
  persistentVolumes,
  type Pod,
  podGroups,
  pods,
  serviceAccounts,
} from '../../api/index.ts';
import { isStatusError } from '../../machinery/index.ts';
import { startCluster } from '../../testing/index.ts';

const at = (name: string) => ({ name, namespace: 'default' });

test('a claim goes after the last pod that uses it', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  await cluster.eventually(() => client.get(serviceAccounts, at('default')));
  const claim = await client.create(persistentVolumeClaims, {
    metadata: at('data'),
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  });
  assert.deepEqual(claim.metadata.finalizers, ['kubernetes.io/pvc-protection']);
  await client.create<Pod>(pods, {
    metadata: at('user'),
    spec: {
      nodeName: 'n',
      containers: [{ name: 'c', image: 'i' }],
      volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }],
    },
  });
  await client.delete(persistentVolumeClaims, at('data'));
  assert.ok((await client.get(persistentVolumeClaims, at('data'))).metadata.deletionTimestamp);
  await client.delete(pods, at('user'), { gracePeriodSeconds: 0 });
  await cluster.eventually(() =>
    client.get(persistentVolumeClaims, at('data')).then(
      () => false,
      (error) => isStatusError(error, 'NotFound'),
    ),
  );
});

test('a volume goes when no claim is bound to it', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  const volume = await client.create<PersistentVolume>(persistentVolumes, {
    metadata: { name: 'v' },
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/tmp' } },
  } as PersistentVolume);
  assert.deepEqual(volume.metadata.finalizers, ['kubernetes.io/pv-protection']);
  await client.update(persistentVolumes, { ...volume, status: { phase: 'Bound' } }, { subresource: 'status' });
  await client.delete(persistentVolumes, { name: 'v' });
  const left = await client.get<PersistentVolume>(persistentVolumes, { name: 'v' });
  assert.ok(left.metadata.deletionTimestamp);
  await client.update(persistentVolumes, { ...left, status: { phase: 'Released' } }, { subresource: 'status' });
  await cluster.eventually(async () => (await client.list(persistentVolumes)).items.length === 0);
});

test('a group goes after the last of its pods that runs', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  await cluster.eventually(() => client.get(serviceAccounts, at('default')));
  const schedulingPolicy = { gang: { minCount: 1 } };
  const group = await client.create(podGroups, { metadata: at('g'), spec: { schedulingPolicy } });
  assert.deepEqual(group.metadata.finalizers, ['scheduling.k8s.io/podgroup-protection']);
  const spec = { containers: [{ name: 'c', image: 'i' }], schedulingGroup: { podGroupName: 'g' } };
  const pod = await client.create<Pod>(pods, { metadata: at('member'), spec });
  await client.delete(podGroups, at('g'));
  assert.ok((await client.get(podGroups, at('g'))).metadata.deletionTimestamp);
  await client.update(pods, { ...pod, status: { ...pod.status, phase: 'Succeeded' } }, { subresource: 'status' });
  await cluster.eventually(async () => (await client.list(podGroups)).items.length === 0);
});
