/** One attempt for all pods of a group: they get nodes together or not at all, so that no group holds what another one needs. */
import type { Pod } from '../api/index.ts';
import type { Chosen, Scheduling, Unschedulable } from './cycle.ts';
import type { Group, Plugin } from './framework.ts';
import type { Profile } from './profile.ts';
import { takeRequest } from './resources.ts';

export interface GroupResult {
  readonly outcome: 'scheduled' | 'preempting' | 'unschedulable';
  /** For each of the pods, in their order. Nothing of it is counted in the snapshot any more. */
  readonly results: readonly (Chosen | Unschedulable)[];
}

const preemptingMessage = 'pod group is waiting for preemption to complete';

/** What is told of the group as a whole. */
export const groupMessages: Readonly<Record<GroupResult['outcome'], string>> = {
  scheduled: '',
  preempting: preemptingMessage,
  unschedulable: 'pod group is unschedulable',
};

/**
 * Places one after the other, each seeing those before it where they are to be, and takes all back. A pod that only fits when others are
 * evicted counts as placed with them gone. Throws what a plugin throws, with everything taken back.
 */
export function placeTogether(
  pods: readonly Pod[],
  group: Group,
  profile: Profile,
  scheduling: Scheduling,
  by: Plugin,
): GroupResult {
  const undo: (() => void)[] = [];
  const results: (Chosen | Unschedulable)[] = [];
  let enough = false;
  let preempting = false;
  try {
    for (const pod of pods) {
      const result = scheduling.choose(pod, profile);
      const tried = 'node' in result ? reserved(pod, result, profile, undo) : result;
      results.push(tried);
      if (!('node' in tried)) {
        if (!tried.postFilter?.nominatedNode) continue;
        preempting = true;
        expect(pod, tried, scheduling, undo);
      }
      enough ||= group.enough();
    }
  } finally {
    for (const step of undo.toReversed()) step();
  }
  if (enough && !preempting) return { outcome: 'scheduled', results };
  if (enough) return { outcome: 'preempting', results: results.map((one) => awaiting(one, by)) };
  const leaving = results.some((one, i) => !('node' in one) && comesOnceOthersLeft(pods[i]!, one, scheduling));
  return { outcome: 'unschedulable', results: results.map((one) => failed(one, by, group, leaving)) };
}

function reserved(pod: Pod, chosen: Chosen, profile: Profile, undo: (() => void)[]): Chosen | Unschedulable {
  const { node, cycle } = chosen;
  const { snapshot } = cycle;
  assume(pod, node.name, snapshot);
  const back = () => {
    for (const plugin of profile.reservers.toReversed()) plugin.unreserve?.(cycle, node);
    snapshot.removePod(pod.metadata.uid!);
  };
  for (const plugin of profile.reservers) {
    const refused = plugin.reserve?.(cycle, node);
    if (refused === undefined) continue;
    back();
    return { message: `0/${snapshot.size} nodes are available: 1 ${refused.reason}.`, by: [plugin] };
  }
  undo.push(back);
  return chosen;
}

/** As if those that are evicted for it had gone and it had come. */
function expect(pod: Pod, { postFilter }: Unschedulable, { snapshot }: Scheduling, undo: (() => void)[]): void {
  const { nominatedNode, evicted = [] } = postFilter!;
  for (const victim of evicted) snapshot.removePod(victim.metadata.uid!);
  assume(pod, nominatedNode!, snapshot);
  undo.push(() => {
    snapshot.removePod(pod.metadata.uid!);
    for (const victim of evicted) snapshot.setPod(victim);
  });
}

function assume(pod: Pod, nodeName: string, snapshot: Scheduling['snapshot']): void {
  const assumed: Pod = { ...pod, spec: { ...pod.spec, nodeName } };
  takeRequest(pod, assumed);
  snapshot.setPod(assumed);
}

/** The whole group waits until those that are evicted have gone; what fits already keeps its node. */
function awaiting(result: Chosen | Unschedulable, by: Plugin): Unschedulable {
  if (!('node' in result)) return result;
  return { message: preemptingMessage, by: [by], postFilter: { nominatedNode: result.node.name } };
}

/** Nobody is evicted for a group that could not run all the same. */
function failed(result: Chosen | Unschedulable, by: Plugin, group: Group, leaving: boolean): Unschedulable {
  const fits = 'node' in result;
  if (!fits && !result.postFilter?.nominatedNode) return result;
  const others = fits ? [] : result.by;
  const keep = fits && leaving;
  return { message: group.waitsFor, by: [by, ...others], postFilter: keep ? {} : { nominatedNode: '' } };
}

/** Those that were evicted for it are on their way out. */
function comesOnceOthersLeft(pod: Pod, { postFilter }: Unschedulable, { snapshot }: Scheduling): boolean {
  return postFilter?.nominatedNode === undefined && snapshot.nominatedNode(pod.metadata.uid!) !== undefined;
}
