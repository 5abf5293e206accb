/** What the node, its pods and their containers use, in the Prometheus text format: `/metrics/resource` and `/metrics/cadvisor`. */
import { readFile } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { MetricSet, type MetricType, type Reading } from '../machinery/index.ts';
import type { Context } from './options.ts';
import { findContainer } from './plan.ts';
import type { PodWorker } from './podworker.ts';
import { memoryBytes, milliCpu } from './resources.ts';
import { podCgroup } from './runtime/cgroups.ts';
import type { ContainerStats } from './runtime/runtime.ts';
import { machineCpu, type Usage, usageOf } from './usage.ts';

type Of = (stats: ContainerStats) => number;

const cpuSeconds: Of = ({ cpuNanoseconds }) => cpuNanoseconds / 1e9;
const workingSet: Of = ({ workingSetBytes }) => workingSetBytes;
const memory: Of = ({ memoryBytes: bytes }) => bytes;

/** What the Metrics API needs of a node, and no more. */
export async function resourceMetrics(context: Context, workers: PodWorker[]): Promise<string> {
  const usages = await usageOf(context, workers);
  const at = Math.round(context.clock.now());
  const set = new MetricSet();
  const tell = (name: string, type: 'counter' | 'gauge', help: string, labels: string[], rows: Reading[]) =>
    set.read(name, type, help, labels, () => rows);
  const containers = (of: (one: Usage['containers'][number]) => number, timed = true): Reading[] =>
    usages.flatMap((usage) =>
      usage.containers.map((one): Reading => [[one.name, ...placeOf(usage)], of(one), timed ? at : undefined]),
    );
  const pods = (of: Of): Reading[] => usages.map((usage) => [placeOf(usage), sumOf(usage, of), at]);
  const inContainer = ['container', 'namespace', 'pod'];
  const inPod = ['namespace', 'pod'];
  tell(
    'container_cpu_usage_seconds_total',
    'counter',
    'CPU time of a container',
    inContainer,
    containers(({ stats }) => cpuSeconds(stats)),
  );
  tell(
    'container_memory_working_set_bytes',
    'gauge',
    'Memory that a container works with',
    inContainer,
    containers(({ stats }) => workingSet(stats)),
  );
  tell(
    'container_start_time_seconds',
    'gauge',
    'When a container started, since the epoch',
    inContainer,
    containers(({ startedAt }) => startedAt / 1000, false),
  );
  tell('node_cpu_usage_seconds_total', 'counter', 'CPU time of the node', [], [[[], machineCpu() / 1e9, at]]);
  tell(
    'node_memory_working_set_bytes',
    'gauge',
    'Memory that the node works with',
    [],
    [[[], totalmem() - freemem(), at]],
  );
  tell('pod_cpu_usage_seconds_total', 'counter', 'CPU time of a pod', inPod, pods(cpuSeconds));
  tell('pod_memory_working_set_bytes', 'gauge', 'Memory that a pod works with', inPod, pods(workingSet));
  tell('resource_scrape_error', 'gauge', '1 where the figures could not be had', [], [[[], 0]]);
  return set.text();
}

/** Of the names that cAdvisor gives to what it sees, those whose figures are known here. */
const labels = ['container', 'id', 'image', 'name', 'namespace', 'pod'];

interface Seen {
  readonly labels: readonly string[];
  readonly usage: Usage | undefined;
  readonly container: Usage['containers'][number] | undefined;
}

export async function cadvisorMetrics(context: Context, workers: PodWorker[]): Promise<string> {
  const usages = await usageOf(context, workers);
  const at = Math.round(context.clock.now());
  const set = new MetricSet();
  const all: Seen[] = [
    { labels: ['', '/', '', '', '', ''], usage: undefined, container: undefined },
    ...usages.flatMap(seenOf),
  ];
  const tell = (
    name: string,
    type: Exclude<MetricType, 'histogram'>,
    help: string,
    of: (seen: Seen) => number | undefined,
    more: readonly string[] = [],
  ) => {
    const values = more.map((one) => one.split('=')[1]!);
    const names = more.map((one) => one.split('=')[0]!);
    const rows = all.flatMap((seen): Reading[] => {
      const value = of(seen);
      return value === undefined ? [] : [[[...seen.labels, ...values], value, at]];
    });
    set.read(name, type, help, [...labels, ...names], () => rows);
  };
  const used =
    (of: Of, ofMachine: () => number) =>
    ({ usage, container }: Seen): number => {
      if (usage === undefined) return ofMachine();
      return container === undefined ? sumOf(usage, of) : of(container.stats);
    };
  const ofMachine = () => totalmem() - freemem();
  tell(
    'container_cpu_usage_seconds_total',
    'counter',
    'CPU time',
    used(cpuSeconds, () => machineCpu() / 1e9),
    ['cpu=total'],
  );
  tell('container_memory_usage_bytes', 'gauge', 'Memory, with the page cache', used(memory, ofMachine));
  tell(
    'container_memory_working_set_bytes',
    'gauge',
    'Memory without what can be reclaimed',
    used(workingSet, ofMachine),
  );
  tell(
    'container_threads',
    'gauge',
    'Processes and threads',
    ({ usage, container }) => container?.stats.pids ?? (usage && sumOf(usage, ({ pids }) => pids)),
  );
  tell(
    'container_start_time_seconds',
    'gauge',
    'When it started, since the epoch',
    ({ container }) => container && container.startedAt / 1000,
  );
  tell('container_last_seen', 'gauge', 'When it was last looked at, since the epoch', () => Math.floor(at / 1000));
  const limits = ({ usage, container }: Seen) =>
    usage && container && findContainer(usage.worker.pod, container.name)?.resources?.limits;
  tell(
    'container_spec_memory_limit_bytes',
    'gauge',
    'Memory that it may use; 0: any',
    (seen) => seen.container && memoryBytes(limits(seen)),
  );
  tell(
    'container_spec_cpu_period',
    'gauge',
    'Microseconds that its quota is of',
    ({ container }) => container && cpuPeriod,
  );
  tell('container_spec_cpu_quota', 'gauge', 'Microseconds of CPU that it may use of each period', (seen) => {
    const quota = seen.container && (milliCpu(limits(seen)) * cpuPeriod) / 1000;
    return quota === 0 ? undefined : quota;
  });
  await tellOfNetwork(set, context, usages, at);
  set.read('machine_cpu_cores', 'gauge', 'Logical CPUs of the machine', [], () => [[[], availableParallelism()]]);
  set.read('machine_memory_bytes', 'gauge', 'Memory of the machine', [], () => [[[], totalmem()]]);
  set.read('container_scrape_error', 'gauge', '1 where the figures could not be had', [], () => [[[], 0]]);
  return set.text();
}

/** Microseconds; what quotas are of. */
const cpuPeriod = 100_000;

/** A pod, then each of its containers. */
function seenOf(usage: Usage): Seen[] {
  const [namespace, pod] = placeOf(usage) as [string, string];
  const [sandbox] = usage.worker.truth.sandboxes;
  if (sandbox === undefined) return [];
  const group = podCgroup('/glasshouse', sandbox.config);
  return [
    { labels: ['', group, '', '', namespace, pod], usage, container: undefined },
    ...usage.containers.map((container): Seen => {
      const { id, image } = container.status;
      return { labels: [container.name, `${group}/${id}`, image, id, namespace, pod], usage, container };
    }),
  ];
}

const networkColumns = {
  receive_bytes: 0,
  receive_packets: 1,
  receive_errors: 2,
  receive_packets_dropped: 3,
  transmit_bytes: 8,
  transmit_packets: 9,
  transmit_errors: 10,
  transmit_packets_dropped: 11,
} as const;

/** Of pods with a network of their own, as the kernel counts it in there. */
async function tellOfNetwork(
  set: MetricSet,
  { runtime }: Context,
  usages: readonly Usage[],
  at: number,
): Promise<void> {
  if (runtime.name !== 'oci') return;
  const found = await Promise.all(
    usages.map(async (usage) => {
      const [sandbox] = usage.worker.truth.sandboxes;
      const pid = usage.containers.find(({ status }) => status.pid !== undefined)?.status.pid;
      if (sandbox === undefined || sandbox.config.hostNetwork || pid === undefined) return [];
      const text = await readFile(`/proc/${pid}/net/dev`, 'utf8').catch(() => '');
      const place = ['', podCgroup('/glasshouse', sandbox.config), '', '', ...placeOf(usage)];
      return Array.from(text.matchAll(/^ *([^\s:]+): *(.+)$/gm), ([, name, rest]) => ({
        values: [...place, name!],
        figures: rest!.trim().split(/ +/).map(Number),
      })).filter(({ values }) => values.at(-1) !== 'lo');
    }),
  );
  for (const [name, column] of Object.entries(networkColumns))
    set.read(
      `container_network_${name}_total`,
      'counter',
      `Network: ${name.replaceAll('_', ' ')}`,
      [...labels, 'interface'],
      () => found.flat().map(({ values, figures }): Reading => [values, figures[column] ?? 0, at]),
    );
}

function placeOf({ worker }: Usage): string[] {
  const { namespace = '', name = '' } = worker.pod.metadata;
  return [namespace, name];
}

function sumOf({ containers }: Usage, of: Of): number {
  return containers.reduce((sum, { stats }) => sum + of(stats), 0);
}
