/** What a node that is not heard of is said to be, and its pods. */
import { type Node, type NodeCondition, type Pod, pods } from '../../api/index.ts';
import type { ReconcileContext } from '../../client/index.ts';
import { formatTime, isStatusError } from '../../machinery/index.ts';
import { refOf } from '../claim.ts';

const reported = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

export function readyOf(node: Node): NodeCondition | undefined {
  return node.status?.conditions?.find((one) => one.type === 'Ready');
}

/** The node's conditions once nobody knows any more; undefined when they say so already. `now`: RFC 3339. */
export function unknownConditions(node: Node, now: string): NodeCondition[] | undefined {
  const before = node.status?.conditions ?? [];
  if (reported.every((type) => before.some((one) => one.type === type && one.status === 'Unknown'))) return undefined;
  const after = before.map((one) => {
    if (!reported.includes(one.type) || one.status === 'Unknown') return one;
    const message = 'Kubelet stopped posting node status.';
    return { ...one, status: 'Unknown', reason: 'NodeStatusUnknown', message, lastTransitionTime: now };
  });
  const missing = reported.filter((type) => !before.some((one) => one.type === type));
  const never = missing.map((type) => ({
    type,
    status: 'Unknown',
    reason: 'NodeStatusNeverUpdated',
    message: 'Kubelet never posted node status.',
    lastTransitionTime: now,
  }));
  return [...after, ...never];
}

export function podsOn(name: string, { informer }: ReconcileContext): readonly Pod[] {
  return informer<Pod>(pods).indexBy('node', ({ spec }) => (spec.nodeName ? [spec.nodeName] : []))(name);
}

/** Nothing on a node that is not ready can be counted on. */
export async function markPodsNotReady(node: Node, context: ReconcileContext): Promise<void> {
  const now = formatTime(context.clock.now());
  for (const pod of podsOn(node.metadata.name!, context)) {
    const conditions = pod.status?.conditions ?? [];
    const ready = conditions.find((one) => one.type === 'Ready');
    if (ready?.status !== 'True') continue;
    const changed = conditions.map((one) =>
      one === ready ? { ...one, status: 'False', lastTransitionTime: now } : one,
    );
    context.events.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
    const body = {
      metadata: { uid: pod.metadata.uid, resourceVersion: pod.metadata.resourceVersion },
      status: { conditions: changed },
    };
    await context.client
      .patch(pods, refOf(pod), { type: 'merge', body }, { subresource: 'status' })
      .catch((error: unknown) => {
        if (!isStatusError(error, 'NotFound')) throw error;
      });
  }
}
