/** From a choice to what is written: claims, waiting for permission, what comes before the binding, the binding. Many at once. */
import { type Pod, pods } from '../api/index.ts';
import type { Client, EventType, Log } from '../client/index.ts';
import { type Clock, isStatusError, keyOf } from '../machinery/index.ts';
import type { AttemptCounts, AttemptResult } from './attemptcounts.ts';
import type { Chosen } from './cycle.ts';
import type { Extenders } from './extender.ts';
import type { Cycle } from './framework.ts';
import type { NodeInfo } from './nodeinfo.ts';
import type { Profile } from './profile.ts';
import type { History, SchedulingQueue } from './queue.ts';
import { takeRequest } from './resources.ts';
import type { Snapshot } from './snapshot.ts';

export interface BindingOptions {
  client: Client;
  signal: AbortSignal;
  log: Log;
  snapshot: Snapshot;
  queue: SchedulingQueue;
  extenders: Extenders;
  clock: Clock;
  counts: AttemptCounts;
  podOf(key: string): Pod | undefined;
  event(pod: Pod, type: EventType, reason: string, message: string): void;
  /** Writes to the pod that it could not be bound. */
  failed(pod: Pod, message: string): Promise<void>;
}

/** One pod on its way to a node; `began`: on the clock that only goes forward. */
interface Attempt {
  readonly pod: Pod;
  readonly profile: Profile;
  readonly cycle: Cycle;
  readonly node: NodeInfo;
  readonly history: History | undefined;
  readonly began: number;
}

export class Binding {
  readonly #options: BindingOptions;
  #wake: (() => void) | undefined;
  underWay = 0;

  constructor(options: BindingOptions) {
    this.#options = options;
  }

  /** Resolves when one of those under way has ended. */
  oneEnded(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  /** Counts the pod on its node at once, so that the next attempt need not wait for this one to be written. */
  begin(pod: Pod, profile: Profile, { node, cycle }: Chosen, began: number): void {
    const { snapshot, queue } = this.#options;
    // once it is bound the queue may have forgotten it already
    const history = queue.historyOf(pod);
    const assumed: Pod = { ...pod, spec: { ...pod.spec, nodeName: node.name } };
    takeRequest(pod, assumed);
    snapshot.setPod(assumed);
    snapshot.nominate(pod, undefined);
    for (const plugin of profile.reservers) {
      const refused = plugin.reserve?.(cycle, node);
      if (refused === undefined) continue;
      this.#undo(profile, cycle, node);
      this.#count(profile, 'unschedulable', began);
      return queue.rejected(pod, [plugin]);
    }
    this.underWay++;
    void this.#finish({ pod, profile, cycle, node, history, began }).finally(() => {
      this.underWay--;
      this.#wake?.();
      this.#wake = undefined;
    });
  }

  #count(profile: Profile, result: AttemptResult, began: number): void {
    const { clock, counts } = this.#options;
    counts.attempt(profile.name, result, (clock.monotonic() - began) / 1000);
  }

  #bound({ profile, history, began }: Attempt): void {
    const { clock, counts } = this.#options;
    this.#count(profile, 'scheduled', began);
    if (history === undefined) return;
    counts.bound(history.attempts + 1, (clock.monotonic() - history.since) / 1000);
    if (history.flushed) counts.scheduledAfterFlush.add();
  }

  #undo(profile: Profile, cycle: Cycle, node: NodeInfo): void {
    for (const plugin of profile.reservers.toReversed()) plugin.unreserve?.(cycle, node);
    this.#options.snapshot.removePod(cycle.pod.metadata.uid!);
    this.#options.queue.changed('PodDelete', cycle.pod, undefined);
  }

  async #finish(attempt: Attempt): Promise<void> {
    const { pod, profile, cycle, node } = attempt;
    const { signal, queue, log, podOf } = this.#options;
    try {
      if (profile.permitters.length > 0) {
        const refused = await this.#permission(profile, cycle, node);
        if (refused !== undefined) {
          this.#undo(profile, cycle, node);
          this.#count(profile, 'unschedulable', attempt.began);
          return queue.rejected(pod, refused.by);
        }
      }
      for (const plugin of profile.binders) await plugin.preBind!(cycle, node, signal);
      await this.#bind(pod, node.name);
      queue.remove(pod);
      this.#bound(attempt);
      const { namespace, name } = pod.metadata;
      this.#options.event(pod, 'Normal', 'Scheduled', `Successfully assigned ${namespace}/${name} to ${node.name}`);
    } catch (error) {
      if (signal.aborted) return;
      const current = podOf(keyOf(pod));
      if (current?.metadata.uid === pod.metadata.uid && current?.spec.nodeName) return;
      this.#undo(profile, cycle, node);
      if (isStatusError(error, 'NotFound')) return queue.remove(pod);
      log.warn({ err: error, pod: keyOf(pod), node: node.name }, 'binding failed; the pod is tried again');
      queue.rejected(pod, []);
      this.#count(profile, 'error', attempt.began);
      const message = error instanceof Error ? error.message : String(error);
      this.#options.event(pod, 'Warning', 'FailedScheduling', message);
      await this.#options.failed(pod, message);
    }
  }

  async #permission(profile: Profile, cycle: Cycle, node: NodeInfo) {
    for (const plugin of profile.permitters) {
      const waiting = Promise.withResolvers<string | undefined>();
      const answer = plugin.permit!(cycle, node, waiting.resolve);
      if (answer === undefined) continue;
      if (answer !== 'wait' || (await this.#waited(waiting.promise)) !== undefined) return { by: [plugin] };
    }
    return undefined;
  }

  async #waited(answer: Promise<string | undefined>): Promise<string | undefined> {
    const { clock, counts } = this.#options;
    const since = clock.monotonic();
    const refused = await this.#aside(answer);
    counts.permitted(refused === undefined ? 'allowed' : 'rejected', (clock.monotonic() - since) / 1000);
    return refused;
  }

  /** Who waits for others is not in their way. */
  async #aside<T>(promise: Promise<T>): Promise<T> {
    this.underWay--;
    this.#wake?.();
    this.#wake = undefined;
    try {
      return await promise;
    } finally {
      this.underWay++;
    }
  }

  async #bind(pod: Pod, node: string): Promise<void> {
    const binder = this.#options.extenders.binderFor(pod);
    if (binder !== undefined) return binder.bind(pod, node);
    const { name, namespace, uid } = pod.metadata;
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    };
    await this.#options.client.create(pods as never, binding as never, { subresource: 'binding' });
  }
}
