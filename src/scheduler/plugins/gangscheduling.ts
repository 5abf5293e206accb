import { type Pod, type PodGroup, podGroups, pods } from '../../api/index.ts';
import type { Timer } from '../../machinery/index.ts';
import type { Plugin } from '../framework.ts';
import type { Handle } from '../handle.ts';

/** How long a pod that has a node waits for the rest of its gang. */
const patience = 5 * 60_000;

interface Waiting {
  readonly allow: (reason?: string) => void;
  readonly timer: Timer;
}

/** Pods of a group that is a gang run together or not at all: none is bound before as many as it needs have a node. */
export const gangScheduling = (_args: unknown, handle: Handle): Plugin => {
  const groups = handle.watch<PodGroup>(podGroups, 'PodGroup');
  const podInformer = handle.informer<Pod>(pods);
  const members = podInformer.indexBy('scheduling group', (pod) => [groupOf(pod) ?? []].flat());
  /** By group, then by the pod's uid. */
  const waiting = new Map<string, Map<string, Waiting>>();
  const recheck = (pod: Pod) => {
    if (groupOf(pod) !== undefined) handle.recheck();
  };
  podInformer.addHandler({ onAdd: recheck });
  handle.informer<PodGroup>(podGroups).addHandler({ onAdd: () => handle.recheck(), onUpdate: () => handle.recheck() });
  const needed = (group: string) => groups.get(group)?.spec.schedulingPolicy.gang?.minCount ?? 0;
  const alive = (group: string) => members(group).filter((pod) => pod.metadata.deletionTimestamp === undefined);
  const release = (group: string, uid: string) => {
    const others = waiting.get(group);
    others?.get(uid)?.timer.cancel();
    others?.delete(uid);
    if (others?.size === 0) waiting.delete(group);
  };
  return {
    name: 'GangScheduling',
    preEnqueue(pod) {
      const group = groupOf(pod);
      if (group === undefined) return undefined;
      const name = pod.spec.schedulingGroup!.podGroupName;
      if (groups.get(group) === undefined)
        return `waiting for pods's pod group "${name}" to appear in scheduling queue`;
      if (alive(group).length >= needed(group)) return undefined;
      return 'waiting for minCount pods from a gang to appear in scheduling queue';
    },
    permit({ pod, snapshot }, _node, allow) {
      const group = groupOf(pod);
      if (group === undefined || needed(group) === 0) return undefined;
      const placed = alive(group).filter((one) => one.spec.nodeName || snapshot.has(one.metadata.uid!)).length;
      const others = waiting.get(group) ?? new Map<string, Waiting>();
      if (placed >= needed(group)) {
        for (const [uid, one] of others) {
          release(group, uid);
          one.allow();
        }
        return undefined;
      }
      const uid = pod.metadata.uid!;
      const timer = handle.clock.after(patience, () => {
        release(group, uid);
        allow('the rest of the gang did not get nodes in time');
      });
      waiting.set(group, others.set(uid, { allow, timer }));
      return 'wait';
    },
    unreserve({ pod }) {
      const group = groupOf(pod);
      if (group !== undefined) release(group, pod.metadata.uid!);
    },
    events: ['PodAdd', 'PodGroup', 'SelfUpdate'],
    helps: (pod, event, _old, object) => event !== 'PodAdd' || groupOf(object as Pod) === groupOf(pod),
  };
};

/** `namespace/name`. */
function groupOf({ metadata, spec }: Pod): string | undefined {
  const name = spec.schedulingGroup?.podGroupName;
  return name === undefined ? undefined : `${metadata.namespace}/${name}`;
}
