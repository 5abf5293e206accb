/**
 * What runs where, as scheduling sees it: kept up to date with every change, assumed placements included, so that an attempt starts at once.
 */
import type { Node, Pod } from '../api/index.ts';
import { type Amounts, add, amountsOf, requestsOf } from './resources.ts';

export class NodeInfo {
  readonly name: string;
  node: Node;
  readonly pods = new Map<string, Pod>();
  readonly requested: Amounts = {};
  allocatable: Amounts;
  /** `TCP/0.0.0.0/80` → how many pods hold it (1, unless something was forced). */
  readonly ports = new Map<string, number>();
  /** Pods that have (anti-)affinity to others: the ones that may object to a newcomer. */
  readonly withAffinity = new Set<Pod>();

  constructor(node: Node) {
    this.name = node.metadata.name!;
    this.node = node;
    this.allocatable = amountsOf(node.status?.allocatable);
  }

  setNode(node: Node): void {
    this.node = node;
    this.allocatable = amountsOf(node.status?.allocatable);
  }

  add(pod: Pod): void {
    this.pods.set(pod.metadata.uid!, pod);
    add(this.requested, requestsOf(pod));
    for (const port of hostPortsOf(pod)) this.ports.set(port, (this.ports.get(port) ?? 0) + 1);
    if (pod.spec.affinity?.podAntiAffinity ?? pod.spec.affinity?.podAffinity) this.withAffinity.add(pod);
  }

  remove(uid: string): void {
    const pod = this.pods.get(uid);
    if (pod === undefined) return;
    this.pods.delete(uid);
    add(this.requested, requestsOf(pod), -1);
    for (const port of hostPortsOf(pod)) {
      const left = (this.ports.get(port) ?? 1) - 1;
      if (left > 0) this.ports.set(port, left);
      else this.ports.delete(port);
    }
    this.withAffinity.delete(pod);
  }
}

export function hostPortsOf(pod: Pod): string[] {
  const held: string[] = [];
  for (const { ports } of [
    ...pod.spec.containers,
    ...(pod.spec.initContainers ?? []).filter((one) => one.restartPolicy === 'Always'),
  ])
    for (const { hostPort, hostIP, protocol } of ports ?? [])
      if (hostPort) held.push(`${protocol ?? 'TCP'}/${hostIP || '0.0.0.0'}/${hostPort}`);
  return held;
}

export class Snapshot {
  /** Only nodes that exist; in the order they were added. */
  readonly nodes: NodeInfo[] = [];
  readonly #byName = new Map<string, NodeInfo>();
  /** Where each pod is counted. */
  readonly #places = new Map<string, string>();
  /** Pods on nodes that are not known (yet). */
  readonly #waiting = new Map<string, Map<string, Pod>>();
  namespaceLabels: (namespace: string) => Record<string, string> = () => ({});
  /** How many pods have required anti-affinity: nobody needs to look for them when it is 0. */
  podsWithAffinity = 0;

  get(name: string): NodeInfo | undefined {
    return this.#byName.get(name);
  }

  setNode(node: Node): void {
    const name = node.metadata.name!;
    const known = this.#byName.get(name);
    if (known !== undefined) return known.setNode(node);
    const info = new NodeInfo(node);
    this.#byName.set(name, info);
    this.nodes.push(info);
    for (const pod of this.#waiting.get(name)?.values() ?? []) info.add(pod);
    this.#waiting.delete(name);
  }

  removeNode(name: string): void {
    const info = this.#byName.get(name);
    if (info === undefined) return;
    this.#byName.delete(name);
    this.nodes.splice(this.nodes.indexOf(info), 1);
    if (info.pods.size > 0) this.#waiting.set(name, new Map(info.pods));
  }

  /** Counts a pod on its node, in place of what was known of it. */
  setPod(pod: Pod): void {
    const uid = pod.metadata.uid!;
    this.removePod(uid);
    const name = pod.spec.nodeName!;
    this.#places.set(uid, name);
    if (pod.spec.affinity?.podAntiAffinity || pod.spec.affinity?.podAffinity) this.podsWithAffinity++;
    const info = this.#byName.get(name);
    if (info !== undefined) return info.add(pod);
    const waiting = this.#waiting.get(name) ?? new Map<string, Pod>();
    this.#waiting.set(name, waiting.set(uid, pod));
  }

  removePod(uid: string): void {
    const name = this.#places.get(uid);
    if (name === undefined) return;
    this.#places.delete(uid);
    const pod = this.#byName.get(name)?.pods.get(uid) ?? this.#waiting.get(name)?.get(uid);
    if (pod?.spec.affinity?.podAntiAffinity || pod?.spec.affinity?.podAffinity) this.podsWithAffinity--;
    this.#byName.get(name)?.remove(uid);
    this.#waiting.get(name)?.delete(uid);
  }

  has(uid: string): boolean {
    return this.#places.has(uid);
  }
}
