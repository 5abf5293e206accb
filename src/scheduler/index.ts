/**
 * The scheduler: gives every pod that has none a node, the best of those where it can run, and says why when there is none. It speaks
 * only the API: it watches pods and nodes, and binds. Pods that name another scheduler are left to it.
 */
import { namespaces, type Node, nodes, type Pod, pods } from '../api/index.ts';
import { type Client, type EventRecorder, eventRecorder, Informers, type Log, quiet } from '../client/index.ts';
import { type Clock, equalJson, formatTime, isStatusError, type Random } from '../machinery/index.ts';
import { Scheduling } from './cycle.ts';
import type { Plugin } from './framework.ts';
import { plugins as defaultPlugins } from './plugins/index.ts';
import { SchedulingQueue } from './queue.ts';
import { Snapshot } from './snapshot.ts';

export interface SchedulerOptions {
  client: Client;
  clock: Clock;
  random: Random;
  signal: AbortSignal;
  log?: Log;
  /** Shared with others in the process; absent: its own. */
  informers?: Informers;
  name?: string;
  plugins?: readonly Plugin[];
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

class Scheduler {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #log: Log;
  readonly #name: string;
  readonly #events: EventRecorder;
  readonly #informers: Informers;
  readonly #queue: SchedulingQueue;
  readonly #snapshot = new Snapshot();
  readonly #scheduling: Scheduling;

  constructor(options: SchedulerOptions) {
    const {
      client,
      clock,
      random,
      signal,
      log = quiet,
      name = 'default-scheduler',
      plugins = defaultPlugins,
    } = options;
    this.#client = client;
    this.#clock = clock;
    this.#signal = signal;
    this.#log = log;
    this.#name = name;
    this.#events = eventRecorder({ client, clock, random, signal, log, component: name });
    this.#informers = options.informers ?? new Informers({ client, clock, random, signal, log });
    this.#queue = new SchedulingQueue(clock, plugins);
    this.#scheduling = new Scheduling(plugins, random);
  }

  async start(): Promise<void> {
    const podInformer = this.#informers.for<Pod>(pods);
    const nodeInformer = this.#informers.for<Node>(nodes);
    const namespaceInformer = this.#informers.for(namespaces);
    this.#snapshot.namespaceLabels = (name) => namespaceInformer.lister.get(name)?.metadata.labels ?? {};
    await Promise.all([podInformer.synced(), nodeInformer.synced(), namespaceInformer.synced()]);
    nodeInformer.addHandler({
      onAdd: (node) => this.#nodeChanged(undefined, node),
      onUpdate: (old, node) => this.#nodeChanged(old, node),
      onDelete: (node) => this.#snapshot.removeNode(node.metadata.name!),
    });
    podInformer.addHandler({
      onAdd: (pod) => this.#podChanged(undefined, pod),
      onUpdate: (old, pod) => this.#podChanged(old, pod),
      onDelete: (pod) => this.#podGone(pod),
    });
    this.#signal.addEventListener('abort', () => this.#queue.close(), { once: true });
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      const pod = await this.#queue.next();
      if (pod === undefined) return;
      this.#attempt(pod);
    }
  }

  #attempt(pod: Pod): void {
    const choice = this.#scheduling.choose(pod, this.#snapshot);
    if ('message' in choice) {
      this.#queue.rejected(pod, choice.by);
      this.#events.event(pod, 'Warning', 'FailedScheduling', choice.message);
      void this.#markUnschedulable(pod, choice.message);
      return;
    }
    // counted at once, so that the next attempt need not wait for this one to be written
    const assumed: Pod = { ...pod, spec: { ...pod.spec, nodeName: choice.node.name } };
    this.#snapshot.setPod(assumed);
    void this.#bind(pod, choice.node.name);
  }

  async #bind(pod: Pod, node: string): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    };
    try {
      await this.#client.create(pods as never, binding as never, { subresource: 'binding' });
      this.#queue.placed(pod);
      this.#events.event(pod, 'Normal', 'Scheduled', `Successfully assigned ${namespace}/${name} to ${node}`);
    } catch (error) {
      if (this.#signal.aborted) return;
      const current = this.#informers.for<Pod>(pods).lister.get(`${namespace}/${name}`);
      if (current?.metadata.uid === uid && current?.spec.nodeName) return;
      this.#snapshot.removePod(uid!);
      if (isStatusError(error, 'NotFound')) return this.#queue.remove(pod);
      this.#log.warn({ err: error, pod: `${namespace}/${name}`, node }, 'binding failed; the pod is tried again');
      this.#queue.rejected(pod, []);
    }
  }

  /** The condition that `kubectl describe` and autoscalers read. */
  async #markUnschedulable(pod: Pod, message: string): Promise<void> {
    const known = pod.status?.conditions?.find((one) => one.type === 'PodScheduled');
    if (known?.status === 'False' && known.message === message) return;
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime: known?.status === 'False' ? known.lastTransitionTime : formatTime(this.#clock.now()),
    };
    const ref = { name: pod.metadata.name!, namespace: pod.metadata.namespace! };
    try {
      const body = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } };
      await this.#client.patch(pods, ref, { type: 'strategic', body }, { subresource: 'status' });
    } catch (error) {
      if (!isStatusError(error, 'NotFound', 'Conflict') && !this.#signal.aborted)
        this.#log.warn(
          { err: error, pod: `${ref.namespace}/${ref.name}` },
          'the reason could not be written to the pod',
        );
    }
  }

  #nodeChanged(old: Node | undefined, node: Node): void {
    this.#snapshot.setNode(node);
    if (old === undefined) return this.#queue.changed('NodeAdd', undefined, node);
    if (mattersForScheduling(old, node)) this.#queue.changed('NodeUpdate', old, node);
  }

  #podChanged(old: Pod | undefined, pod: Pod): void {
    const ended = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if (pod.spec.nodeName) {
      this.#queue.remove(pod);
      const uid = pod.metadata.uid!;
      if (ended) {
        if (!this.#snapshot.has(uid)) return;
        this.#snapshot.removePod(uid);
        return this.#queue.changed('PodDelete', pod, undefined);
      }
      const first = old === undefined || !old.spec.nodeName;
      if (!first && old.spec === pod.spec && old.metadata.labels === pod.metadata.labels) return;
      this.#snapshot.setPod(pod);
      if (first) this.#queue.changed('PodAdd', undefined, pod);
      else if (!equalJson(old.metadata.labels, pod.metadata.labels) || !equalJson(old.spec, pod.spec))
        this.#queue.changed('PodUpdate', old, pod);
      return;
    }
    if (pod.spec.schedulerName !== this.#name || pod.metadata.deletionTimestamp !== undefined || ended)
      return this.#queue.remove(pod);
    if (!this.#snapshot.has(pod.metadata.uid!)) this.#queue.add(pod);
  }

  #podGone(pod: Pod): void {
    this.#queue.remove(pod);
    if (!this.#snapshot.has(pod.metadata.uid!)) return;
    this.#snapshot.removePod(pod.metadata.uid!);
    this.#queue.changed('PodDelete', pod, undefined);
  }
}

function mattersForScheduling(old: Node, node: Node): boolean {
  return !(
    equalJson(old.spec, node.spec) &&
    equalJson(old.metadata.labels, node.metadata.labels) &&
    equalJson(old.status?.allocatable, node.status?.allocatable)
  );
}
