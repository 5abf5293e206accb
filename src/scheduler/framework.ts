/**
 * The scheduling framework: what a plugin is and what it sees. Verbs, their order and their meaning are upstream's (KEP-624); a plugin implements
 * those that it needs.
 */
import type { Pod } from '../api/index.ts';
import type { KubeObject } from '../machinery/index.ts';
import type { NodeInfo } from './nodeinfo.ts';
import type { Snapshot } from './snapshot.ts';

/** Why a pod does not fit. */
export interface Rejection {
  readonly reason: string;
  /** More than one at once: each is told and counted. `reason` then is all of them. */
  readonly reasons?: readonly string[];
  /** No eviction would help. */
  readonly unresolvable?: boolean;
  /** Set by the framework. */
  plugin?: Plugin;
}

/** Kinds of change that can make a rejected pod fit. */
export type ClusterEvent =
  | 'NodeAdd'
  | 'NodeUpdate'
  | 'NodeDelete'
  | 'PodAdd'
  | 'PodUpdate'
  | 'PodDelete'
  | 'SelfUpdate'
  | 'Namespace'
  | 'Service'
  | 'PersistentVolume'
  | 'PersistentVolumeClaim'
  | 'StorageClass'
  | 'CSINode'
  | 'ResourceClaim'
  | 'ResourceSlice'
  | 'DeviceClass'
  | 'PodGroup';

/** One attempt to place one pod. */
export interface Cycle {
  readonly pod: Pod;
  readonly snapshot: Snapshot;
  /** What plugins compute for this attempt. */
  readonly state: Map<string, unknown>;
  /** What plugins compute once for all pods that are alike to scheduling; gone when anything they lean on changes. */
  readonly shared: Map<string, unknown>;
}

export interface Plugin {
  readonly name: string;
  /**
   * The verdicts and scores depend on nothing but what all alike pods share and on the one node, so they are kept until the node changes.
   * `preFilter` and `preScore` are then asked once for all alike pods.
   */
  readonly local?: boolean;
  /** Keeps a pod out of the queue; the reason, or undefined to let it in. */
  preEnqueue?(pod: Pod): string | undefined;
  /**
   * Looks at the pod once. A rejection ends the attempt; a set of names leaves only those nodes to look at; 'skip' says that `filter` would
   * let every node pass.
   */
  preFilter?(cycle: Cycle): Rejection | ReadonlySet<string> | 'skip' | undefined;
  /** Whether the pod can run on the node. Reads the node and the snapshot as they are at this moment: preemption tries what would be. */
  filter?(cycle: Cycle, node: NodeInfo): Rejection | undefined;
  /** The pods that get nodes in one attempt with this one, or not at all; undefined: it goes alone. At most one plugin of a profile has it. */
  groupOf?(pod: Pod): Group | undefined;
  /** Nothing was found: what else may help (preemption). */
  postFilter?(cycle: Cycle, rejections: ReadonlyMap<NodeInfo, Rejection>): PostFilterResult;
  /** Whether it would score these pods at all; absent: it would. */
  scores?(cycle: Cycle): boolean;
  /** Computes once what `score` needs. Returning false: nodes are all the same to this plugin. */
  preScore?(cycle: Cycle, nodes: readonly NodeInfo[]): boolean;
  /** How good the node is; any number, brought to 0 … 100 by `normalize`. */
  score?(cycle: Cycle, node: NodeInfo): number;
  /** In place; `count` of them. Absent: scores are 0 … 100 already. */
  normalize?(cycle: Cycle, scores: Float64Array, nodes: readonly NodeInfo[], count: number): void;
  readonly weight?: number;
  /** Claims what the pod needs there, in memory. A rejection undoes what plugins before it claimed. */
  reserve?(cycle: Cycle, node: NodeInfo): Rejection | undefined;
  /** Gives it back; also without a `reserve` before it. */
  unreserve?(cycle: Cycle, node: NodeInfo): void;
  /** Whether it may be bound now. 'wait': until the plugin says so by the function that it was given. */
  permit?(cycle: Cycle, node: NodeInfo, allow: (reason?: string) => void): 'wait' | Rejection | undefined;
  /** What must be written before the binding. Throwing: the pod is tried again. */
  preBind?(cycle: Cycle, node: NodeInfo, signal: AbortSignal): Promise<void>;
  /** Which changes can help a pod that this plugin rejected. Absent: all. */
  readonly events?: readonly ClusterEvent[];
  /** Whether this change of an object really can help. Absent: it can. */
  helps?(pod: Pod, event: ClusterEvent, old: KubeObject | undefined, object: KubeObject | undefined): boolean;
}

/** Pods that are placed together. */
export interface Group {
  readonly name: string;
  /** All that are alive, placed or not. */
  readonly pods: readonly Pod[];
  /** What a pod that has a place is told while too few others have. */
  readonly waitsFor: string;
  /** Whether as many have a place, by the snapshot of this moment, as are needed for any to run. */
  enough(): boolean;
  /** Writes to the group what came out. Never rejects. */
  tell(scheduled: boolean, reason: string, message: string): void;
}

export interface PostFilterResult {
  /** For the message, after what the filters said. */
  readonly message?: string;
  /** Where the pod is to come; '' takes back what was said before; undefined leaves it. */
  readonly nominatedNode?: string;
  /** Who is evicted for it. */
  readonly evicted?: readonly Pod[];
  /** What must be written for it. The pod is not tried again before it is done. */
  readonly work?: () => Promise<void>;
}

export const maxScore = 100;

/** Brings scores to 0 … 100 by the highest; `reverse` makes low ones good. */
export function normalizeByMax(scores: Float64Array, count: number, reverse = false): void {
  let highest = 0;
  for (let i = 0; i < count; i++) if (scores[i]! > highest) highest = scores[i]!;
  for (let i = 0; i < count; i++) {
    const score = highest === 0 ? 0 : Math.floor((scores[i]! * maxScore) / highest);
    scores[i] = reverse ? maxScore - score : score;
  }
}
