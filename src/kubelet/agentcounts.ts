/** What the agent tells of itself, under upstream's names. */
import {
  type Clock,
  type Counter,
  exponentialBuckets,
  type Family,
  type Gauge,
  type Histogram,
  type MetricSet,
  type Reading,
} from '../machinery/index.ts';
import type { PodTruth } from './truth.ts';

const prefix = 'kubelet_';
const durations = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const startDurations = [
  0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600,
];
/** What goes on for as long as the client stays. */
const longRunning = new Set(['exec', 'attach', 'portForward', 'containerLogs']);
const states: Readonly<Record<string, string>> = {
  Created: 'created',
  Running: 'running',
  Exited: 'exited',
  Unknown: 'unknown',
};

/** A pod that is here; `active`: it takes resources. */
interface Counted {
  readonly truth: PodTruth;
  readonly active: boolean;
}

export class AgentCounts {
  /** Seconds from when a pod was first seen here until it ran. */
  readonly podStart: Histogram;
  readonly #clock: Clock;
  readonly #metrics: MetricSet;
  readonly #work: Family<Histogram>;
  readonly #requests: Family<Counter>;
  readonly #requestDurations: Family<Histogram>;
  readonly #open: Family<Gauge>;

  constructor(metrics: MetricSet, clock: Clock) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.podStart = metrics
      .histogram(`${prefix}pod_start_duration_seconds`, 'Time from a pod being seen until it ran', [], startDurations)
      .with();
    this.#work = metrics.histogram(
      `${prefix}pod_worker_duration_seconds`,
      'Time of a pass over a pod',
      ['operation_type'],
      durations,
    );
    const shape = ['method', 'path', 'server_type', 'long_running'];
    this.#requests = metrics.counter(`${prefix}http_requests_total`, 'Requests to the agent', shape);
    this.#requestDurations = metrics.histogram(
      `${prefix}http_requests_duration_seconds`,
      'Time until a request was answered',
      shape,
      exponentialBuckets(0.005, 2.5, 9),
    );
    this.#open = metrics.gauge(`${prefix}http_inflight_requests`, 'Requests that are open', shape);
  }

  /** A pass over a pod begins; what comes back is called when it is over. */
  work(operation: 'sync' | 'terminating'): () => void {
    const began = this.#clock.monotonic();
    return () => this.#work.with(operation).observe((this.#clock.monotonic() - began) / 1000);
  }

  /** A request for a path that is known; `whenOver` is told whom to call at its end. */
  request(path: string, method: string, whenOver: (call: () => void) => void): void {
    const labels = [method, path, 'readwrite', String(longRunning.has(path))];
    const began = this.#clock.monotonic();
    this.#requests.with(...labels).add();
    const open = this.#open.with(...labels);
    open.add(1);
    whenOver(() => {
      open.add(-1);
      this.#requestDurations.with(...labels).observe((this.#clock.monotonic() - began) / 1000);
    });
  }

  tellOf(nodeName: string, workers: () => Iterable<Counted>): void {
    const tell = (name: string, help: string, labels: string[], read: () => Iterable<Reading>) =>
      this.#metrics.read(prefix + name, 'gauge', help, labels, read);
    tell('node_name', 'The name of the node; the value is always 1', ['node'], () => [[[nodeName], 1]]);
    tell('running_pods', 'Pods with a sandbox that runs', [], () => {
      const running = Array.from(workers()).filter(({ truth }) =>
        truth.sandboxes.some(({ state }) => state === 'Ready'),
      );
      return [[[], running.length]];
    });
    tell('running_containers', 'Containers, by what they do', ['container_state'], () => {
      const counts: Record<string, number> = { running: 0 };
      for (const { truth } of workers())
        for (const { state } of truth.containers) counts[states[state]!] = (counts[states[state]!] ?? 0) + 1;
      return Object.entries(counts).map(([state, count]) => [[state], count] as const);
    });
    // none comes from files
    tell('desired_pods', 'Pods that are to run here', ['static'], () => [[['false'], Array.from(workers()).length]]);
    tell('active_pods', 'Pods that take resources here', ['static'], () => [
      [['false'], Array.from(workers()).filter(({ active }) => active).length],
    ]);
  }
}
