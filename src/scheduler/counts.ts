/** All the counts that are kept, found by what they count: a pod that comes or goes touches only those that may count it. */
import type { Pod } from '../api/index.ts';
import type { NodeInfo } from './nodeinfo.ts';
import { type Counting, TopologyCounts } from './topology.ts';

interface Kept {
  counts: TopologyCounts;
  users: number;
  anchor: string;
}

/** Which pods may weigh more than nothing. */
export interface Anchor {
  /** Absent: of any namespace. */
  namespace?: string;
  /** A label that all of them have. */
  label?: readonly [key: string, value: string];
}

export class CountsRegistry {
  readonly #kept = new Map<string, Kept>();
  readonly #byAnchor = new Map<string, Set<TopologyCounts>>();
  readonly #nodes: () => Iterable<NodeInfo>;

  constructor(nodes: () => Iterable<NodeInfo>) {
    this.#nodes = nodes;
  }

  /** The counts under this name, made if there are none yet. Everybody who takes them gives them back. */
  take(id: string, anchor: Anchor, counting: () => Counting): TopologyCounts {
    const known = this.#kept.get(id);
    if (known !== undefined) {
      known.users++;
      return known.counts;
    }
    const kept = { counts: new TopologyCounts(counting(), this.#nodes()), users: 1, anchor: anchorId(anchor) };
    this.#kept.set(id, kept);
    const others = this.#byAnchor.get(kept.anchor);
    if (others === undefined) this.#byAnchor.set(kept.anchor, new Set([kept.counts]));
    else others.add(kept.counts);
    return kept.counts;
  }

  giveBack(id: string): void {
    const kept = this.#kept.get(id);
    if (kept === undefined || --kept.users > 0) return;
    this.#kept.delete(id);
    const others = this.#byAnchor.get(kept.anchor)!;
    others.delete(kept.counts);
    if (others.size === 0) this.#byAnchor.delete(kept.anchor);
  }

  addNode(node: NodeInfo): void {
    for (const { counts } of this.#kept.values()) counts.addNode(node);
  }

  removeNode(node: NodeInfo): void {
    for (const { counts } of this.#kept.values()) counts.removeNode(node);
  }

  addPod(node: NodeInfo, pod: Pod): void {
    if (this.#kept.size > 0) this.#each(pod, (counts) => counts.addPod(node, pod));
  }

  removePod(node: NodeInfo, pod: Pod): void {
    if (this.#kept.size > 0) this.#each(pod, (counts) => counts.removePod(node, pod));
  }

  #each({ metadata: { namespace = '', labels } }: Pod, call: (counts: TopologyCounts) => void): void {
    const at = (anchor: string) => {
      const found = this.#byAnchor.get(anchor);
      if (found !== undefined) for (const counts of found) call(counts);
    };
    at('|');
    at(`${namespace}|`);
    for (const key in labels) {
      at(`${namespace}|${key}=${labels[key]}`);
      at(`|${key}=${labels[key]}`);
    }
  }
}

function anchorId({ namespace = '', label }: Anchor): string {
  return label === undefined ? `${namespace}|` : `${namespace}|${label[0]}=${label[1]}`;
}
