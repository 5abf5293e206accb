/** The cases of upstream's scheduler_perf that are measured, and the nodes that they run on. */
/** As many as upstream has, unless NODES says otherwise. */
export const nodeCount = Number(process.env.NODES ?? 5000);

export interface Case {
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

export const cases: Record<string, Case> = {
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

export function nodeNamed(name: string, n: number, allocatable: object = {}) {
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
