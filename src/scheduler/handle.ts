/** What the scheduler gives its plugins when it makes them: the world beyond pods and nodes. */
import type { Client, Informer, Lister, Log } from '../client/index.ts';
import type { Clock, KubeObject, Random, Resource } from '../machinery/index.ts';
import type { ClusterEvent, Plugin } from './framework.ts';
import type { Snapshot } from './snapshot.ts';

export interface Handle {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly snapshot: Snapshot;
  /** What is known of a resource; complete before the first attempt. Its changes wake pods that wait for `event`. */
  watch<T extends KubeObject>(resource: Resource<T>, event?: ClusterEvent): Lister<T>;
  informer<T extends KubeObject>(resource: Resource<T>): Informer<T>;
  /** Tells something about a pod that is not the one of the attempt. */
  event(regarding: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void;
  /** Lets pods that are kept out of the queue be looked at again. */
  recheck(): void;
}

export type PluginFactory = (args: any, handle: Handle) => Plugin;
