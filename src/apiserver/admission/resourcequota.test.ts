import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type CustomResourceDefinition,
  customResourceDefinitions,
  limitRanges,
  persistentVolumeClaims,
  type Pod,
  pods,
  type ResourceQuota,
  resourceQuotas,
  serviceAccounts,
  services,
} from '../../api/index.ts';
import type { Resource } from '../../machinery/index.ts';
import { type Cluster, startCluster } from '../../testing/index.ts';

const at = (name: string) => ({ name, namespace: 'default' });
const hard = (amounts: Record<string, string>, more: object = {}): ResourceQuota =>
  ({ metadata: at('q'), spec: { hard: amounts, ...more } }) as ResourceQuota;

function pod(name: string, resources: object = {}, more: object = {}): Pod {
  return { metadata: at(name), spec: { containers: [{ name: 'c', image: 'i', resources }], ...more } } as Pod;
}

async function limited(quota: ResourceQuota): Promise<Cluster> {
  const cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  await cluster.eventually(() => client.get(serviceAccounts, at('default')));
  await client.create(resourceQuotas, quota);
  await cluster.eventually(async () => (await used(cluster)) !== undefined);
  return cluster;
}

async function used({ client }: Cluster): Promise<Record<string, string> | undefined> {
  return (await client.get<ResourceQuota>(resourceQuotas, at('q'))).status?.used;
}

const usage = (cpu: string) => ({ requests: { cpu }, limits: { cpu } });

test('a pod beyond the quota is refused in words that say by how much', async () => {
  await using cluster = await limited(hard({ pods: '2', 'requests.cpu': '1', 'count/configmaps': '10' }));
  const { client } = cluster;
  assert.equal((await used(cluster))?.pods, '0');
  assert.equal((await used(cluster))?.['count/configmaps'], '1');
  await client.create(pods, pod('a', usage('600m')));
  assert.deepEqual(await used(cluster), { pods: '1', 'requests.cpu': '600m', 'count/configmaps': '1' });
  await assert.rejects(client.create(pods, pod('b', usage('600m'))), {
    reason: 'Forbidden',
    message:
      'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1',
  });
  await assert.rejects(client.create(pods, pod('b')), {
    message: 'pods "b" is forbidden: failed quota: q: must specify requests.cpu for: c',
  });
  assert.equal((await used(cluster))?.pods, '1');
});

test('what goes gives its share back, and so does a pod that has ended', async () => {
  await using cluster = await limited(hard({ pods: '2' }));
  const { client } = cluster;
  const [a] = [await client.create(pods, pod('a')), await client.create(pods, pod('b'))];
  await assert.rejects(client.create(pods, pod('c')), { reason: 'Forbidden' });
  await client.delete(pods, at('b'), { gracePeriodSeconds: 0 });
  await cluster.eventually(async () => (await used(cluster))?.pods === '1');
  await client.update<Pod>(pods, { ...a, status: { ...a.status, phase: 'Succeeded' } } as Pod, {
    subresource: 'status',
  });
  await cluster.eventually(async () => (await used(cluster))?.pods === '0');
});

test('many at once never take more than there is', async () => {
  await using cluster = await limited(hard({ pods: '7' }));
  const made = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => cluster.client.create(pods, pod(`p${i}`))),
  );
  assert.equal(made.filter(({ status }) => status === 'fulfilled').length, 7);
  assert.equal((await used(cluster))?.pods, '7');
});

test('a dry run takes nothing', async () => {
  await using cluster = await limited(hard({ pods: '1' }));
  await cluster.client.create(pods, pod('a'), { dryRun: true });
  assert.equal((await used(cluster))?.pods, '0');
});

test('a quota of a scope counts only what is in it', async () => {
  const scopeSelector = {
    matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['system-node-critical'] }],
  };
  await using cluster = await limited(hard({ pods: '1' }, { scopeSelector }));
  const { client } = cluster;
  for (const name of ['a', 'b']) await client.create(pods, pod(name));
  assert.equal((await used(cluster))?.pods, '0');
  const critical = { priorityClassName: 'system-node-critical' };
  await client.create(pods, pod('c', {}, critical));
  await assert.rejects(client.create(pods, pod('d', {}, critical)), {
    message: /exceeded quota: q, requested: pods=1/,
  });
});

test('services count their ports, claims their bytes and classes', async () => {
  const gold = 'gold.storageclass.storage.k8s.io/requests.storage';
  await using cluster = await limited(hard({ 'services.nodeports': '2', services: '3', [gold]: '10Gi' }));
  const { client } = cluster;
  const ports = [
    { name: 'a', port: 1 },
    { name: 'b', port: 2 },
  ];
  const service = await client.create(services, { metadata: at('s'), spec: { type: 'NodePort', ports } });
  await assert.rejects(client.create(services, { metadata: at('t'), spec: { type: 'NodePort', ports } }), {
    message: /requested: services.nodeports=2, used: services.nodeports=2, limited: services.nodeports=2/,
  });
  await client.update(services, { ...service, spec: { ...service.spec, type: 'ClusterIP' } });
  await cluster.eventually(async () => (await used(cluster))?.['services.nodeports'] === '0');
  const claim = (name: string, storage: string, storageClassName: string) => ({
    metadata: at(name),
    spec: { accessModes: ['ReadWriteOnce' as const], storageClassName, resources: { requests: { storage } } },
  });
  await client.create(persistentVolumeClaims, claim('a', '8Gi', 'gold'));
  await client.create(persistentVolumeClaims, claim('b', '800Gi', 'clay'));
  await assert.rejects(client.create(persistentVolumeClaims, claim('c', '8Gi', 'gold')), { reason: 'Forbidden' });
  assert.deepEqual((await used(cluster))?.[gold], '8Gi');
});

test('custom resources are counted, and given back when they go', async () => {
  await using cluster = await limited(hard({ pods: '1', 'count/things.example.com': '1' }));
  const { client } = cluster;
  const names = { plural: 'things', kind: 'Thing', singular: 'thing', listKind: 'ThingList' };
  const schema = { openAPIV3Schema: { type: 'object' } };
  await client.create(customResourceDefinitions, {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names,
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  } as CustomResourceDefinition);
  const things: Resource = { group: 'example.com', version: 'v1', resource: 'things', kind: 'Thing', namespaced: true };
  const thing = (name: string) => ({ apiVersion: 'example.com/v1', kind: 'Thing', metadata: at(name) });
  await cluster.eventually(async () => (await used(cluster))?.['count/things.example.com'] === '0', {
    within: 600_000,
  });
  await client.create(things, thing('a'));
  await assert.rejects(client.create(things, thing('b')), {
    message: /exceeded quota: q, requested: count\/things.example.com=1, used: count\/things.example.com=1/,
  });
  await client.delete(things, at('a'));
  await cluster.eventually(async () => (await used(cluster))?.['count/things.example.com'] === '0');
});

test('a limit range gives defaults, says so, and refuses what is outside', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  await cluster.eventually(() => client.get(serviceAccounts, at('default')));
  await client.create(limitRanges, {
    metadata: at('range'),
    spec: {
      limits: [
        {
          type: 'Container',
          default: { cpu: '500m' },
          defaultRequest: { cpu: '100m' },
          min: { cpu: '50m' },
          max: { cpu: '2' },
          maxLimitRequestRatio: { cpu: '10' },
        },
        { type: 'Pod', max: { memory: '1Gi' } },
        { type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '2Gi' } },
      ],
    },
  });
  const within = { requests: { memory: '1Gi' }, limits: { memory: '1Gi' } };
  const made = await client.create(pods, pod('a', within));
  assert.deepEqual(made.spec!.containers[0]!.resources, {
    limits: { cpu: '500m', memory: '1Gi' },
    requests: { cpu: '100m', memory: '1Gi' },
  });
  assert.equal(
    made.metadata.annotations?.['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: cpu request for container c; cpu limit for container c',
  );
  assert.equal(made.status?.qosClass, 'Burstable');
  const refused = (resources: object, message: string) =>
    assert.rejects(client.create(pods, pod('b', resources)), {
      reason: 'Forbidden',
      message: `pods "b" is forbidden: ${message}`,
    });
  await refused(
    { requests: { cpu: '40m' }, limits: { cpu: '1', memory: '1Gi' } },
    '[minimum cpu usage per Container is 50m, but request is 40m, cpu max limit to request ratio per Container is 10, but provided ratio is 25.000000]',
  );
  await refused({ limits: { memory: '2Gi' } }, 'maximum memory usage per Pod is 1Gi, but limit is 2Gi');
  await refused({}, 'maximum memory usage per Pod is 1Gi.  No limit is specified');
  await assert.rejects(
    client.create(persistentVolumeClaims, {
      metadata: at('c'),
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '3Gi' } } },
    }),
    {
      message:
        'persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi',
    },
  );
});
