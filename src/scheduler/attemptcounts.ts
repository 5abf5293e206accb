/** What the scheduler tells of itself, under upstream's names. */
import { type Counter, exponentialBuckets, type Family, type Histogram, type MetricSet } from '../machinery/index.ts';
import type { ClusterEvent } from './framework.ts';

export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';
export type QueueName = 'active' | 'backoff' | 'unschedulable' | 'gated';

/** What brings a pod into one of the queues, beside changes in the cluster. */
export type QueueEvent =
  | ClusterEvent
  | 'UnscheduledPodAdd'
  | 'ScheduleAttemptFailure'
  | 'BackoffComplete'
  | 'PopFromBackoffQ'
  | 'ForceActivate'
  | 'UnschedulableTimeout';

/** What upstream calls them. */
const eventNames: Partial<Record<QueueEvent, string>> = {
  PodAdd: 'AssignedPodAdd',
  PodUpdate: 'AssignedPodUpdate',
  PodDelete: 'AssignedPodDelete',
  SelfUpdate: 'UnscheduledPodUpdate',
};

const prefix = 'scheduler_';
const attemptSeconds = exponentialBuckets(0.001, 2, 15);
const queueNames: readonly QueueName[] = ['active', 'backoff', 'unschedulable', 'gated'];
const cacheTypes = ['assumed_pods', 'nodes', 'pods'] as const;

/** What is looked up when somebody asks. */
export interface SchedulerState {
  waiting(): Readonly<Record<QueueName, number>>;
  /** How many pods each plugin keeps from being placed, by profile. */
  unschedulable(): Iterable<readonly [plugin: string, profile: string, pods: number]>;
  cached(): Readonly<Record<(typeof cacheTypes)[number], number>>;
}

interface AttemptSeries {
  readonly count: Counter;
  readonly seconds: Histogram;
}

/** Series are looked up once: an attempt makes no text. */
export class AttemptCounts {
  readonly algorithm: Histogram;
  readonly preemptionAttempts: Counter;
  readonly preemptionVictims: Histogram;
  readonly scheduledAfterFlush: Counter;
  readonly #attempts: Family<Counter>;
  readonly #durations: Family<Histogram>;
  readonly #level: Family<Histogram>;
  readonly #attemptsOfPod: Histogram;
  readonly #incoming: Family<Counter>;
  readonly #permitted: Family<Histogram>;
  readonly #byProfile = new Map<string, Map<AttemptResult, AttemptSeries>>();
  readonly #levels = new Map<number, Histogram>();
  readonly #byEvent: Readonly<Record<QueueName, Map<QueueEvent, Counter>>> = {
    active: new Map(),
    backoff: new Map(),
    unschedulable: new Map(),
    gated: new Map(),
  };

  constructor(metrics: MetricSet) {
    const byResult = ['result', 'profile'];
    const counter = (name: string, help: string, labels: string[] = []) =>
      metrics.counter(`${prefix}${name}_total`, help, labels);
    const histogram = (name: string, help: string, labels: string[], bounds: number[]) =>
      metrics.histogram(prefix + name, help, labels, bounds);
    const once = exponentialBuckets(1, 2, 5);
    const seconds = 'duration_seconds';
    this.#attempts = counter('schedule_attempts', 'Attempts to place a pod', byResult);
    this.#durations = histogram(
      `scheduling_attempt_${seconds}`,
      'Time of an attempt, with the binding',
      byResult,
      attemptSeconds,
    );
    this.algorithm = histogram(`scheduling_algorithm_${seconds}`, 'Time to choose a node', [], attemptSeconds).with();
    this.#level = histogram(
      `pod_scheduling_sli_${seconds}`,
      'Time from when a pod could first be tried until it was bound',
      ['attempts'],
      exponentialBuckets(0.01, 2, 20),
    );
    this.#attemptsOfPod = histogram('pod_scheduling_attempts', 'Attempts until a pod was bound', [], once).with();
    this.preemptionAttempts = counter('preemption_attempts', 'Times that evicting others was considered').with();
    this.preemptionVictims = histogram(
      'preemption_victims',
      'Pods that are evicted for another',
      [],
      exponentialBuckets(1, 2, 7),
    ).with();
    this.scheduledAfterFlush = counter(
      'pod_scheduled_after_flush',
      'Pods that were bound after they were tried again for having waited too long',
    ).with();
    this.#incoming = counter('queue_incoming_pods', 'Pods that came into a queue', ['queue', 'event']);
    this.#permitted = histogram(
      `permit_wait_${seconds}`,
      'Time that pods waited for permission',
      ['result'],
      attemptSeconds,
    );
  }

  attempt(profile: string, result: AttemptResult, seconds: number): void {
    let results = this.#byProfile.get(profile);
    if (results === undefined) this.#byProfile.set(profile, (results = new Map()));
    let found = results.get(result);
    if (found === undefined) {
      found = { count: this.#attempts.with(result, profile), seconds: this.#durations.with(result, profile) };
      results.set(result, found);
    }
    found.count.add();
    found.seconds.observe(seconds);
  }

  bound(attempts: number, seconds: number): void {
    const at = Math.min(attempts, 16);
    let level = this.#levels.get(at);
    if (level === undefined) this.#levels.set(at, (level = this.#level.with(at > 15 ? '15+' : String(at))));
    level.observe(seconds);
    this.#attemptsOfPod.observe(attempts);
  }

  incoming(queue: QueueName, event: QueueEvent): void {
    const known = this.#byEvent[queue];
    let counter = known.get(event);
    if (counter === undefined) known.set(event, (counter = this.#incoming.with(queue, eventNames[event] ?? event)));
    counter.add();
  }

  permitted(result: 'allowed' | 'rejected', seconds: number): void {
    this.#permitted.with(result).observe(seconds);
  }
}

export function tellOfState(metrics: MetricSet, state: SchedulerState): void {
  metrics.read(`${prefix}pending_pods`, 'gauge', 'Pods that wait, by queue', ['queue'], () => {
    const waiting = state.waiting();
    return queueNames.map((name) => [[name], waiting[name]] as const);
  });
  metrics.read(`${prefix}cache_size`, 'gauge', 'What the scheduler knows', ['type'], () => {
    const cached = state.cached();
    return cacheTypes.map((type) => [[type], cached[type]] as const);
  });
  metrics.read(`${prefix}unschedulable_pods`, 'gauge', 'Pods that a plugin rejected', ['plugin', 'profile'], () =>
    Array.from(state.unschedulable(), ([plugin, profile, pods]) => [[plugin, profile], pods] as const),
  );
}
