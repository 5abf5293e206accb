/** The controllers on the real API server, with the real scheduler and node agents, in virtual time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  configMaps,
  type Deployment,
  deployments,
  endpoints,
  type EndpointSlice,
  endpointSlices,
  namespaces,
  nodes,
  type Pod,
  pods,
  type ReplicaSet,
  replicaSets,
  type Service,
  serviceAccounts,
  services,
} from '../api/index.ts';
import { isStatusError } from '../machinery/index.ts';
import { type Cluster, startCluster, type VirtualClock } from '../testing/index.ts';

const namespace = 'default';

function web(replicas: number, spec: object = {}, image = 'web:1'): Deployment {
  return {
    metadata: { name: 'web', namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'c', image, ports: [{ name: 'http', containerPort: 8080 }] }] },
      },
      ...spec,
    },
  } as Deployment;
}

const list = async <T>(
  cluster: Cluster,
  resource: Parameters<Cluster['client']['list']>[0],
  in_ = namespace,
): Promise<T[]> => (await cluster.client.list(resource, { namespace: in_ })).items as T[];

const released = (cluster: Cluster, replicas: number) =>
  cluster.eventually(async () => {
    const { status, metadata } = await cluster.client.get(deployments, { namespace, name: 'web' });
    return (
      status?.observedGeneration === metadata.generation &&
      (status?.updatedReplicas ?? 0) === replicas &&
      (status?.replicas ?? 0) === replicas &&
      (status?.availableReplicas ?? 0) === replicas
    );
  });

const setImage = (cluster: Cluster, image: string) =>
  cluster.client.patch(
    deployments,
    { namespace, name: 'web' },
    { type: 'strategic', body: { spec: { template: { spec: { containers: [{ name: 'c', image }] } } } } },
  );

const advance = (cluster: Cluster, milliseconds: number) => (cluster.clock as VirtualClock).advance(milliseconds);

describe('a Deployment', () => {
  test('makes a ReplicaSet and pods, and tells when they are available', async () => {
    await using cluster = await startCluster({ nodes: 2 });
    await cluster.client.create(deployments, web(3));
    await released(cluster, 3);
    const [set] = await list<ReplicaSet>(cluster, replicaSets);
    assert.equal(set!.metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
    const { status } = await cluster.client.get(deployments, { namespace, name: 'web' });
    const condition = (type: string) => status?.conditions?.find((one) => one.type === type);
    assert.equal(condition('Available')?.status, 'True');
    assert.equal(condition('Progressing')?.reason, 'NewReplicaSetAvailable');
  });

  test('rolls to a new template, never outside its bounds, and back', async () => {
    await using cluster = await startCluster({ nodes: 2 });
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 2, maxUnavailable: 1 } };
    await cluster.client.create(deployments, web(6, { strategy }));
    await released(cluster, 6);
    let most = 0;
    let fewest = 6;
    const stop = new AbortController();
    const watching = (async () => {
      const alive = new Map<string, boolean>();
      for await (const { type, object } of cluster.client.watch<Pod>(pods, { namespace, signal: stop.signal })) {
        const gone = type === 'DELETED' || object.metadata.deletionTimestamp !== undefined;
        const ready = object.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
        if (gone) alive.delete(object.metadata.uid!);
        else alive.set(object.metadata.uid!, ready);
        if (alive.size < 6) continue;
        most = Math.max(most, alive.size);
        fewest = Math.min(fewest, [...alive.values()].filter(Boolean).length);
      }
    })();
    await cluster.eventually(() => fewest === 6 && most === 6);
    await setImage(cluster, 'web:2');
    await released(cluster, 6);
    stop.abort();
    await watching;
    assert.ok(most > 6 && most <= 8, `at most 8 pods at once, there were ${most}`);
    assert.ok(fewest >= 5, `at least 5 ready at any time, there were ${fewest}`);
    const revisions = (await list<ReplicaSet>(cluster, replicaSets)).map(({ spec, metadata }) => [
      metadata.annotations?.['deployment.kubernetes.io/revision'],
      spec?.replicas,
    ]);
    assert.deepEqual(revisions.sort(), [
      ['1', 0],
      ['2', 6],
    ]);
    await setImage(cluster, 'web:1');
    await released(cluster, 6);
    const old = (await list<ReplicaSet>(cluster, replicaSets)).find((set) => set.spec?.replicas === 6);
    assert.equal(
      old?.metadata.annotations?.['deployment.kubernetes.io/revision'],
      '3',
      'the old set is used again, as a new revision',
    );
  });

  test('with Recreate ends all old pods before it makes a new one', async () => {
    await using cluster = await startCluster({ nodes: 1 });
    await cluster.client.create(deployments, web(2, { strategy: { type: 'Recreate' } }));
    await released(cluster, 2);
    const seen: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      const images = new Map<string, string>();
      for await (const { type, object } of cluster.client.watch<Pod>(pods, { namespace, signal: stop.signal })) {
        // what has ended runs no more, though its object may be there for a moment
        const ended = object.status?.phase === 'Succeeded' || object.status?.phase === 'Failed';
        if (type === 'DELETED' || ended) images.delete(object.metadata.uid!);
        else images.set(object.metadata.uid!, object.spec.containers[0]!.image!);
        if (new Set(images.values()).size > 1) seen.push([...images.values()].join());
      }
    })();
    await setImage(cluster, 'web:2');
    await released(cluster, 2);
    stop.abort();
    await watching;
    assert.deepEqual(seen, []);
  });

  test('that is paused does not roll; resumed, it does', async () => {
    await using cluster = await startCluster({ nodes: 1 });
    await cluster.client.create(deployments, web(2, { paused: true }));
    await advance(cluster, 5_000);
    assert.equal((await list(cluster, pods)).length, 0);
    await cluster.client.patch(
      deployments,
      { namespace, name: 'web' },
      { type: 'merge', body: { spec: { paused: false } } },
    );
    await released(cluster, 2);
  });

  test('whose pods never become ready says so when its deadline is over', async () => {
    await using cluster = await startCluster({ nodes: 0 });
    await cluster.client.create(deployments, web(1, { progressDeadlineSeconds: 60 }));
    await cluster.eventually(
      async () => {
        const { status } = await cluster.client.get(deployments, { namespace, name: 'web' });
        return status?.conditions?.some((one) => one.reason === 'ProgressDeadlineExceeded');
      },
      { within: 90_000 },
    );
    assert.ok(cluster.clock.monotonic() >= 60_000);
  });

  test('keeps no more old ReplicaSets than it is told to', async () => {
    await using cluster = await startCluster({ nodes: 1 });
    await cluster.client.create(deployments, web(1, { revisionHistoryLimit: 1 }));
    for (const image of ['web:2', 'web:3', 'web:4']) {
      await released(cluster, 1);
      await setImage(cluster, image);
    }
    await released(cluster, 1);
    await cluster.eventually(async () => (await list(cluster, replicaSets)).length === 2);
  });
});

describe('a ReplicaSet', () => {
  test('replaces what is deleted and ends what is too many, the unready first', async () => {
    await using cluster = await startCluster({ nodes: 1 });
    await cluster.client.create(deployments, web(3));
    await released(cluster, 3);
    const [first] = await list<Pod>(cluster, pods);
    await cluster.client.delete(pods, { namespace, name: first!.metadata.name! }, { gracePeriodSeconds: 0 });
    await released(cluster, 3);
    await cluster.client.patch(
      deployments,
      { namespace, name: 'web' },
      { type: 'merge', body: { spec: { replicas: 1 } } },
    );
    await released(cluster, 1);
  });

  test('lets go of a pod that no longer matches, and adopts one that does', async () => {
    await using cluster = await startCluster({ nodes: 1 });
    await cluster.client.create(deployments, web(2));
    await released(cluster, 2);
    const [pod] = await list<Pod>(cluster, pods);
    const ref = { namespace, name: pod!.metadata.name! };
    await cluster.client.patch(pods, ref, { type: 'merge', body: { metadata: { labels: { app: 'other' } } } });
    await cluster.eventually(async () => (await cluster.client.get(pods, ref)).metadata.ownerReferences === undefined);
    await cluster.eventually(async () => (await list(cluster, pods)).length === 3);
    await cluster.client.patch(pods, ref, { type: 'merge', body: { metadata: { labels: { app: 'web' } } } });
    await cluster.eventually(async () => (await list(cluster, pods)).length === 2);
  });
});

describe('endpoints', () => {
  const service: Service = {
    metadata: { name: 'web', namespace },
    spec: { selector: { app: 'web' }, ports: [{ name: 'w', port: 80, targetPort: 'http' }] },
  } as Service;

  test('are the ready pods of a Service, by the pods’ own port', async () => {
    await using cluster = await startCluster({ nodes: 1 });
    await cluster.client.create(services, service);
    await cluster.client.create(deployments, web(2));
    await released(cluster, 2);
    const slice = await cluster.eventually(async () => {
      const [found] = await list<EndpointSlice>(cluster, endpointSlices).then((all) =>
        all.filter(({ metadata }) => metadata.name!.startsWith('web-')),
      );
      return found?.endpoints?.length === 2 && found.endpoints.every((one) => one.conditions?.ready) && found;
    });
    assert.deepEqual(slice.ports, [{ name: 'w', port: 8080, protocol: 'TCP' }]);
    const addresses = (await list<Pod>(cluster, pods)).map((pod) => pod.status?.podIP).sort();
    assert.deepEqual(slice.endpoints!.map((one) => one.addresses[0]).sort(), addresses);
    const old = await cluster.client.get(endpoints, { namespace, name: 'web' });
    assert.deepEqual(old.subsets?.[0]?.addresses?.map(({ ip }) => ip).sort(), addresses);
  });

  test('go with their Service', async () => {
    await using cluster = await startCluster();
    await cluster.client.create(services, service);
    await cluster.eventually(async () =>
      (await list<EndpointSlice>(cluster, endpointSlices)).some(({ metadata }) => metadata.name!.startsWith('web-')),
    );
    await cluster.client.delete(services, { namespace, name: 'web' });
    await cluster.eventually(async () =>
      (await list<EndpointSlice>(cluster, endpointSlices)).every(({ metadata }) => !metadata.name!.startsWith('web-')),
    );
    await assert.rejects(cluster.client.get(endpoints, { namespace, name: 'web' }), (error) =>
      isStatusError(error, 'NotFound'),
    );
  });
});

describe('garbage collection', () => {
  test('in the background: the owner goes at once, what it owned follows', async () => {
    await using cluster = await startCluster({ nodes: 1 });
    await cluster.client.create(deployments, web(2));
    await released(cluster, 2);
    await cluster.client.delete(deployments, { namespace, name: 'web' });
    await cluster.eventually(
      async () => (await list(cluster, pods)).length === 0 && (await list(cluster, replicaSets)).length === 0,
    );
  });

  test('in the foreground: the owner stays until what it owned has gone', async () => {
    await using cluster = await startCluster({ nodes: 1 });
    await cluster.client.create(deployments, web(2));
    await released(cluster, 2);
    await cluster.client.delete(deployments, { namespace, name: 'web' }, { propagationPolicy: 'Foreground' });
    const there = await cluster.client.get(deployments, { namespace, name: 'web' });
    assert.deepEqual(there.metadata.finalizers, ['foregroundDeletion']);
    await cluster.eventually(async () => {
      const left = await list(cluster, deployments);
      if (left.length === 0) assert.equal((await list(cluster, replicaSets)).length, 0);
      return left.length === 0;
    });
  });

  test('of an orphan’s parent: what it owned stays, without an owner', async () => {
    await using cluster = await startCluster({ nodes: 1 });
    await cluster.client.create(deployments, web(1));
    await released(cluster, 1);
    await cluster.client.delete(deployments, { namespace, name: 'web' }, { propagationPolicy: 'Orphan' });
    await cluster.eventually(async () => (await list(cluster, deployments)).length === 0);
    const [set] = await list<ReplicaSet>(cluster, replicaSets);
    assert.equal(set!.metadata.ownerReferences, undefined);
    assert.equal((await list(cluster, pods)).length, 1);
  });
});

describe('a namespace', () => {
  test('has its account and the cluster’s certificate, and is emptied before it goes', async () => {
    await using cluster = await startCluster({ nodes: 1 });
    await cluster.client.create(namespaces, { metadata: { name: 'team' } } as never);
    await cluster.eventually(async () => {
      await cluster.client.get(serviceAccounts, { namespace: 'team', name: 'default' });
      return cluster.client.get(configMaps, { namespace: 'team', name: 'kube-root-ca.crt' });
    });
    const deployment = web(1);
    deployment.metadata.namespace = 'team';
    await cluster.client.create(deployments, deployment);
    await cluster.eventually(async () => (await list(cluster, pods, 'team')).length === 1);
    await cluster.client.delete(namespaces, { name: 'team' });
    await cluster.eventually(async () =>
      (await list(cluster, namespaces, '')).every(({ metadata }: any) => metadata.name !== 'team'),
    );
    for (const resource of [pods, replicaSets, deployments, configMaps, serviceAccounts])
      assert.equal((await list(cluster, resource, 'team')).length, 0, resource.resource);
  });
});

describe('a node', () => {
  test('that is not heard of is Unknown after 40 s, and loses its pods after what they tolerate', async () => {
    await using cluster = await startCluster({ nodes: 2 });
    await cluster.client.create(deployments, web(2));
    await released(cluster, 2);
    await cluster.stopNode('node-0');
    const readyOf = async () =>
      (await cluster.client.get(nodes, { name: 'node-0' })).status?.conditions?.find((one) => one.type === 'Ready')
        ?.status;
    await advance(cluster, 30_000);
    assert.equal(await readyOf(), 'True');
    await advance(cluster, 30_000);
    assert.equal(await readyOf(), 'Unknown');
    const { spec } = await cluster.client.get(nodes, { name: 'node-0' });
    assert.deepEqual(spec.taints?.map(({ key, effect }) => `${key}:${effect}`).sort(), [
      'node.kubernetes.io/unreachable:NoExecute',
      'node.kubernetes.io/unreachable:NoSchedule',
    ]);
    await cluster.eventually(
      async () => {
        const alive = (await list<Pod>(cluster, pods)).filter((pod) => pod.metadata.deletionTimestamp === undefined);
        return alive.length === 2 && alive.every((pod) => pod.spec.nodeName === 'node-1');
      },
      { within: 400_000 },
    );
    assert.ok(cluster.clock.monotonic() >= 300_000);
  });

  test('that was removed takes its pods with it', async () => {
    await using cluster = await startCluster({ nodes: 1 });
    await cluster.client.create(deployments, web(1));
    await released(cluster, 1);
    await cluster.stopNode('node-0');
    await cluster.client.delete(nodes, { name: 'node-0' });
    const [pod] = await list<Pod>(cluster, pods);
    await cluster.eventually(
      async () => (await list<Pod>(cluster, pods)).every(({ metadata }) => metadata.uid !== pod!.metadata.uid),
      { within: 200_000 },
    );
  });
});
