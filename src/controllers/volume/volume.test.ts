/** Claims and volumes find each other, on the real API server and with the real scheduler, in virtual time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  events,
  nodes,
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
  type Pod,
  pods,
  storageClasses,
} from '../../api/index.ts';
import { type Cluster, startCluster } from '../../testing/index.ts';
import { takesPods } from '../testpods.ts';
import { localProvisioner } from './index.ts';

const namespace = 'default';

async function start(): Promise<Cluster> {
  const cluster = await startCluster();
  await cluster.eventually(() => takesPods(cluster.client));
  for (const name of ['a', 'b'])
    await cluster.client.create(nodes, {
      metadata: { name, labels: { 'kubernetes.io/hostname': name } },
      spec: {},
      status: { allocatable: { cpu: '8', memory: '8Gi', pods: '20' }, conditions: [{ type: 'Ready', status: 'True' }] },
    } as never);
  return cluster;
}

function claim(name: string, storage: string, more: object = {}): PersistentVolumeClaim {
  return {
    metadata: { name, namespace },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, storageClassName: '', ...more },
  } as PersistentVolumeClaim;
}

function volume(name: string, storage: string, more: object = {}): PersistentVolume {
  return {
    metadata: { name },
    spec: { capacity: { storage }, accessModes: ['ReadWriteOnce'], hostPath: { path: `/volumes/${name}` }, ...more },
  } as PersistentVolume;
}

function podWith(name: string, volumes: object[]): Pod {
  return { metadata: { name, namespace }, spec: { containers: [{ name: 'c', image: 'x' }], volumes } } as Pod;
}

const bound = (cluster: Cluster, name: string) =>
  cluster.eventually(async () => {
    const found = await cluster.client.get(persistentVolumeClaims, { name, namespace });
    return found.status?.phase === 'Bound' && found.spec.volumeName;
  });

const phase = async ({ client }: Cluster, name: string) =>
  (await client.get(persistentVolumes, { name })).status?.phase;

async function makeDefaultClass({ client }: Cluster): Promise<void> {
  await client.create(storageClasses, {
    metadata: { name: 'local', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: localProvisioner,
    volumeBindingMode: 'WaitForFirstConsumer',
    reclaimPolicy: 'Delete',
  });
}

describe('a claim', () => {
  test('gets the smallest volume that is large enough, and leaves it behind when it goes', async () => {
    await using cluster = await start();
    const { client } = cluster;
    for (const [name, size] of [
      ['large', '10Gi'],
      ['small', '1Gi'],
      ['fitting', '3Gi'],
    ] as const)
      await client.create(persistentVolumes, volume(name, size));
    await client.create(persistentVolumeClaims, claim('c', '2Gi'));
    assert.equal(await bound(cluster, 'c'), 'fitting');
    const { status } = await client.get(persistentVolumeClaims, { name: 'c', namespace });
    assert.deepEqual(status?.capacity, { storage: '3Gi' });
    await cluster.eventually(async () => (await phase(cluster, 'small')) === 'Available');
    await client.delete(persistentVolumeClaims, { name: 'c', namespace });
    await cluster.eventually(async () => (await phase(cluster, 'fitting')) === 'Released');
  });

  test('waits until there is one, and gets the one that is kept for it', async () => {
    await using cluster = await start();
    const { client } = cluster;
    await client.create(persistentVolumeClaims, claim('c', '1Gi'));
    await cluster.eventually(
      async () => (await client.get(persistentVolumeClaims, { name: 'c', namespace })).status?.phase === 'Pending',
    );
    await client.create(persistentVolumes, volume('other', '1Gi', { claimRef: { namespace, name: 'd' } }));
    await client.create(persistentVolumes, volume('kept', '5Gi', { claimRef: { namespace, name: 'c' } }));
    assert.equal(await bound(cluster, 'c'), 'kept');
  });

  test('of the default class gets a folder of the node where its pod runs, deleted with it', async () => {
    await using cluster = await start();
    const { client } = cluster;
    await makeDefaultClass(cluster);
    await client.create(persistentVolumeClaims, claim('c', '1Gi', { storageClassName: undefined }));
    const use = [{ name: 'data', persistentVolumeClaim: { claimName: 'c' } }];
    await client.create(pods, podWith('p', use));
    const name = await bound(cluster, 'c');
    const node = await cluster.eventually(async () => (await client.get(pods, { name: 'p', namespace })).spec.nodeName);
    const { spec } = await client.get(persistentVolumes, { name });
    assert.match(spec.hostPath!.path, new RegExp(`/${name}$`));
    const [term] = spec.nodeAffinity!.required!.nodeSelectorTerms;
    assert.deepEqual(term!.matchExpressions![0]!.values, [node]);
    await client.delete(pods, { name: 'p', namespace }, { gracePeriodSeconds: 0 });
    await client.delete(persistentVolumeClaims, { name: 'c', namespace });
    await cluster.eventually(async () => (await client.list(persistentVolumes)).items.length === 0);
  });

  test('that waits for its pod binds a volume of the right node', async () => {
    await using cluster = await start();
    const { client } = cluster;
    await client.create(storageClasses, {
      metadata: { name: 'static' },
      provisioner: 'kubernetes.io/no-provisioner',
      volumeBindingMode: 'WaitForFirstConsumer',
    });
    const where = { key: 'kubernetes.io/hostname', operator: 'In', values: ['b'] };
    const nodeAffinity = { required: { nodeSelectorTerms: [{ matchExpressions: [where] }] } };
    const local = { storageClassName: 'static', nodeAffinity, hostPath: undefined, local: { path: '/disk' } };
    await client.create(persistentVolumes, volume('disk', '1Gi', local));
    await client.create(persistentVolumeClaims, claim('c', '1Gi', { storageClassName: 'static' }));
    const use = [{ name: 'data', persistentVolumeClaim: { claimName: 'c' } }];
    await client.create(pods, podWith('p', use));
    assert.equal(await bound(cluster, 'c'), 'disk');
    assert.equal(
      await cluster.eventually(async () => (await client.get(pods, { name: 'p', namespace })).spec.nodeName),
      'b',
    );
  });
});

test('a claim says which pod it waits for', async () => {
  await using cluster = await start();
  const { client } = cluster;
  await client.create(storageClasses, {
    metadata: { name: 'late' },
    provisioner: 'kubernetes.io/no-provisioner',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
  await client.create(persistentVolumeClaims, claim('c', '1Gi', { storageClassName: 'late' }));
  const told = (reason: string) =>
    cluster.eventually(
      async () => (await client.list(events, { namespace })).items.find((one) => one.reason === reason)?.message,
    );
  assert.equal(await told('WaitForFirstConsumer'), 'waiting for first consumer to be created before binding');
  await client.create(pods, podWith('p', [{ name: 'data', persistentVolumeClaim: { claimName: 'c' } }]));
  assert.equal(await told('WaitForPodScheduled'), 'waiting for pod p to be scheduled');
});

test('a pod without its claim waits and says why; an ephemeral volume gets its claim', async () => {
  await using cluster = await start();
  const { client } = cluster;
  await makeDefaultClass(cluster);
  await client.create(pods, podWith('lost', [{ name: 'v', persistentVolumeClaim: { claimName: 'none' } }]));
  const told = await cluster.eventually(async () => {
    const { status } = await client.get(pods, { name: 'lost', namespace });
    return status?.conditions?.find((one) => one.type === 'PodScheduled')?.message;
  });
  assert.match(
    told,
    /^0\/2 nodes are available: persistentvolumeclaim "none" not found\. no new claims to deallocate, preemption: /,
  );
  const template = { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } };
  await client.create(pods, podWith('p', [{ name: 'scratch', ephemeral: { volumeClaimTemplate: template } }]));
  await bound(cluster, 'p-scratch');
  await cluster.eventually(async () => (await client.get(pods, { name: 'p', namespace })).spec.nodeName);
});
