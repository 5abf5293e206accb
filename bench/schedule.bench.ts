/**
 * Pods a second from waiting to bound, on 5,000 nodes: the cases of upstream's scheduler_perf. The API server is in the process, its store in
 * memory; every binding, status and event is a write through the API. `-- CASE` runs one of them.
 */
import { namespaces, nodes, type Pod, pods, priorityClasses, serviceAccounts } from '../src/api/index.ts';
import { type Client, localClient } from '../src/client/index.ts';
import { systemClock, systemRandom } from '../src/machinery/index.ts';
import { runScheduler } from '../src/scheduler/index.ts';
import { startCluster } from '../src/testing/index.ts';
import { report } from './report.ts';

const nodeCount = Number(process.env.NODES ?? 5000);
/** Milliseconds that a case may take. */
const longest = 120_000;

interface Case {
  /** How many pods are there before, and how many are measured. */
  before: number;
  measured: number;
  pod(n: number, measured: boolean): object;
  labels?: Record<string, string>;
  /** Others that can never be placed, and are tried again and again. */
  hopeless?: number;
}

const asking = (cpu: string, memory = '500Mi') => [
  { name: 'pause', image: 'registry.k8s.io/pause:3.10', resources: { requests: { cpu, memory } } },
];
const green = { matchLabels: { color: 'green' } };

const cases: Record<string, Case> = {
  basic: { before: 1000, measured: 10_000, pod: () => ({ containers: asking('100m') }) },
  'anti-affinity': {
    before: 1000,
    measured: 2000,
    labels: { color: 'green' },
    pod: () => ({
      containers: asking('100m'),
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { labelSelector: green, topologyKey: 'kubernetes.io/hostname' },
          ],
        },
      },
    }),
  },
  spread: {
    before: 1000,
    measured: 5000,
    labels: { color: 'blue' },
    pod: () => ({
      containers: asking('100m'),
      topologySpreadConstraints: [
        {
          maxSkew: 5,
          topologyKey: 'topology.kubernetes.io/zone',
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: { matchLabels: { color: 'blue' } },
        },
      ],
    }),
  },
  'preferred-affinity': {
    before: 1000,
    measured: 5000,
    labels: { color: 'red' },
    pod: () => ({
      containers: asking('100m'),
      affinity: {
        podAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            {
              weight: 1,
              podAffinityTerm: {
                labelSelector: { matchLabels: { color: 'red' } },
                topologyKey: 'kubernetes.io/hostname',
              },
            },
          ],
        },
      },
    }),
  },
  preemption: {
    before: 4 * nodeCount,
    measured: Math.min(2000, nodeCount),
    pod: (_n, measured) => ({
      containers: asking(measured ? '3000m' : '900m'),
      priorityClassName: measured ? 'high' : 'low',
      terminationGracePeriodSeconds: 0,
    }),
  },
  unschedulable: { before: 0, measured: 10_000, hopeless: 200, pod: () => ({ containers: asking('100m') }) },
};

async function run({ before, measured, pod, labels, hopeless = 0 }: Case): Promise<number> {
  await using cluster = await startCluster({ clock: systemClock, controllers: false, scheduler: false });
  const { client } = cluster;
  await prepare(client);
  const make = (name: string, spec: object) =>
    client.create(pods, {
      metadata: { name, namespace: 'bench', labels },
      spec,
    } as Pod);
  const stop = new AbortController();
  // as `glass up` gives it to the scheduler
  const name = 'system:kube-scheduler';
  const own = localClient(cluster.apiserver.local({ name, groups: ['system:authenticated'] }, name), { share: true });
  const scheduler = runScheduler({
    client: own,
    clock: systemClock,
    random: systemRandom,
    signal: stop.signal,
  });
  await scheduler.started;
  await inBatches(before, (n) => make(`before-${n}`, pod(n, false)));
  await inBatches(hopeless, (n) => make(`hopeless-${n}`, { containers: asking('9'), priorityClassName: 'high' }));
  await bound(own, 'before-', before, () => {});
  let seconds = 0;
  // held back by a gate, so that making them is not measured
  const schedulingGates = [{ name: 'bench/start' }];
  await inBatches(measured, (n) => make(`measured-${n}`, { ...pod(n, true), schedulingGates }));
  const churn = hopeless > 0 ? setInterval(() => void churnOnce(client), 200) : undefined;
  let started = 0;
  const done = bound(own, 'measured-', measured, () => {
    seconds = (performance.now() - started) / 1000;
  });
  stop.abort();
  await scheduler.ended;
  await inBatches(measured, (n) =>
    client.patch(
      pods,
      { namespace: 'bench', name: `measured-${n}` },
      { type: 'json', operations: [{ op: 'remove', path: '/spec/schedulingGates' }] },
    ),
  );
  const second = new AbortController();
  const again = runScheduler({
    client: own,
    clock: systemClock,
    random: systemRandom,
    signal: second.signal,
  });
  await again.started;
  started = performance.now();
  await done;
  clearInterval(churn);
  second.abort();
  await again.ended;
  return measured / seconds;
}

let churned = 0;

/** A node that comes and goes: wakes those that wait for room. */
async function churnOnce(client: Client): Promise<void> {
  const name = `churn-${churned++}`;
  await client.create(nodes, nodeNamed(name, 0, { cpu: '1' }));
  await client.delete(nodes, { name });
}

function nodeNamed(name: string, n: number, allocatable: object = {}) {
  return {
    metadata: {
      name,
      labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone${n % 3}` },
    },
    spec: {},
    status: {
      allocatable: { cpu: '4', memory: '32Gi', pods: '110', ...allocatable },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  } as never;
}

async function prepare(client: Client): Promise<void> {
  await client.create(namespaces, { metadata: { name: 'bench' }, spec: {} });
  await client.create(serviceAccounts, { metadata: { name: 'default', namespace: 'bench' } });
  await client.create(priorityClasses, { metadata: { name: 'low' }, value: 0 });
  await client.create(priorityClasses, { metadata: { name: 'high' }, value: 10 });
  await inBatches(nodeCount, (n) => client.create(nodes, nodeNamed(`node-${n}`, n)));
}

async function inBatches(count: number, make: (n: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += 200)
    await Promise.all(Array.from({ length: Math.min(200, count - from) }, (_, i) => make(from + i)));
}

/** Resolves once so many pods whose names begin so have a node; `last` is called when the last of them has. */
async function bound(client: Client, prefix: string, count: number, last: () => void): Promise<void> {
  if (count === 0) return;
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(), longest);
  const seen = new Set<string>();
  try {
    const list = await client.list(pods, { namespace: 'bench' });
    const look = ({ metadata, spec }: Pod) => {
      if (spec.nodeName && metadata.name!.startsWith(prefix)) seen.add(metadata.name!);
    };
    list.items.forEach(look);
    const resourceVersion = list.metadata.resourceVersion;
    if (seen.size < count)
      for await (const { object } of client.watch(pods, {
        namespace: 'bench',
        resourceVersion,
        signal: stop.signal,
      })) {
        look(object);
        if (seen.size >= count) break;
      }
  } finally {
    clearTimeout(late);
  }
  if (seen.size < count) throw new Error(`only ${seen.size} of ${count} pods were placed within ${longest} ms`);
  last();
}

const [only] = process.argv.slice(2).filter((one) => !one.startsWith('--'));
for (const [name, one] of Object.entries(cases)) {
  if (only !== undefined && only !== name) continue;
  const figures = [await run(one)];
  report({
    name: `schedule ${name}`,
    what: `${one.measured} pods on ${nodeCount} nodes (${name}), with ${one.before} pods there before`,
    unit: 'pods/s',
    figures,
    goal: name === 'basic' ? 'above 8,000 pods/s' : 'at least 10 times kube-scheduler',
    met: (median, ratio) => (name === 'basic' ? median > 8000 : ratio !== undefined && ratio >= 10),
    moreIsBetter: true,
  });
}
