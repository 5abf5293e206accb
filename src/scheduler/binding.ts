/** From a choice to what is written: claims, waiting for permission, what comes before the binding, the binding. Many at once. */
import { type Pod, pods } from '../api/index.ts';
import type { Client, EventType, Log } from '../client/index.ts';
import { isStatusError, keyOf } from '../machinery/index.ts';
import type { Chosen } from './cycle.ts';
import type { Extenders } from './extender.ts';
import type { Cycle } from './framework.ts';
import type { NodeInfo } from './nodeinfo.ts';
import type { Profile } from './profile.ts';
import type { SchedulingQueue } from './queue.ts';
import { takeRequest } from './resources.ts';
import type { Snapshot } from './snapshot.ts';

export interface BindingOptions {
  client: Client;
  signal: AbortSignal;
  log: Log;
  snapshot: Snapshot;
  queue: SchedulingQueue;
  extenders: Extenders;
  podOf(key: string): Pod | undefined;
  event(pod: Pod, type: EventType, reason: string, message: string): void;
  /** Writes to the pod that it could not be bound. */
  failed(pod: Pod, message: string): Promise<void>;
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
  begin(pod: Pod, profile: Profile, { node, cycle }: Chosen): void {
    const { snapshot, queue } = this.#options;
    const assumed: Pod = { ...pod, spec: { ...pod.spec, nodeName: node.name } };
    takeRequest(pod, assumed);
    snapshot.setPod(assumed);
    snapshot.nominate(pod, undefined);
    for (const plugin of profile.reservers) {
      const refused = plugin.reserve?.(cycle, node);
      if (refused === undefined) continue;
      this.#undo(profile, cycle, node);
      return queue.rejected(pod, [plugin]);
    }
    this.underWay++;
    void this.#finish(pod, profile, cycle, node).finally(() => {
      this.underWay--;
      this.#wake?.();
      this.#wake = undefined;
    });
  }

  #undo(profile: Profile, cycle: Cycle, node: NodeInfo): void {
    for (const plugin of profile.reservers.toReversed()) plugin.unreserve?.(cycle, node);
    this.#options.snapshot.removePod(cycle.pod.metadata.uid!);
    this.#options.queue.changed('PodDelete', cycle.pod, undefined);
  }

  async #finish(pod: Pod, profile: Profile, cycle: Cycle, node: NodeInfo): Promise<void> {
    const { signal, queue, log, podOf } = this.#options;
    try {
      if (profile.permitters.length > 0) {
        const refused = await this.#permission(profile, cycle, node);
        if (refused !== undefined) {
          this.#undo(profile, cycle, node);
          return queue.rejected(pod, refused.by);
        }
      }
      for (const plugin of profile.binders) await plugin.preBind!(cycle, node, signal);
      await this.#bind(pod, node.name);
      queue.remove(pod);
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
      if (answer !== 'wait' || (await this.#aside(waiting.promise)) !== undefined) return { by: [plugin] };
    }
    return undefined;
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
