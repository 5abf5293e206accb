/** What a work queue tells of itself, under upstream's names. */
import { type Counter, exponentialBuckets, type Histogram, type MetricSet } from '../machinery/index.ts';

export interface QueueSeries {
  readonly adds: Counter;
  readonly retries: Counter;
  /** Seconds from the first add to the get. */
  readonly queueDuration: Histogram;
  /** Seconds from the get to the done. */
  readonly workDuration: Histogram;
}

/** What is looked up when somebody asks. */
export interface QueueState {
  /** Keys that are ready and not yet taken. */
  depth(): number;
  /** For how many seconds each key has been worked on. */
  working(): readonly number[];
}

const durations = exponentialBuckets(1e-8, 10, 10);
const label = ['name'];

export function queueSeries(metrics: MetricSet, name: string, state: QueueState): QueueSeries {
  const gauge = (of: string, help: string, read: () => number) =>
    metrics.gauge(`workqueue_${of}`, help, label).with(name).follow(read);
  gauge('depth', 'Keys that wait to be worked on', () => state.depth());
  gauge('unfinished_work_seconds', 'Time that the work under way has taken, all together', () =>
    state.working().reduce((sum, one) => sum + one, 0),
  );
  gauge('longest_running_processor_seconds', 'Time that the longest work under way has taken', () =>
    Math.max(0, ...state.working()),
  );
  const counter = (of: string, help: string) => metrics.counter(`workqueue_${of}`, help, label).with(name);
  const histogram = (of: string, help: string) =>
    metrics.histogram(`workqueue_${of}`, help, label, durations).with(name);
  return {
    adds: counter('adds_total', 'Keys that were added'),
    retries: counter('retries_total', 'Keys that were tried again'),
    queueDuration: histogram('queue_duration_seconds', 'Time that keys waited'),
    workDuration: histogram('work_duration_seconds', 'Time that work on a key took'),
  };
}
