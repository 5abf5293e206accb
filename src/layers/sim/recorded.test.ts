import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type Deployment,
  deployments,
  type Job,
  jobs,
  kinds,
  nodes,
  type Pod,
  pods,
  type Service,
  services,
  type StatefulSet,
  statefulSets,
} from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import type { AnyObject } from '../../machinery/index.ts';
import { memoryStore } from '../../store/index.ts';
import { type Cluster, startCluster } from '../../testing/index.ts';
import { loadRecorded, SimulatedNodes } from './index.ts';

const namespace = 'shop';
const capacity = { cpu: '8', memory: '32Gi', pods: '110' };
const template = (app: string) => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: 'c', image: `${app}:1`, resources: { requests: { cpu: '10m' } } }] },
});

async function makeShop(cluster: Cluster): Promise<void> {
  const { client } = cluster;
  await client.create({ group: '', version: 'v1', resource: 'namespaces', kind: 'Namespace', namespaced: false }, {
    metadata: { name: namespace },
  } as AnyObject);
  const selector = { matchLabels: { app: 'web' } };
  await client.create<Deployment>(deployments, {
    metadata: { name: 'web', namespace },
    spec: { replicas: 5, selector, template: template('web') },
  } as Deployment);
  await client.create<Service>(services, {
    metadata: { name: 'web', namespace },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  } as Service);
  await client.create<StatefulSet>(statefulSets, {
    metadata: { name: 'db', namespace },
    spec: { replicas: 2, serviceName: 'db', selector: { matchLabels: { app: 'db' } }, template: template('db') },
  } as StatefulSet);
  const once = template('once');
  await client.create<Job>(jobs, {
    metadata: { name: 'once', namespace },
    spec: {
      completions: 2,
      template: {
        metadata: { annotations: { 'sim.glasshouse.dev/run-milliseconds': '50' } },
        spec: { ...once.spec, restartPolicy: 'Never' },
      },
    },
  } as Job);
}

const isRunning = ({ status }: Pod) => status?.phase === 'Running';
const podsOf = async (client: Client) => (await client.list<Pod>(pods, { namespace })).items;

async function settled({ client }: Cluster): Promise<boolean> {
  const job = await client.get<Job>(jobs, { name: 'once', namespace });
  return job.status?.succeeded === 2 && (await podsOf(client)).filter(isRunning).length === 7;
}

/** As `kubectl get -A -o yaml` shows it, of all that there is. */
async function record(client: Client): Promise<AnyObject> {
  const items: AnyObject[] = [];
  for (const kind of kinds) {
    if (!kind.verbs.includes('list') || kind.group === 'metrics.k8s.io') continue;
    const apiVersion = kind.group ? `${kind.group}/${kind.version}` : kind.version;
    const list = await client.list(kind).catch(() => ({ items: [] }));
    for (const item of list.items as AnyObject[]) items.push({ ...item, apiVersion, kind: kind.kind });
  }
  return { apiVersion: 'v1', kind: 'List', metadata: {}, items };
}

async function recordedShop(): Promise<AnyObject> {
  await using cluster = await startCluster({ seed: 3 });
  const { client, clock, random } = cluster;
  const sim = new SimulatedNodes({ client, clock, random });
  for (let i = 0; i < 3; i++) await sim.add({ name: `old-${i}`, address: `192.0.2.${i + 1}`, capacity });
  await makeShop(cluster);
  await cluster.eventually(() => settled(cluster));
  await sim.stop();
  return record(client);
}

test('a recorded cluster goes on where it was: the same pods on the same nodes, owned by what owned them', async () => {
  const document = JSON.parse(JSON.stringify(await recordedShop())) as AnyObject;
  const store = memoryStore();
  {
    await using empty = await startCluster({ store, controllers: false, scheduler: false, seed: 4 });
    const loaded = await loadRecorded([document], empty);
    assert.deepEqual(loaded.refused, []);
    assert.equal(loaded.created.get('Pod'), 9);
    assert.equal(loaded.created.get('Node'), 3);
    assert.ok([...loaded.leftOut.keys()].some((why) => why.startsWith('EndpointSlice')));
  }
  await using cluster = await startCluster({ store, seed: 5 });
  const { client, clock, random } = cluster;
  const before = await podsOf(client);
  const sim = new SimulatedNodes({ client, clock, random, adopt: true });
  await cluster.eventually(async () => {
    const { status } = await client.get<Deployment>(deployments, { name: 'web', namespace });
    return status?.observedGeneration === 1 && status.availableReplicas === 5;
  });
  await (clock as { advance?(milliseconds: number): Promise<void> }).advance!(400_000);
  const after = await podsOf(client);
  const identity = ({ metadata, spec, status }: Pod) =>
    `${metadata.name} ${metadata.uid} on ${spec.nodeName}, ${status?.phase} at ${status?.podIP}, restarted ${status?.containerStatuses?.[0]?.restartCount}`;
  assert.deepEqual(after.map(identity).toSorted(), before.map(identity).toSorted());
  const recordedPods = (document.items as AnyObject[]).filter(({ kind }) => kind === 'Pod') as unknown as Pod[];
  const place = ({ metadata, spec, status }: Pod) => `${metadata.name} ${spec.nodeName} ${status?.podIP}`;
  assert.deepEqual(after.map(place).toSorted(), recordedPods.map(place).toSorted());
  const job = await client.get<Job>(jobs, { name: 'once', namespace });
  assert.equal(job.status?.succeeded, 2);
  assert.equal((await client.list(nodes)).items.length, 3);
  // they are owned: what owned them scales them
  await client.patch(deployments, { name: 'web', namespace }, { type: 'merge', body: { spec: { replicas: 1 } } });
  await cluster.eventually(async () => (await podsOf(client)).filter(isRunning).length === 3);
  await sim.stop();
});

test('what cannot be loaded is told, with its reason', async () => {
  await using cluster = await startCluster({ controllers: false, scheduler: false });
  const documents = [
    { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'a' } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'NOT-A-NAME', namespace: 'x' } },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'lost', namespace: 'x' },
      spec: { nodeName: 'gone', containers: [{ name: 'c', image: 'i' }] },
      status: { phase: 'Running' },
    },
    null,
  ];
  const { created, leftOut, refused } = await loadRecorded(documents, cluster);
  assert.deepEqual(
    [...leftOut.keys()],
    ['Thing: example.com/v1 is not served: record them in a version that is, or their CustomResourceDefinition too'],
  );
  assert.equal(refused.length, 1);
  assert.match(refused[0]!, /^ConfigMap x\/NOT-A-NAME: .*metadata\.name/);
  assert.equal(created.get('Pod'), 1);
  const lost = await cluster.client.get<Pod>(pods, { name: 'lost', namespace: 'x' });
  assert.equal(lost.spec.nodeName, undefined);
  assert.equal(lost.status?.phase, 'Pending');
});
