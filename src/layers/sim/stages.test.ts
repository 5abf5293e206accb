import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from 'js-yaml';
import {
  events,
  type Job,
  jobs,
  type Node,
  nodes,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  type Pod,
  pods,
  serviceAccounts,
} from '../../api/index.ts';
import type { AnyObject } from '../../machinery/index.ts';
import { type Cluster, startCluster } from '../../testing/index.ts';
import { SimulatedNodes } from './index.ts';

const namespace = 'default';
const capacity = { cpu: '8', memory: '32Gi', pods: '110' };

const stage = (text: string): AnyObject =>
  ({ apiVersion: 'kwok.x-k8s.io/v1alpha1', kind: 'Stage', ...(load(text) as object) }) as AnyObject;

const ready = stage(`
metadata: { name: ready }
spec:
  resourceRef: { apiGroup: v1, kind: Pod }
  selector:
    matchExpressions:
    - { key: .metadata.deletionTimestamp, operator: DoesNotExist }
    - { key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: NotIn, values: ['True'] }
  delay:
    durationMilliseconds: 4000
    durationFrom: { expressionFrom: '.metadata.annotations["ready-after"]' }
    jitterDurationMilliseconds: 4000
  next:
    event: { type: Normal, reason: Started, message: it runs }
    statusTemplate: |
      {{ $now := Now }}
      phase: Running
      startTime: {{ $now | Quote }}
      podIP: {{ PodIPWith .spec.nodeName false | Quote }}
      hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
      conditions:
      - { type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }} }
      containerStatuses:
      {{ range .spec.containers }}
      - { name: {{ .name | Quote }}, image: {{ .image | Quote }}, imageID: "", ready: true, restartCount: 0, state: { running: { startedAt: {{ $now | Quote }} } } }
      {{ end }}
`);
const gone = stage(`
metadata: { name: gone }
spec:
  resourceRef: { apiGroup: v1, kind: Pod }
  selector: { matchExpressions: [{ cel: { expression: has(self.metadata.deletionTimestamp) } }] }
  delay: { durationMilliseconds: 1000 }
  next: { finalizers: { empty: true }, delete: true }
`);

async function withStages(cluster: Cluster, stages: AnyObject[], count = 1): Promise<SimulatedNodes> {
  const { client, clock, random } = cluster;
  const sim = new SimulatedNodes({ client, clock, random, stages });
  for (let i = 0; i < count; i++) await sim.add({ name: `node-${i}`, address: `192.0.2.${i + 1}`, capacity });
  await cluster.eventually(() => client.get(serviceAccounts, { name: 'default', namespace }));
  return sim;
}

const podNamed = (name: string, more: object = {}): Pod =>
  ({ metadata: { name, namespace, ...more }, spec: { containers: [{ name: 'c', image: 'i:1' }] } }) as Pod;

const podOf = ({ client }: Cluster, name: string) => client.get<Pod>(pods, { name, namespace });

test('Stages take a pod through its life: each after its delay, with what its template says', async () => {
  await using cluster = await startCluster();
  const { client, clock } = cluster;
  const sim = await withStages(cluster, [ready, gone]);
  await client.create<Pod>(pods, podNamed('slow'));
  await client.create<Pod>(pods, podNamed('quick', { annotations: { 'ready-after': '500ms' }, finalizers: ['a/b'] }));
  const began = clock.now();
  const seen: Record<string, number> = {};
  await cluster.eventually(async () => {
    for (const name of ['slow', 'quick'])
      if ((await podOf(cluster, name)).status?.phase === 'Running') seen[name] ??= clock.now() - began;
    return seen['slow'] !== undefined;
  });
  assert.ok(seen['quick']! < seen['slow']! && seen['slow']! >= 4000, JSON.stringify(seen));
  const { status } = await podOf(cluster, 'slow');
  assert.match(status!.podIP!, /^10\.0\.0\.\d+$/);
  assert.equal(status!.hostIP, '192.0.2.1');
  assert.deepEqual(
    status!.containerStatuses!.map(({ name, ready: is }) => [name, is]),
    [['c', true]],
  );
  await cluster.eventually(async () =>
    (await client.list(events, { namespace })).items.some(({ message }) => message === 'it runs'),
  );
  await client.delete(pods, { name: 'quick', namespace });
  await cluster.eventually(async () => (await client.list(pods, { namespace })).items.length === 1);
  await sim.stop();
});

test('of several Stages that match, weights decide; one whose weight the object makes 0 never comes', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const ending = (name: string, weight: number, phase: string) =>
    stage(`
metadata: { name: ${name} }
spec:
  resourceRef: { apiGroup: v1, kind: Pod }
  selector: { matchExpressions: [{ key: .status.phase, operator: In, values: [Running] }] }
  weight: ${weight}
  weightFrom: { expressionFrom: '.metadata.annotations["${name}"]' }
  steps:
  - patch: { subresource: status, root: status, type: merge, template: 'phase: ${phase}' }
`);
  const sim = await withStages(cluster, [ready, ending('succeeds', 1, 'Succeeded'), ending('fails', 3, 'Failed')]);
  const count = 60;
  for (let i = 0; i < count; i++) await client.create<Pod>(pods, podNamed(`free-${i}`));
  for (let i = 0; i < 10; i++) await client.create<Pod>(pods, podNamed(`bound-${i}`, { annotations: { fails: '0' } }));
  const of = async (prefix: string, phase: string) =>
    (await client.list<Pod>(pods, { namespace })).items.filter(
      ({ metadata, status }) => metadata.name!.startsWith(prefix) && status?.phase === phase,
    ).length;
  await cluster.eventually(async () => (await of('bound', 'Succeeded')) === 10);
  await cluster.eventually(async () => (await of('free', 'Succeeded')) + (await of('free', 'Failed')) === count);
  const failed = await of('free', 'Failed');
  assert.ok(failed > count / 2 && failed < count, `${failed} of ${count} failed`);
  await sim.stop();
});

test('Stages of nodes and of other kinds; custom queries, finalizers, immediateNextStage', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const boots = stage(`
metadata: { name: boots }
spec:
  resourceRef: { apiGroup: v1, kind: Node }
  selector: { matchExpressions: [{ key: '.status.conditions.[] | select(.type == "Ready") | .status', operator: NotIn, values: ['True'] }] }
  delay: { durationMilliseconds: 20000 }
  immediateNextStage: true
  next:
    statusTemplate: |
      phase: Running
      conditions:
      {{ range NodeConditions }}
      - {{ toJson . }}
      {{ end }}
`);
  const labelled = stage(`
metadata: { name: labelled }
spec:
  resourceRef: { apiGroup: v1, kind: Node }
  selector: { matchExpressions: [{ key: .status.phase, operator: In, values: [Running] }, { key: .metadata.labels.booted, operator: DoesNotExist }] }
  steps:
  - patch: { type: json, root: metadata/labels, template: '[{ op: add, path: /booted, value: {{ .metadata.name | Quote }} }]' }
`);
  const kept = stage(`
metadata: { name: kept }
spec:
  resourceRef: { apiGroup: v1, kind: PersistentVolumeClaim }
  selector: { matchLabels: { keep: please } }
  next: { finalizers: { add: [{ value: example.com/kept }] } }
`);
  const sim = await withStages(cluster, [boots, labelled, kept]);
  const node = () => client.get<Node>(nodes, { name: 'node-0' });
  assert.deepEqual((await node()).status!.conditions ?? [], []);
  await cluster.eventually(async () => (await node()).metadata.labels?.['booted'] === 'node-0');
  assert.equal((await node()).status!.conditions!.find(({ type }) => type === 'Ready')!.status, 'True');
  await client.create<PersistentVolumeClaim>(persistentVolumeClaims, {
    metadata: { name: 'data', namespace, labels: { keep: 'please' } },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  } as PersistentVolumeClaim);
  const claim = () => client.get<PersistentVolumeClaim>(persistentVolumeClaims, { name: 'data', namespace });
  await cluster.eventually(async () => (await claim()).metadata.finalizers?.includes('example.com/kept'));
  await sim.stop();
});

test('a job’s pods complete by a Stage that looks at their owners', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const completes = stage(`
metadata: { name: completes }
spec:
  resourceRef: { apiGroup: v1, kind: Pod }
  selector:
    matchExpressions:
    - { key: .status.phase, operator: In, values: [Running] }
    - { key: '.metadata.ownerReferences.[].kind', operator: In, values: [Job] }
  delay: { durationMilliseconds: 1000, jitterDurationMilliseconds: 5000 }
  next:
    statusTemplate: |
      {{ $root := . }}
      phase: Succeeded
      containerStatuses:
      {{ range $index, $item := .spec.containers }}
      {{ $origin := index $root.status.containerStatuses $index }}
      - name: {{ $item.name | Quote }}
        image: {{ $origin.image | Quote }}
        imageID: ""
        ready: false
        restartCount: 0
        state: { terminated: { exitCode: 0, reason: Completed } }
      {{ end }}
`);
  const sim = await withStages(cluster, [ready, completes, gone]);
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i:1' }] } };
  await client.create<Job>(jobs, { metadata: { name: 'j', namespace }, spec: { completions: 3, template } } as Job);
  await cluster.eventually(async () => (await client.get<Job>(jobs, { name: 'j', namespace })).status?.succeeded === 3);
  await sim.stop();
});

const refused: [string, RegExp][] = [
  [
    'resourceRef: { apiGroup: v1, kind: Thing }\n  selector: {}',
    /Stage wrong: spec\.resourceRef: v1 Thing is not a built-in kind/,
  ],
  [
    'resourceRef: { kind: Pod }\n  selector: {}\n  dely: {}',
    /spec\.dely: there is no such field: there are resourceRef, selector/,
  ],
  [
    'resourceRef: { kind: Pod }\n  selector: { matchExpressions: [{ key: ".a |", operator: Exists }] }',
    /matchExpressions\[0\]\.key: query ".a \|"/,
  ],
  [
    'resourceRef: { kind: Pod }\n  selector: { matchExpressions: [{ key: .a, operator: Has }] }',
    /\.operator: "Has": choose In, NotIn/,
  ],
  [
    'resourceRef: { kind: Pod }\n  selector: {}\n  next: { statusTemplate: "{{ if }}" }',
    /spec\.next\.statusTemplate: template: line 1/,
  ],
  [
    'resourceRef: { kind: Pod }\n  selector: {}\n  next: { statusPatchAs: { username: a } }',
    /nobody is impersonated here/,
  ],
];

test('a Stage that is not understood is refused, with its field, its value and a way out', async () => {
  await using cluster = await startCluster({ controllers: false, scheduler: false });
  const { client, clock, random } = cluster;
  for (const [spec, why] of refused) {
    const stages = [stage(`metadata: { name: wrong }\nspec:\n  ${spec}`)];
    assert.throws(() => new SimulatedNodes({ client, clock, random, stages }), why);
  }
});
