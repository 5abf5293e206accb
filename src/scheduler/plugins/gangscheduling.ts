import { type Pod, type PodGroup, podGroups, pods } from '../../api/index.ts';
import { formatTime, isStatusError, type Timer } from '../../machinery/index.ts';
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
  const placed = (group: string) =>
    alive(group).filter((one) => one.spec.nodeName || handle.snapshot.has(one.metadata.uid!)).length;
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
    groupOf(pod) {
      const group = groupOf(pod);
      if (group === undefined) return undefined;
      return {
        name: group,
        pods: alive(group),
        waitsFor: 'waiting for minCount pods from a gang to be scheduled',
        enough: () => placed(group) >= needed(group),
        tell: (scheduled, reason, message) => void tellGroup(groups.get(group), { scheduled, reason, message }, handle),
      };
    },
    permit({ pod }, _node, allow) {
      const group = groupOf(pod);
      if (group === undefined || needed(group) === 0) return undefined;
      const others = waiting.get(group) ?? new Map<string, Waiting>();
      if (placed(group) >= needed(group)) {
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

/** A group that has run once stays scheduled, whatever comes of pods that are added to it. */
async function tellGroup(
  group: PodGroup | undefined,
  { scheduled, reason, message }: { scheduled: boolean; reason: string; message: string },
  { client, clock, log }: Handle,
): Promise<void> {
  if (group === undefined) return;
  const type = 'PodGroupScheduled';
  const status = scheduled ? 'True' : 'False';
  const known = group.status?.conditions?.find((one) => one.type === type);
  if (known?.status === 'True' && !scheduled) return;
  if (known?.status === status && known.reason === reason && known.message === message) return;
  const { name, namespace, uid, generation } = group.metadata;
  const lastTransitionTime = known?.status === status ? known.lastTransitionTime : formatTime(clock.now());
  const condition = { type, status, reason, message, lastTransitionTime, observedGeneration: generation };
  const body = { metadata: { uid }, status: { conditions: [condition] } };
  try {
    const ref = { name: name!, namespace: namespace! };
    await client.patch(podGroups, ref, { type: 'strategic', body }, { subresource: 'status' });
  } catch (err) {
    if (isStatusError(err, 'NotFound', 'Conflict')) return;
    log.warn({ err, podGroup: `${namespace}/${name}` }, 'what came of a pod group could not be written to it');
  }
}

/** `namespace/name`. */
function groupOf({ metadata, spec }: Pod): string | undefined {
  const name = spec.schedulingGroup?.podGroupName;
  return name === undefined ? undefined : `${metadata.namespace}/${name}`;
}
