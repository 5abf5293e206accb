/** As many replicas as what they use asks for: on the real API server and its Metrics API, in virtual time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  deployments,
  events,
  type HorizontalPodAutoscaler,
  horizontalPodAutoscalers,
  nodes,
  type Pod,
  pods,
} from '../../api/index.ts';
import type { AnyObject, Resource } from '../../machinery/index.ts';
import { type Cluster, startCluster } from '../../testing/index.ts';
import { bringUp, deployment, takesPods } from '../testpods.ts';

const namespace = 'default';
const ref = { name: 'web', namespace };
const podMetrics: Resource<AnyObject> = {
  group: 'metrics.k8s.io',
  version: 'v1beta1',
  resource: 'pods',
  kind: 'PodMetrics',
  namespaced: true,
};

interface Load {
  /** Millicores that each pod uses now. */
  cpu?: number;
  /** Millicores that all share. */
  together?: number;
}

/** Pods run on one node, and use what the load says. */
async function start(load: Load, replicas = 2): Promise<Cluster> {
  let known: Pod[] = [];
  const running = () => known.filter((pod) => pod.status?.phase === 'Running').length;
  const cluster: Cluster = await startCluster({
    usage: () => ({
      node: { cpu: { usageNanoCores: 1e9 }, memory: { workingSetBytes: 2 ** 30 } },
      pods: known.map(({ metadata }) => ({
        podRef: { uid: metadata.uid },
        containers: [
          {
            name: 'web',
            cpu: { usageNanoCores: (load.cpu ?? load.together! / running()) * 1e6 },
            memory: { workingSetBytes: 64 * 2 ** 20 },
          },
        ],
      })),
    }),
  });
  const { client, clock } = cluster;
  await cluster.eventually(() => takesPods(client));
  await client.create(nodes, {
    metadata: { name: 'n' },
    spec: {},
    status: {
      allocatable: { cpu: '100', memory: '100Gi', pods: '100' },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  } as never);
  const web = deployment('web', { replicas });
  web.spec.template.spec!.containers[0]!.resources = { requests: { cpu: '100m' } };
  await client.create(deployments, web);
  const timer = clock.every(1000, () => {
    void bringUp(client, clock.now(), (pod) => !!pod.spec.nodeName)
      .then(async () => (known = (await client.list<Pod>(pods)).items))
      .catch(() => {});
  });
  const dispose = cluster[Symbol.asyncDispose].bind(cluster);
  return Object.assign(cluster, {
    [Symbol.asyncDispose]: async () => {
      timer.cancel();
      await dispose();
    },
  });
}

function autoscaler(spec: Partial<HorizontalPodAutoscaler['spec']> = {}): HorizontalPodAutoscaler {
  const target = { type: 'Utilization', averageUtilization: 50 };
  return {
    metadata: { name: 'web', namespace },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      minReplicas: 1,
      maxReplicas: 10,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }],
      ...spec,
    },
  };
}

const size = async ({ client }: Cluster) => (await client.get(deployments, ref)).spec.replicas;
const reaches = (cluster: Cluster, replicas: number, within = 600_000) =>
  cluster.eventually(async () => (await size(cluster)) === replicas, { within, what: `${replicas} replicas` });
const condition = async ({ client }: Cluster, type: string) =>
  (await client.get(horizontalPodAutoscalers, ref)).status?.conditions?.find((one) => one.type === type);

describe('an autoscaler', () => {
  test('adds replicas while each uses more than its share, and takes them away five minutes after', async () => {
    const load = { together: 300 };
    await using cluster = await start(load);
    await cluster.client.create(horizontalPodAutoscalers, autoscaler());
    // 150 % of what was requested, and 50 % are wanted
    await reaches(cluster, 6);
    await cluster.eventually(async () => (await condition(cluster, 'AbleToScale'))?.reason === 'ReadyForNewScale');
    load.together = 120;
    const quiet = cluster.clock.now();
    await cluster.eventually(async () => (await size(cluster))! <= 3, { within: 600_000 });
    assert.ok(cluster.clock.now() - quiet > 200_000, 'it waited for the recommendations to settle');
    const { items } = await cluster.client.list(events, { namespace });
    const told = items.filter((one) => one.reason === 'SuccessfulRescale').map((one) => one.message);
    assert.equal(told[0], 'New size: 4; reason: cpu resource utilization (percentage of request) above target');
    assert.match(told.at(-1)!, /^New size: [23]; reason: All metrics below target$/);
  });

  test('stays within its bounds, and says so', async () => {
    await using cluster = await start({ cpu: 400 });
    await cluster.client.create(horizontalPodAutoscalers, autoscaler({ maxReplicas: 3 }));
    await reaches(cluster, 3);
    const limited = await cluster.eventually(async () => {
      const found = await condition(cluster, 'ScalingLimited');
      return found?.status === 'True' && found;
    });
    assert.equal(limited.reason, 'TooManyReplicas');
    const { status } = await cluster.client.get(horizontalPodAutoscalers, ref);
    assert.equal(status?.currentMetrics?.[0]?.resource?.current.averageUtilization, 400);
  });

  test('grows no faster than its policies let it', async () => {
    await using cluster = await start({ cpu: 1000 });
    const behavior = {
      scaleUp: { policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }], stabilizationWindowSeconds: 0 },
    };
    await cluster.client.create(horizontalPodAutoscalers, autoscaler({ behavior }));
    await reaches(cluster, 3);
    const third = cluster.clock.now();
    await reaches(cluster, 4);
    assert.ok(cluster.clock.now() - third >= 45_000);
  });

  test('leaves a target alone that is within the tolerance', async () => {
    await using cluster = await start({ cpu: 54 });
    await cluster.client.create(horizontalPodAutoscalers, autoscaler());
    const active = await cluster.eventually(
      async () => {
        const found = await condition(cluster, 'ScalingActive');
        return found?.status === 'True' && found;
      },
      { within: 900_000 },
    );
    assert.match(active.message!, /cpu resource utilization/);
    assert.equal(await size(cluster), 2);
  });

  test('says what it cannot measure', async () => {
    await using cluster = await start({ cpu: 10 });
    const metric = { name: 'queue-length' };
    const external = { metric, target: { type: 'AverageValue', averageValue: '10' } };
    await cluster.client.create(horizontalPodAutoscalers, autoscaler({ metrics: [{ type: 'External', external }] }));
    const active = await cluster.eventually(() => condition(cluster, 'ScalingActive'));
    assert.equal(active.reason, 'FailedGetExternalMetric');
    assert.match(active.message!, /unable to fetch metrics from external metrics API/);
    assert.equal(await size(cluster), 2);
  });
});

test('two autoscalers of the same pods leave them alone, and say so', async () => {
  await using cluster = await start({ cpu: 150 });
  const { client } = cluster;
  const other = autoscaler();
  other.metadata.name = 'other';
  await client.create(horizontalPodAutoscalers, autoscaler({ maxReplicas: 2, minReplicas: 2 }));
  await client.create(horizontalPodAutoscalers, other);
  const active = await cluster.eventually(async () => {
    const found = await condition(cluster, 'ScalingActive');
    return found?.reason === 'AmbiguousSelector' ? found : undefined;
  });
  assert.equal(active.status, 'False');
  assert.match(active.message!, /are controlled by multiple HPAs: \[\S+\/other \S+\/web\]$/);
  await client.delete(horizontalPodAutoscalers, { ...ref, name: 'other' });
  await cluster.eventually(async () => (await condition(cluster, 'ScalingActive'))?.status === 'True', {
    within: 900_000,
  });
});

test('the Metrics API tells what pods and nodes use', async () => {
  await using cluster = await start({ cpu: 150 });
  const [first] = await cluster.eventually(async () => {
    const { items } = await cluster.client.list(podMetrics, { namespace, labelSelector: 'app=web' });
    return items.length === 2 && items;
  });
  assert.deepEqual(first!.containers, [{ name: 'web', usage: { cpu: '150000000n', memory: '65536Ki' } }]);
  const node = await cluster.client.get(
    { ...podMetrics, resource: 'nodes', kind: 'NodeMetrics', namespaced: false },
    { name: 'n' },
  );
  assert.deepEqual(node.usage, { cpu: '1000000000n', memory: '1048576Ki' });
  assert.deepEqual((await cluster.client.list(podMetrics, { namespace, labelSelector: 'app=other' })).items, []);
  await assert.rejects(cluster.client.get(podMetrics, { namespace, name: 'none' }), /"none" not found/);
});
