/** What pods use, as `/stats/summary` tells it. */
import { cpus, freemem, totalmem, uptime } from 'node:os';
import { formatTime } from '../machinery/index.ts';
import type { Context } from './options.ts';
import type { PodWorker } from './podworker.ts';
import type { ContainerStats, ContainerStatus } from './runtime/runtime.ts';

export interface Usage {
  worker: PodWorker;
  containers: { name: string; startedAt: number; stats: ContainerStats; status: ContainerStatus }[];
}

export async function usageOf(context: Context, workers: PodWorker[]): Promise<Usage[]> {
  return Promise.all(
    workers.map(async (worker) => {
      const running = worker.truth.containers.filter(({ state }) => state === 'Running');
      const containers = await Promise.all(
        running.map(async (status) => {
          const { id, metadata, startedAt } = status;
          const stats = await context.runtime.containerStats(id).catch(() => undefined);
          return stats ? [{ name: metadata.name, startedAt, stats, status }] : [];
        }),
      );
      return { worker, containers: containers.flat() };
    }),
  );
}

/** CPU of the machine since it started, in nanoseconds. */
export function machineCpu(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) * 1e6;
}

const rates = new WeakMap<Context, Map<string, { at: number; cpu: number; rate: number }>>();

/** Nanocores since the last look (at least a second ago); at the first look since the start, `age` milliseconds ago. */
function nanoCores(context: Context, key: string, cpu: number, age: number): number {
  const known = rates.get(context) ?? new Map();
  rates.set(context, known);
  const now = context.clock.monotonic();
  const last = known.get(key);
  if (!last) {
    const rate = age >= 1000 ? Math.max(0, Math.round((cpu / age) * 1000)) : 0;
    known.set(key, { at: now, cpu, rate });
    return rate;
  }
  if (now - last.at < 1000) return last.rate;
  const rate = Math.max(0, Math.round(((cpu - last.cpu) / (now - last.at)) * 1000));
  known.set(key, { at: now, cpu, rate });
  return rate;
}

export async function statsSummary(context: Context, workers: PodWorker[]): Promise<object> {
  const time = formatTime(context.clock.now());
  const usages = await usageOf(context, workers);
  const shape = (key: string, startedAt: number, cpu: number, workingSet: number, memory: number) => ({
    cpu: {
      time,
      usageNanoCores: nanoCores(context, key, cpu, context.clock.now() - startedAt),
      usageCoreNanoSeconds: Math.round(cpu),
    },
    memory: { time, usageBytes: memory, workingSetBytes: workingSet, rssBytes: workingSet },
  });
  const used = totalmem() - freemem();
  forgetOld(context, usages);
  return {
    node: {
      nodeName: context.nodeName,
      startTime: time,
      ...shape('', context.clock.now() - uptime() * 1000, machineCpu(), used, used),
    },
    pods: usages.map(({ worker, containers }) => {
      const { name, namespace, uid } = worker.pod.metadata;
      const sum = (of: (stats: ContainerStats) => number) =>
        containers.reduce((total, { stats }) => total + of(stats), 0);
      return {
        podRef: { name, namespace, uid },
        startTime: worker.status.startTime ?? time,
        ...shape(
          `${uid}`,
          Math.min(...containers.map((each) => each.startedAt)),
          sum((stats) => stats.cpuNanoseconds),
          sum((stats) => stats.workingSetBytes),
          sum((stats) => stats.memoryBytes),
        ),
        containers: containers.map((each) => ({
          name: each.name,
          startTime: formatTime(each.startedAt),
          ...shape(
            `${uid}/${each.name}`,
            each.startedAt,
            each.stats.cpuNanoseconds,
            each.stats.workingSetBytes,
            each.stats.memoryBytes,
          ),
        })),
      };
    }),
  };
}

function forgetOld(context: Context, usages: Usage[]): void {
  const alive = new Set(usages.map(({ worker }) => worker.uid));
  const known = rates.get(context);
  for (const key of known?.keys() ?? []) if (key !== '' && !alive.has(key.split('/')[0] as string)) known?.delete(key);
}
