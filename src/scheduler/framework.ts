/**
 * The scheduling framework: what a plugin is and what it sees. Verbs, their order and their meaning are upstream's (KEP-624); a plugin implements
 * those that it needs.
 */
import type { Node, Pod } from '../api/index.ts';
import type { NodeInfo, Snapshot } from './snapshot.ts';

/** Why a pod does not fit. `unresolvable`: no eviction would help. */
export interface Rejection {
  readonly reason: string;
  readonly unresolvable?: boolean;
}

/** Kinds of change that can make a rejected pod fit. */
export type ClusterEvent = 'NodeAdd' | 'NodeUpdate' | 'PodAdd' | 'PodUpdate' | 'PodDelete' | 'SelfUpdate';

/** One attempt to place one pod. Plugins keep here what they compute once for all nodes. */
export interface Cycle {
  readonly pod: Pod;
  readonly snapshot: Snapshot;
  readonly state: Map<string, unknown>;
}

export interface Plugin {
  readonly name: string;
  /** Keeps a pod out of the queue; the reason, or undefined to let it in. */
  preEnqueue?(pod: Pod): string | undefined;
  /**
   * Looks at the pod once. A rejection ends the attempt; a set of names leaves only those nodes to look at.
   */
  preFilter?(cycle: Cycle): Rejection | ReadonlySet<string> | undefined;
  /** Whether the pod can run on the node. */
  filter?(cycle: Cycle, node: NodeInfo): Rejection | undefined;
  /** Computes once what `score` needs. Returning false: this pod is all the same to this plugin. */
  preScore?(cycle: Cycle, nodes: readonly NodeInfo[]): boolean;
  /** How good the node is; any number, brought to 0 … 100 by `normalize`. */
  score?(cycle: Cycle, node: NodeInfo): number;
  /** In place. Absent: scores are 0 … 100 already. */
  normalize?(cycle: Cycle, scores: number[], nodes: readonly NodeInfo[]): void;
  readonly weight?: number;
  /** Which changes can help a pod that this plugin rejected. Absent: all. */
  readonly events?: readonly ClusterEvent[];
  /** Whether this change of a node or pod really can help. Absent: it can. */
  helps?(pod: Pod, event: ClusterEvent, old: Node | Pod | undefined, object: Node | Pod | undefined): boolean;
}

export const maxScore = 100;

/** Brings scores to 0 … 100 by the highest; `reverse` makes low ones good. */
export function normalizeByMax(scores: number[], reverse = false): void {
  const highest = Math.max(0, ...scores);
  for (let i = 0; i < scores.length; i++) {
    const score = highest === 0 ? 0 : Math.floor((scores[i]! * maxScore) / highest);
    scores[i] = reverse ? maxScore - score : score;
  }
}
