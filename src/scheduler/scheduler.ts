import { namespaces, type Node, nodes, type Pod, pods } from '../api/index.ts';
import { type Client, type EventRecorder, eventRecorder, Informers, type Log, quiet } from '../client/index.ts';
import { type Clock, type KubeObject, MetricSet, type Random, type Resource } from '../machinery/index.ts';
import { setImmediate as turn } from 'node:timers/promises';
import { AttemptCounts, tellOfState } from './attemptcounts.ts';
import { Binding } from './binding.ts';
import { profilesOf, type SchedulerConfiguration } from './config.ts';
import { type Chosen, Scheduling, type Unschedulable } from './cycle.ts';
import { Extenders } from './extender.ts';
import type { ClusterEvent, Group } from './framework.ts';
import type { Handle } from './handle.ts';
import { groupMessages, placeTogether } from './podgroups.ts';
import { PodStatus } from './podstatus.ts';
import type { Profile } from './profile.ts';
import { SchedulingQueue } from './queue.ts';
import { Snapshot } from './snapshot.ts';
import { Tracking } from './tracking.ts';

export interface SchedulerOptions {
  client: Client;
  clock: Clock;
  random: Random;
  signal: AbortSignal;
  log?: Log;
  /** Shared with others in the process; absent: its own. */
  informers?: Informers;
  /** Absent: one profile, `default-scheduler`, with upstream's plugins. Throws when it cannot be. */
  configuration?: SchedulerConfiguration;
  /** The cluster serves PodGroups (scheduling.k8s.io/v1alpha2): their pods are placed together. Absent: only where a profile enables it. */
  podGroups?: boolean;
  /** Where it is counted what it does; absent: nowhere. */
  metrics?: MetricSet | undefined;
}

export interface RunningScheduler {
  /** Resolves once it knows all pods and nodes and works. */
  started: Promise<void>;
  /** Resolves after the signal was aborted. */
  ended: Promise<void>;
}

export function runScheduler(options: SchedulerOptions): RunningScheduler {
  const scheduler = new Scheduler(options);
  const started = scheduler.start();
  return { started, ended: started.then(() => scheduler.run()) };
}

/** So many bindings are under way at most: what is assumed beyond them would only be a guess. */
const bindingsAtOnce = 512;
/** So many attempts, or milliseconds, before others get their turn. */
const attemptsAtOnce = 64;
const longestTurn = 4;

class Scheduler {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #log: Log;
  readonly #informers: Informers;
  readonly #queue: SchedulingQueue;
  readonly #snapshot = new Snapshot();
  readonly #scheduling: Scheduling;
  readonly #profiles: Map<string, Profile>;
  readonly #extenders: Extenders;
  readonly #events = new Map<string, EventRecorder>();
  readonly #eventsFor: (component: string) => EventRecorder;
  readonly #status: PodStatus;
  readonly #binding: Binding;
  readonly #counts: AttemptCounts;
  /** While there are pods to place, the events of those that were placed wait. */
  #busy: PromiseWithResolvers<void> | undefined;
  /** What the plugins asked to be told of. */
  readonly #watched = new Set<Resource<any>>();

  constructor(options: SchedulerOptions) {
    const { client, clock, random, signal, log = quiet, configuration = {}, metrics = new MetricSet() } = options;
    this.#counts = new AttemptCounts(metrics);
    this.#clock = clock;
    this.#signal = signal;
    this.#log = log;
    const idle = () => this.#busy?.promise;
    this.#eventsFor = (component) => {
      let recorder = this.#events.get(component);
      if (recorder === undefined)
        this.#events.set(
          component,
          (recorder = eventRecorder({ client, clock, random, signal, log, component, idle })),
        );
      return recorder;
    };
    this.#informers = options.informers ?? new Informers({ client, clock, random, signal, log });
    this.#profiles = profilesOf(configuration, this.#handle(client, random), options.podGroups);
    const { podInitialBackoffSeconds, podMaxBackoffSeconds, extenders = [] } = configuration;
    this.#queue = new SchedulingQueue(clock, (pod) => this.#gate(pod), {
      initialBackoff: podInitialBackoffSeconds && podInitialBackoffSeconds * 1000,
      longestBackoff: podMaxBackoffSeconds && podMaxBackoffSeconds * 1000,
      counts: this.#counts,
    });
    tellOfState(metrics, {
      waiting: () => this.#queue.waiting(),
      unschedulable: () => this.#queue.rejections(),
      cached: () => ({
        nodes: this.#snapshot.size,
        pods: this.#snapshot.podCount,
        assumed_pods: this.#binding.underWay,
      }),
    });
    this.#scheduling = new Scheduling(this.#snapshot, random);
    this.#extenders = new Extenders(extenders, clock, log);
    this.#status = new PodStatus({ client, clock, signal, log });
    this.#binding = new Binding({
      client,
      signal,
      log,
      snapshot: this.#snapshot,
      queue: this.#queue,
      extenders: this.#extenders,
      clock,
      counts: this.#counts,
      podOf: (key) => this.#informers.for<Pod>(pods).lister.get(key),
      event: (pod, type, reason, message) => this.#eventsFor(pod.spec.schedulerName!).event(pod, type, reason, message),
      failed: (pod, message) => this.#status.write(pod, 'SchedulerError', message, undefined),
    });
  }

  #handle(client: Client, random: Random): Handle {
    const listen = (resource: Resource<any>, event: ClusterEvent | undefined) => {
      if (this.#watched.has(resource)) return;
      this.#watched.add(resource);
      if (event === undefined) return;
      const changed = (old: KubeObject | undefined, object: KubeObject | undefined) =>
        this.#queue?.changed(event, old, object);
      this.#informers.for(resource).addHandler({
        onAdd: (object) => changed(undefined, object),
        onUpdate: (old, object) => changed(old, object),
        onDelete: (object) => changed(object, undefined),
      });
    };
    return {
      client,
      clock: this.#clock,
      random,
      log: this.#log,
      snapshot: this.#snapshot,
      watch: (resource, event) => {
        listen(resource, event);
        return this.#informers.for(resource).lister;
      },
      informer: (resource) => this.#informers.for(resource),
      event: (regarding, type, reason, message) =>
        this.#eventsFor(this.#profiles.keys().next().value!).event(regarding, type, reason, message),
      recheck: () => this.#queue?.recheck(),
    };
  }

  async start(): Promise<void> {
    const podInformer = this.#informers.for<Pod>(pods);
    const nodeInformer = this.#informers.for<Node>(nodes);
    const namespaceInformer = this.#informers.for(namespaces);
    this.#snapshot.namespaceLabels = (name) => namespaceInformer.lister.get(name)?.metadata.labels ?? {};
    const others = Array.from(this.#watched, (resource) => this.#informers.for(resource).synced());
    await Promise.all([podInformer.synced(), nodeInformer.synced(), namespaceInformer.synced(), ...others]);
    const tracking = new Tracking(this.#snapshot, this.#queue, (name) => this.#profiles.has(name));
    namespaceInformer.addHandler(tracking.namespaces);
    nodeInformer.addHandler(tracking.nodes);
    podInformer.addHandler(tracking.pods);
    this.#signal.addEventListener('abort', () => this.#queue.close(), { once: true });
  }

  async run(): Promise<void> {
    let attempts = 0;
    let began = this.#clock.monotonic();
    while (!this.#signal.aborted) {
      const pod = this.#queue.poll();
      if (pod === undefined) {
        this.#rest();
        await this.#queue.some();
        attempts = 0;
        began = this.#clock.monotonic();
        continue;
      }
      this.#busy ??= Promise.withResolvers();
      const going = this.#attempt(pod);
      if (going !== undefined) await going;
      while (this.#binding.underWay >= bindingsAtOnce && !this.#signal.aborted) await this.#binding.oneEnded();
      if (++attempts < attemptsAtOnce && this.#clock.monotonic() - began < longestTurn) continue;
      await turn();
      attempts = 0;
      began = this.#clock.monotonic();
    }
    this.#rest();
  }

  #rest(): void {
    this.#busy?.resolve();
    this.#busy = undefined;
  }

  #gate(pod: Pod): string | undefined {
    for (const plugin of this.#profiles.get(pod.spec.schedulerName!)?.plugins ?? []) {
      const reason = plugin.preEnqueue?.(pod);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  /** A promise only where programs outside are asked. */
  #attempt(pod: Pod): Promise<void> | undefined {
    const profile = this.#profiles.get(pod.spec.schedulerName!)!;
    const outside = this.#extenders.about(pod);
    // what programs outside say takes time, in which others are placed: then each goes alone, and waits for the rest before it is bound
    const group = outside === undefined ? profile.grouping?.groupOf!(pod) : undefined;
    if (group !== undefined) return void this.#attemptGroup(pod, profile, group);
    const began = this.#clock.monotonic();
    try {
      if (outside === undefined) return void this.#take(pod, profile, this.#scheduling.choose(pod, profile), began);
      // what changes while they are asked is not missed
      this.#queue.hold(pod);
      return this.#scheduling.chooseWith(pod, profile, outside).then(
        (result) => this.#take(pod, profile, result, began),
        (error) => this.#failed(pod, error, began),
      );
    } catch (error) {
      this.#failed(pod, error, began);
      return undefined;
    }
  }

  #attemptGroup(first: Pod, profile: Profile, group: Group): void {
    const members = this.#queue.pollWith(first, group.pods);
    const began = this.#clock.monotonic();
    try {
      const stranger = members.find(({ spec }) => spec.schedulerName !== profile.name);
      if (stranger !== undefined)
        throw new Error(
          `all pods in a single pod group should have the same .spec.schedulerName set, got: "${profile.name}" and "${stranger.spec.schedulerName}"`,
        );
      const { outcome, results } = placeTogether(members, group, profile, this.#scheduling, profile.grouping!);
      for (const [i, pod] of members.entries()) this.#take(pod, profile, results[i]!, began);
      const reason = outcome === 'scheduled' ? 'Scheduled' : 'Unschedulable';
      group.tell(outcome === 'scheduled', reason, groupMessages[outcome]);
    } catch (error) {
      for (const pod of members) this.#failed(pod, error, began);
      group.tell(false, 'SchedulerError', error instanceof Error ? error.message : String(error));
    }
  }

  #failed(pod: Pod, error: unknown, began: number): void {
    const { namespace, name } = pod.metadata;
    this.#log.error({ err: error, pod: `${namespace}/${name}` }, 'an attempt to place a pod failed; it is tried again');
    this.#queue.rejected(pod, []);
    this.#counts.attempt(pod.spec.schedulerName!, 'error', (this.#clock.monotonic() - began) / 1000);
    const message = error instanceof Error ? error.message : String(error);
    this.#eventsFor(pod.spec.schedulerName!).event(pod, 'Warning', 'FailedScheduling', message);
    void this.#status.write(pod, 'SchedulerError', message, undefined);
  }

  #take(pod: Pod, profile: Profile, result: Chosen | Unschedulable, began: number): void {
    const seconds = (this.#clock.monotonic() - began) / 1000;
    this.#counts.algorithm.observe(seconds);
    if ('node' in result) return this.#binding.begin(pod, profile, result, began);
    this.#counts.attempt(profile.name, 'unschedulable', seconds);
    const { message, by, postFilter } = result;
    const { nominatedNode, evicted, work } = postFilter ?? {};
    if (postFilter !== undefined) this.#counts.preemptionAttempts.add();
    if (evicted !== undefined) this.#counts.preemptionVictims.observe(evicted.length);
    if (nominatedNode !== undefined) this.#snapshot.nominate(pod, nominatedNode);
    this.#eventsFor(pod.spec.schedulerName!).event(pod, 'Warning', 'FailedScheduling', message);
    void this.#status.write(pod, 'Unschedulable', message, nominatedNode);
    if (work === undefined) return this.#queue.rejected(pod, by);
    this.#queue.hold(pod);
    work()
      .catch((err) =>
        this.#log.warn({ err, pod: pod.metadata.name }, 'a pod could not be evicted for a more important one'),
      )
      .finally(() => this.#queue.rejected(pod, by));
  }
}
