/** Follows the cluster: brings what happens into the snapshot and the queue, and says what may help whom. */
import type { Node, Pod } from '../api/index.ts';
import type { EventHandler } from '../client/index.ts';
import { equalJson, type KubeObject } from '../machinery/index.ts';
import type { SchedulingQueue } from './queue.ts';
import { asksAsMuch } from './resources.ts';
import type { Snapshot } from './snapshot.ts';

export class Tracking {
  readonly #snapshot: Snapshot;
  readonly #queue: SchedulingQueue;
  readonly #isOurs: (schedulerName: string) => boolean;

  constructor(snapshot: Snapshot, queue: SchedulingQueue, isOurs: (schedulerName: string) => boolean) {
    this.#snapshot = snapshot;
    this.#queue = queue;
    this.#isOurs = isOurs;
  }

  readonly namespaces: EventHandler<KubeObject> = {
    onUpdate: (old, namespace) => {
      if (equalJson(old.metadata.labels, namespace.metadata.labels)) return;
      this.#snapshot.recountByNamespace();
      this.#queue.changed('Namespace', old, namespace);
    },
    onAdd: (namespace) => this.#queue.changed('Namespace', undefined, namespace),
  };

  readonly nodes: EventHandler<Node> = {
    onAdd: (node) => {
      this.#snapshot.setNode(node);
      this.#queue.changed('NodeAdd', undefined, node);
    },
    onUpdate: (old, node) => {
      if (this.#snapshot.setNode(node)) this.#queue.changed('NodeUpdate', old, node);
    },
    onDelete: (node) => {
      this.#snapshot.removeNode(node.metadata.name!);
      this.#queue.changed('NodeDelete', node, undefined);
    },
  };

  readonly pods: EventHandler<Pod> = {
    onAdd: (pod) => this.#changed(undefined, pod),
    onUpdate: (old, pod) => this.#changed(old, pod),
    onDelete: (pod) => this.#gone(pod),
  };

  #changed(old: Pod | undefined, pod: Pod): void {
    const ended = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if (pod.spec.nodeName) return this.#placed(old, pod, ended);
    const { uid, deletionTimestamp } = pod.metadata;
    if (!this.#isOurs(pod.spec.schedulerName!) || deletionTimestamp !== undefined || ended) {
      return this.#forget(pod);
    }
    if (this.#snapshot.has(uid!)) return;
    this.#nominate(old, pod);
    this.#queue.add(pod);
  }

  /** What was written to the pod by another, or before this scheduler began. */
  #nominate(old: Pod | undefined, pod: Pod): void {
    const name = pod.status?.nominatedNodeName;
    const before = old?.status?.nominatedNodeName;
    if (name !== before) {
      this.#snapshot.nominate(pod, name);
      // the less important counted it where it was to come
      if (before) this.#queue.changed('PodDelete', old, undefined);
    } else if (this.#snapshot.nominatedNode(pod.metadata.uid!) !== undefined)
      this.#snapshot.nominate(pod, this.#snapshot.nominatedNode(pod.metadata.uid!));
  }

  #placed(old: Pod | undefined, pod: Pod, ended: boolean): void {
    const first = old === undefined || !old.spec.nodeName;
    const uid = pod.metadata.uid!;
    if (first) {
      this.#queue.remove(pod);
      this.#snapshot.nominate(pod, undefined);
    }
    if (ended) {
      if (!this.#snapshot.has(uid)) return;
      this.#snapshot.removePod(uid);
      return this.#queue.changed('PodDelete', pod, undefined);
    }
    const known = this.#snapshot.podOf(uid);
    if (known !== undefined && isSame(known, pod)) {
      this.#snapshot.swapPod(pod);
      if (first) this.#queue.changed('PodAdd', undefined, pod);
      return;
    }
    this.#snapshot.setPod(pod);
    if (first) this.#queue.changed('PodAdd', undefined, pod);
    else this.#queue.changed('PodUpdate', old, pod);
  }

  /** It waits no longer, and what was kept for it is free. */
  #forget(pod: Pod): void {
    const kept = this.#snapshot.nominatedNode(pod.metadata.uid!) !== undefined;
    this.#queue.remove(pod);
    this.#snapshot.nominate(pod, undefined);
    if (kept) this.#queue.changed('PodDelete', pod, undefined);
  }

  #gone(pod: Pod): void {
    this.#forget(pod);
    if (!this.#snapshot.has(pod.metadata.uid!)) return;
    this.#snapshot.removePod(pod.metadata.uid!);
    this.#queue.changed('PodDelete', pod, undefined);
  }
}

/** To all who count pods. */
function isSame(known: Pod, pod: Pod): boolean {
  return (
    known.spec.nodeName === pod.spec.nodeName &&
    known.metadata.deletionTimestamp === pod.metadata.deletionTimestamp &&
    asksAsMuch(known, pod) &&
    equalJson(known.metadata.labels, pod.metadata.labels)
  );
}
