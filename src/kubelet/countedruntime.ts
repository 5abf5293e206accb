/** A container runtime whose calls are counted, under the names that upstream has for them. */
import type { Clock, MetricSet } from '../machinery/index.ts';
import type { Runtime } from './runtime/runtime.ts';

const operations = {
  runPodSandbox: 'run_podsandbox',
  stopPodSandbox: 'stop_podsandbox',
  removePodSandbox: 'remove_podsandbox',
  podSandboxStatus: 'podsandbox_status',
  listPodSandboxes: 'list_podsandbox',
  createContainer: 'create_container',
  startContainer: 'start_container',
  stopContainer: 'stop_container',
  removeContainer: 'remove_container',
  containerStatus: 'container_status',
  listContainers: 'list_containers',
  updateContainerResources: 'update_container',
  containerStats: 'container_stats',
  reopenContainerLog: 'reopen_container_log',
  exec: 'exec',
  attach: 'attach',
  portForward: 'port_forward',
} as const satisfies Partial<Record<keyof Runtime, string>>;

const durations = Array.from({ length: 14 }, (_, i) => 0.005 * 2.5 ** i);
const label = ['operation_type'];

type Call = (...args: unknown[]) => Promise<unknown>;

export function countedRuntime(runtime: Runtime, metrics: MetricSet, clock: Clock): Runtime {
  const family = 'kubelet_runtime_operations';
  const all = metrics.counter(`${family}_total`, 'Calls of the container runtime', label);
  const failed = metrics.counter(`${family}_errors_total`, 'Calls of the container runtime that failed', label);
  const seconds = metrics.histogram(`${family}_duration_seconds`, 'Time of these calls', label, durations);
  const counted = (name: keyof typeof operations, operation: string): Call => {
    const call: Call = (...args) => (runtime[name] as Call).apply(runtime, args);
    return async (...args) => {
      const began = clock.monotonic();
      all.with(operation).add();
      try {
        return await call(...args);
      } catch (error) {
        failed.with(operation).add();
        throw error;
      } finally {
        seconds.with(operation).observe((clock.monotonic() - began) / 1000);
      }
    };
  };
  const calls = Object.entries(operations).map(([name, operation]) => [
    name,
    counted(name as keyof typeof operations, operation),
  ]);
  return {
    ...(Object.fromEntries(calls) as unknown as Pick<Runtime, keyof typeof operations>),
    name: runtime.name,
    get handlers() {
      return runtime.handlers;
    },
    version: () => runtime.version(),
    start: () => runtime.start(),
    onEvent: (listener) => runtime.onEvent(listener),
    close: () => runtime.close(),
  };
}
