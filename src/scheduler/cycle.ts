/** One attempt: filter the nodes, score what is left, choose. Pure: it reads the snapshot and draws from the random it is given. */
import type { Pod } from '../api/index.ts';
import type { Random } from '../machinery/index.ts';
import type { Cycle, Plugin } from './framework.ts';
import type { NodeInfo, Snapshot } from './snapshot.ts';

export type Choice =
  | { node: NodeInfo }
  /** `message` as events and conditions tell it. */
  | { message: string; by: readonly Plugin[] };

/** As upstream: in a big cluster, enough feasible nodes are enough. */
function enough(nodes: number): number {
  if (nodes < 100) return nodes;
  const percent = Math.max(5, 50 - Math.floor(nodes / 125));
  return Math.max(100, Math.floor((nodes * percent) / 100));
}

export class Scheduling {
  readonly #plugins: readonly Plugin[];
  readonly #random: Random;
  #startAt = 0;

  constructor(plugins: readonly Plugin[], random: Random) {
    this.#plugins = plugins;
    this.#random = random;
  }

  choose(pod: Pod, snapshot: Snapshot): Choice {
    const cycle: Cycle = { pod, snapshot, state: new Map() };
    const total = snapshot.nodes.length;
    if (total === 0)
      return { message: '0/0 nodes are available: no nodes available to schedule pods', by: this.#plugins };
    for (const plugin of this.#plugins) {
      const found = plugin.preFilter?.(cycle);
      if (found !== undefined && 'reason' in found)
        return { message: `0/${total} nodes are available: ${found.reason}.`, by: [plugin] };
    }
    const reasons = new Map<string, number>();
    const rejecting = new Set<Plugin>();
    const feasible = this.#filter(cycle, reasons, rejecting);
    if (feasible.length === 0) return { message: messageOf(total, reasons), by: [...rejecting] };
    return { node: feasible.length === 1 ? feasible[0]! : this.#best(cycle, feasible) };
  }

  #filter(cycle: Cycle, reasons: Map<string, number>, rejecting: Set<Plugin>): NodeInfo[] {
    const { nodes } = cycle.snapshot;
    const filters = this.#plugins.filter((plugin) => plugin.filter !== undefined);
    const wanted = enough(nodes.length);
    const feasible: NodeInfo[] = [];
    let looked = 0;
    for (; looked < nodes.length && feasible.length < wanted; looked++) {
      const node = nodes[(this.#startAt + looked) % nodes.length]!;
      let fits = true;
      for (const plugin of filters) {
        const rejection = plugin.filter!(cycle, node);
        if (rejection === undefined) continue;
        fits = false;
        rejecting.add(plugin);
        for (const reason of rejection.reason.split(', ')) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        break;
      }
      if (fits) feasible.push(node);
    }
    this.#startAt = (this.#startAt + looked) % nodes.length;
    return feasible;
  }

  #best(cycle: Cycle, nodes: readonly NodeInfo[]): NodeInfo {
    const totals = Array.from({ length: nodes.length }, () => 0);
    for (const plugin of this.#plugins) {
      if (plugin.score === undefined || plugin.preScore?.(cycle, nodes) === false) continue;
      const scores = nodes.map((node) => plugin.score!(cycle, node));
      plugin.normalize?.(cycle, scores, nodes);
      for (let i = 0; i < scores.length; i++) totals[i]! += scores[i]! * (plugin.weight ?? 1);
    }
    let best = 0;
    let ties = 1;
    for (let i = 1; i < totals.length; i++) {
      if (totals[i]! > totals[best]!) {
        best = i;
        ties = 1;
      } else if (totals[i] === totals[best] && this.#random.next() < 1 / ++ties) best = i;
    }
    return nodes[best]!;
  }
}

function messageOf(total: number, reasons: ReadonlyMap<string, number>): string {
  const told = Array.from(reasons, ([reason, count]) => `${count} ${reason}`).sort();
  return `0/${total} nodes are available: ${told.join(', ')}.`;
}
