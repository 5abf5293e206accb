/**
 * What runs where, as scheduling sees it: kept up to date with every change, assumed placements included, so that an attempt starts at once.
 */
import type { Node, Pod } from '../api/index.ts';
import { equalJson } from '../machinery/index.ts';
import { HeldTerms } from './affinityterms.ts';
import { CountsRegistry } from './counts.ts';
import { ImageStates } from './imagestates.ts';
import { NodeInfo } from './nodeinfo.ts';

const zoneLabels = [
  ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone'],
  ['failure-domain.beta.kubernetes.io/region', 'failure-domain.beta.kubernetes.io/zone'],
] as const;

export class Snapshot {
  readonly #byName = new Map<string, NodeInfo>();
  readonly #freeSlots: number[] = [];
  /** Where each pod is counted. */
  readonly #places = new Map<string, string>();
  /** Pods on nodes that are not known (yet). */
  readonly #waiting = new Map<string, Map<string, Pod>>();
  readonly #nominations = new Map<string, { pod: Pod; node: string }>();
  /** How many placed pods have each priority. */
  readonly #priorities = new Map<number, number>();
  #leastPriority: number | undefined;
  #order: NodeInfo[] | undefined;
  #slots: Int32Array | undefined;
  /** By slot: each node, and its generation once more, where thousands of them are looked through in a moment. */
  readonly bySlot: (NodeInfo | undefined)[] = [];
  generations = new Float64Array(64);
  #generation = 0;
  namespaceLabels: (namespace: string) => Readonly<Record<string, string>> = () => ({});
  /** By what pods are counted together. */
  readonly counts = new CountsRegistry(() => this.#byName.values());
  readonly heldTerms = new HeldTerms(
    (namespace) => this.namespaceLabels(namespace),
    () => this.#byName.values(),
  );
  readonly images = new ImageStates();
  /** How many nodes would rather not have pods. */
  softTaints = 0;
  /** Changes with whatever makes all that was computed for kinds of pods void. */
  epoch = 0;

  /** All nodes, zone after zone in turn: the first few hundred are of every zone. */
  get nodes(): readonly NodeInfo[] {
    return (this.#order ??= inTurn(this.#byName.values()));
  }

  /** Their slots, in the same order. */
  get slots(): Int32Array {
    return (this.#slots ??= Int32Array.from(this.nodes, (node) => node.slot));
  }

  get size(): number {
    return this.#byName.size;
  }

  get podCount(): number {
    return this.#places.size;
  }

  /** Slots are below this. */
  get capacity(): number {
    return this.generations.length;
  }

  /** Whether any pod has been promised a node. */
  get hasNominations(): boolean {
    return this.#nominations.size > 0;
  }

  get(name: string): NodeInfo | undefined {
    return this.#byName.get(name);
  }

  /** Returns what changed for scheduling: nothing, when only the node's heart beat. */
  setNode(node: Node): boolean {
    const name = node.metadata.name!;
    const info = this.#byName.get(name);
    if (info === undefined) {
      this.#addNode(node);
      return true;
    }
    const old = info.node;
    const [place, status] = [!samePlace(old, node), !sameStatus(old, node)];
    if (!place && !status) {
      info.node = node;
      return false;
    }
    if (place) this.#leave(info);
    if (status) this.images.remove(old);
    info.setNode(node);
    if (status) this.images.add(node);
    if (place) this.#enter(info);
    this.#touch(info);
    return true;
  }

  removeNode(name: string): void {
    const info = this.#byName.get(name);
    if (info === undefined) return;
    for (const pod of info.pods.values()) this.heldTerms.removePod(info, pod);
    this.#leave(info);
    this.images.remove(info.node);
    this.#byName.delete(name);
    for (const pod of info.nominated) this.#nominations.delete(pod.metadata.uid!);
    this.bySlot[info.slot] = undefined;
    this.#freeSlots.push(info.slot);
    if (info.pods.size > 0) this.#waiting.set(name, new Map(info.pods));
  }

  /** Counts a pod on its node, in place of what was known of it. */
  setPod(pod: Pod): void {
    const uid = pod.metadata.uid!;
    this.removePod(uid);
    const name = pod.spec.nodeName!;
    this.#places.set(uid, name);
    this.#countPriority(pod, 1);
    const info = this.#byName.get(name);
    if (info !== undefined) return this.place(pod, info);
    const waiting = this.#waiting.get(name) ?? new Map<string, Pod>();
    this.#waiting.set(name, waiting.set(uid, pod));
  }

  /** The same pod in a newer state, in which it counts as before. */
  swapPod(pod: Pod): void {
    const uid = pod.metadata.uid!;
    const name = this.#places.get(uid) ?? '';
    const known = this.#byName.get(name)?.pods ?? this.#waiting.get(name);
    if (known?.has(uid)) known.set(uid, pod);
  }

  /** Labels of a namespace changed: terms that select by them mean others now. */
  recountByNamespace(): void {
    this.epoch++;
    this.heldTerms.version++;
  }

  removePod(uid: string): void {
    const name = this.#places.get(uid);
    if (name === undefined) return;
    const info = this.#byName.get(name);
    const pod = this.podOf(uid);
    this.#places.delete(uid);
    if (pod !== undefined) this.#countPriority(pod, -1);
    if (pod !== undefined && info !== undefined) this.displace(pod, info);
    else this.#waiting.get(name)?.delete(uid);
  }

  #countPriority({ spec: { priority = 0 } }: Pod, by: 1 | -1): void {
    const count = (this.#priorities.get(priority) ?? 0) + by;
    if (count === 0 || (by === 1 && count === 1)) this.#leastPriority = undefined;
    if (count === 0) this.#priorities.delete(priority);
    else this.#priorities.set(priority, count);
  }

  /** As if the pod were there: for trying what would be. Undo it by `displace`, at once. */
  place(pod: Pod, info: NodeInfo): void {
    info.add(pod);
    this.counts.addPod(info, pod);
    this.heldTerms.addPod(info, pod);
    this.#touch(info);
  }

  displace(pod: Pod, info: NodeInfo): void {
    this.counts.removePod(info, pod);
    this.heldTerms.removePod(info, pod);
    info.remove(pod);
    this.#touch(info);
  }

  /** Lets `what` place and displace pods of the node, as long as it leaves all as it was. */
  trial<T>(info: NodeInfo, what: () => T): T {
    const { generation } = info;
    try {
      return what();
    } finally {
      info.generation = generation;
      this.generations[info.slot] = generation;
    }
  }

  /** The least priority that any placed pod has; infinite without pods. */
  get leastPriority(): number {
    if (this.#leastPriority === undefined) {
      this.#leastPriority = Number.POSITIVE_INFINITY;
      for (const priority of this.#priorities.keys())
        if (priority < this.#leastPriority) this.#leastPriority = priority;
    }
    return this.#leastPriority;
  }

  has(uid: string): boolean {
    return this.#places.has(uid);
  }

  podOf(uid: string): Pod | undefined {
    const name = this.#places.get(uid);
    return name === undefined
      ? undefined
      : (this.#byName.get(name)?.pods.get(uid) ?? this.#waiting.get(name)?.get(uid));
  }

  /** Notes where a pod is to come once there is room; '' or undefined: nowhere. */
  nominate(pod: Pod, node: string | undefined): void {
    const uid = pod.metadata.uid!;
    const known = this.#nominations.get(uid);
    if (known?.node === (node || undefined) && known?.pod === pod) return;
    if (known !== undefined) this.#setNominated(known.node, (pods) => pods.filter((one) => one.metadata.uid !== uid));
    this.#nominations.delete(uid);
    if (!node) return;
    this.#nominations.set(uid, { pod, node });
    this.#setNominated(node, (pods) => [...pods, pod]);
  }

  nominatedNode(uid: string): string | undefined {
    return this.#nominations.get(uid)?.node;
  }

  #setNominated(node: string, change: (pods: readonly Pod[]) => readonly Pod[]): void {
    const info = this.#byName.get(node);
    if (info !== undefined) info.nominated = change(info.nominated);
  }

  #addNode(node: Node): void {
    const name = node.metadata.name!;
    const info = new NodeInfo(node, this.#freeSlots.pop() ?? this.#byName.size);
    this.#byName.set(name, info);
    this.bySlot[info.slot] = info;
    if (info.slot >= this.generations.length) {
      const more = new Float64Array(2 * this.generations.length);
      more.set(this.generations);
      this.generations = more;
    }
    this.images.add(node);
    for (const pod of this.#waiting.get(name)?.values() ?? []) info.add(pod);
    this.#enter(info);
    // their terms are not counted with the node: counts by term begin with what holds them
    for (const pod of info.pods.values()) this.heldTerms.addPod(info, pod);
    this.#waiting.delete(name);
    info.nominated = [...this.#nominations.values()].flatMap((one) => (one.node === name ? [one.pod] : []));
    this.#touch(info);
  }

  #enter(info: NodeInfo): void {
    this.counts.addNode(info);
    this.heldTerms.addNode(info);
    if (hasSoftTaint(info.node)) this.softTaints++;
    this.#order = undefined;
    this.#slots = undefined;
  }

  #leave(info: NodeInfo): void {
    this.counts.removeNode(info);
    this.heldTerms.removeNode(info);
    if (hasSoftTaint(info.node)) this.softTaints--;
    this.#order = undefined;
    this.#slots = undefined;
  }

  #touch(info: NodeInfo): void {
    info.generation = ++this.#generation;
    this.generations[info.slot] = info.generation;
  }
}

function hasSoftTaint({ spec }: Node): boolean {
  return spec?.taints?.some((taint) => taint.effect === 'PreferNoSchedule') === true;
}

function samePlace(a: Node, b: Node): boolean {
  return equalJson(a.metadata.labels, b.metadata.labels) && equalJson(a.spec, b.spec);
}

function sameStatus(a: Node, b: Node): boolean {
  return (
    equalJson(a.status?.allocatable, b.status?.allocatable) &&
    equalJson(a.status?.images, b.status?.images) &&
    equalJson(a.status?.declaredFeatures, b.status?.declaredFeatures)
  );
}

function zoneOf({ labels }: NodeInfo): string {
  for (const [region, zone] of zoneLabels)
    if (labels[region] !== undefined || labels[zone] !== undefined) return `${labels[region]}/${labels[zone]}`;
  return '';
}

function inTurn(nodes: Iterable<NodeInfo>): NodeInfo[] {
  const zones = new Map<string, NodeInfo[]>();
  for (const node of nodes) {
    const zone = zoneOf(node);
    const others = zones.get(zone);
    if (others === undefined) zones.set(zone, [node]);
    else others.push(node);
  }
  const lists = [...zones.values()];
  if (lists.length === 1) return lists[0]!;
  const ordered: NodeInfo[] = [];
  const longest = Math.max(0, ...lists.map((list) => list.length));
  for (let i = 0; i < longest; i++) for (const list of lists) if (i < list.length) ordered.push(list[i]!);
  return ordered;
}
