/**
 * How many of some pods there are in each domain of a topology (each zone, each host): counted once, then kept with every pod that comes or
 * goes, so that an attempt to place a pod reads a number where it would have to look at every pod of the cluster.
 */
import type { Pod } from '../api/index.ts';
import type { NodeInfo } from './nodeinfo.ts';

export interface Domain {
  readonly value: string;
  count: number;
  /** Nodes that are counted in it. */
  nodes: number;
  /** For those who count domains: the attempt that saw it last. */
  seen: number;
}

export interface Counting {
  /** The node label that tells the domain. */
  readonly topologyKey: string;
  /** How much a pod counts; 0: it is none of those. Always the same for the same pod. */
  weigh(pod: Pod): number;
  /** Which nodes and their pods count. Absent: all that have the label. */
  includes?(node: NodeInfo): boolean;
}

export class TopologyCounts {
  readonly counting: Counting;
  readonly #domains = new Map<string, Domain>();
  readonly #domainAt: (Domain | undefined)[] = [];
  readonly #countAt: number[] = [];
  /** How many domains have a count: the least is found without looking at all of them. */
  readonly #histogram: number[] = [];
  #least = 0;
  total = 0;

  constructor(counting: Counting, nodes: Iterable<NodeInfo>) {
    this.counting = counting;
    for (const node of nodes) this.addNode(node);
  }

  get domains(): number {
    return this.#domains.size;
  }

  /** The least count of any domain; 0 without domains. */
  get least(): number {
    if (this.#domains.size === 0) return 0;
    while ((this.#histogram[this.#least] ?? 0) === 0) this.#least++;
    return this.#least;
  }

  /** The domain of a node; undefined when the node has none, or does not count. */
  domainOf(node: NodeInfo): Domain | undefined {
    return this.#domainAt[node.slot];
  }

  /** By the label's value: also for a node that does not count itself. */
  countOf(value: string): number {
    return this.#domains.get(value)?.count ?? 0;
  }

  /** On this node alone. */
  countOn(node: NodeInfo): number {
    return this.#countAt[node.slot] ?? 0;
  }

  addNode(node: NodeInfo): void {
    const { topologyKey, weigh, includes } = this.counting;
    const value = node.labels[topologyKey];
    if (value === undefined || includes?.(node) === false) return;
    let domain = this.#domains.get(value);
    if (domain === undefined) {
      this.#domains.set(value, (domain = { value, count: 0, nodes: 0, seen: 0 }));
      this.#histogram[0] = (this.#histogram[0] ?? 0) + 1;
      this.#least = 0;
    }
    domain.nodes++;
    this.#domainAt[node.slot] = domain;
    this.#countAt[node.slot] = 0;
    for (const pod of node.pods.values()) this.#count(node, domain, weigh(pod));
  }

  removeNode(node: NodeInfo): void {
    const domain = this.#domainAt[node.slot];
    if (domain === undefined) return;
    this.#count(node, domain, -this.#countAt[node.slot]!);
    this.#domainAt[node.slot] = undefined;
    if (--domain.nodes > 0) return;
    this.#domains.delete(domain.value);
    if (domain.count >= 0) this.#histogram[domain.count]!--;
  }

  addPod(node: NodeInfo, pod: Pod): void {
    const domain = this.#domainAt[node.slot];
    if (domain !== undefined) this.#count(node, domain, this.counting.weigh(pod));
  }

  removePod(node: NodeInfo, pod: Pod): void {
    const domain = this.#domainAt[node.slot];
    if (domain !== undefined) this.#count(node, domain, -this.counting.weigh(pod));
  }

  /** For those who weigh pods themselves. */
  addWeight(node: NodeInfo, weight: number): void {
    const domain = this.#domainAt[node.slot];
    if (domain !== undefined) this.#count(node, domain, weight);
  }

  #count(node: NodeInfo, domain: Domain, by: number): void {
    if (by === 0) return;
    this.total += by;
    this.#countAt[node.slot]! += by;
    this.#move(domain, by);
  }

  /** The least is asked for only where nothing weighs less than nothing. */
  #move(domain: Domain, by: number): void {
    const before = domain.count;
    domain.count += by;
    if (before >= 0) this.#histogram[before]!--;
    if (domain.count < 0) return;
    this.#histogram[domain.count] = (this.#histogram[domain.count] ?? 0) + 1;
    if (domain.count < this.#least) this.#least = domain.count;
  }
}
