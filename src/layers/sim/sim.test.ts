import assert from 'node:assert/strict';
import test from 'node:test';
import { type Deployment, deployments, type Job, jobs, type Node, nodes, type Pod, pods } from '../../api/index.ts';
import { type Cluster, startCluster } from '../../testing/index.ts';
import { SimulatedNodes } from './index.ts';

const namespace = 'default';
const capacity = { cpu: '8', memory: '32Gi', pods: '110' };

async function withNodes(cluster: Cluster, count: number): Promise<SimulatedNodes> {
  const { client, clock, random } = cluster;
  const sim = new SimulatedNodes({ client, clock, random });
  for (let i = 0; i < count; i++) await sim.add({ name: `node-${i}`, address: `192.0.2.${i + 1}`, capacity });
  return sim;
}

function web(replicas: number, annotations: Record<string, string> = {}): Deployment {
  const labels = { app: 'web' };
  return {
    metadata: { name: 'web', namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels, annotations }, spec: { containers: [{ name: 'c', image: 'web:1' }] } },
    },
  } as Deployment;
}

const running = async ({ client }: Cluster) =>
  ((await client.list<Pod>(pods, { namespace })).items as Pod[]).filter(
    ({ status, metadata }) => status?.phase === 'Running' && metadata.deletionTimestamp === undefined,
  );

test('pods on simulated nodes run, have addresses of their own, and end', async () => {
  await using cluster = await startCluster();
  const sim = await withNodes(cluster, 3);
  const { client } = cluster;
  await client.create<Deployment>(deployments, web(30));
  await cluster.eventually(async () => (await running(cluster)).length === 30);
  const all = await running(cluster);
  assert.equal(new Set(all.map(({ status }) => status!.podIP)).size, 30);
  assert.equal(new Set(all.map(({ spec }) => spec.nodeName)).size, 3);
  await client.patch(deployments, { name: 'web', namespace }, { type: 'merge', body: { spec: { replicas: 2 } } });
  await cluster.eventually(async () => (await client.list(pods, { namespace })).items.length === 2);
  await sim.stop();
});

test('a job’s pods end by themselves, and one that fails is started again', async () => {
  await using cluster = await startCluster();
  const sim = await withNodes(cluster, 1);
  const { client } = cluster;
  const annotations = { 'sim.glasshouse.dev/run-milliseconds': '1000' };
  const containers = [{ name: 'c', image: 'job:1' }];
  await client.create<Job>(jobs, {
    metadata: { name: 'once', namespace },
    spec: { completions: 3, template: { metadata: { annotations }, spec: { containers, restartPolicy: 'Never' } } },
  } as Job);
  await cluster.eventually(
    async () => (await client.get<Job>(jobs, { name: 'once', namespace })).status?.succeeded === 3,
  );
  const failing = { ...annotations, 'sim.glasshouse.dev/exit-code': '3' };
  await client.create<Pod>(pods, {
    metadata: { name: 'failing', namespace, annotations: failing },
    spec: { containers, restartPolicy: 'OnFailure' },
  } as Pod);
  await cluster.eventually(async () => {
    const { status } = await client.get<Pod>(pods, { name: 'failing', namespace });
    return (status?.containerStatuses?.[0]?.restartCount ?? 0) >= 2;
  });
  await sim.stop();
});

test('a job’s pods complete without being told how long they take, also with a sidecar', async () => {
  await using cluster = await startCluster();
  const sim = await withNodes(cluster, 1);
  const { client } = cluster;
  const sidecar = { name: 's', image: 'side:1', restartPolicy: 'Always' };
  const spec = { containers: [{ name: 'c', image: 'job:1' }], initContainers: [sidecar], restartPolicy: 'Never' };
  await client.create<Job>(jobs, {
    metadata: { name: 'plain', namespace },
    spec: { completions: 2, parallelism: 2, template: { spec } },
  } as Job);
  const status = async () => (await client.get<Job>(jobs, { name: 'plain', namespace })).status;
  await cluster.eventually(async () => (await status())?.succeeded === 2);
  assert.deepEqual((await status())?.failed, undefined);
  await sim.stop();
});

test('a pod that a finalizer holds is let go by its node once, and is gone when nobody holds it', async () => {
  await using cluster = await startCluster();
  const sim = await withNodes(cluster, 1);
  const { client } = cluster;
  const ref = { name: 'held', namespace };
  await client.create<Pod>(pods, {
    metadata: { ...ref, finalizers: ['example.com/hold'] },
    spec: { containers: [{ name: 'c', image: 'web:1' }] },
  } as Pod);
  await cluster.eventually(async () => (await running(cluster)).length === 1);
  await client.delete(pods, ref);
  const letGo = async () => (await client.get<Pod>(pods, ref)).metadata.deletionGracePeriodSeconds === 0;
  await cluster.eventually(letGo);
  await client.patch(pods, ref, { type: 'merge', body: { metadata: { finalizers: null } } });
  await cluster.eventually(async () => (await client.list(pods, { namespace })).items.length === 0);
  await sim.stop();
});

test('a node that is cut off is noticed, its pods go elsewhere, and it comes back', async () => {
  await using cluster = await startCluster();
  const sim = await withNodes(cluster, 2);
  const { client } = cluster;
  await client.create<Deployment>(deployments, web(4));
  await cluster.eventually(async () => (await running(cluster)).length === 4);
  sim.cut('node-0');
  await cluster.eventually(
    async () => (await running(cluster)).filter(({ spec }) => spec.nodeName === 'node-1').length === 4,
    { within: 900_000 },
  );
  sim.heal('node-0');
  await cluster.eventually(async () => (await client.list(pods, { namespace })).items.length === 4);
  const ready = async () =>
    (await client.get<Node>(nodes, { name: 'node-0' })).status?.conditions?.find(({ type }) => type === 'Ready');
  await cluster.eventually(async () => (await ready())?.status === 'True');
  await sim.stop();
});
