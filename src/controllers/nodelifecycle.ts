/**
 * Nodes that are not heard of: after 40 s without a sign (lease or status) a node's conditions become Unknown; taints keep new pods
 * away and, after what each pod tolerates, end those that are there.
 */
import { type Lease, leases, type Node, nodes, type Pod, pods, type Taint } from '../api/index.ts';
import type { Controller, ReconcileContext } from '../client/index.ts';
import { equalJson, formatTime, isStatusError } from '../machinery/index.ts';

const notReady = 'node.kubernetes.io/not-ready';
const unreachable = 'node.kubernetes.io/unreachable';
const grace = 40_000;
const leaseNamespace = 'kube-node-lease';
const conditionTaints: Record<string, string> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
};
const ours = new Set([notReady, unreachable, ...Object.values(conditionTaints), 'node.kubernetes.io/unschedulable']);

type Condition = { type: string; status: string; [field: string]: any };

/** When each node was last heard of, by this process's clock, and by which sign. */
interface Heard {
  sign: string;
  at: number;
}

export function nodeLifecycle(): Controller {
  const heard = new Map<string, Heard>();
  return {
    name: 'node-lifecycle-controller',
    for: nodes,
    watches: [
      {
        resource: leases,
        keys: ({ metadata }) => (metadata.namespace === leaseNamespace ? [metadata.name!] : []),
        // renewals are looked at when the grace is over, not each time they come
        when: (old, lease) => old === undefined || lease === undefined,
      },
      {
        resource: pods,
        keys: (pod: Pod) => (pod.spec.nodeName ? [pod.spec.nodeName] : []),
        when: (old: Pod | undefined, pod: Pod | undefined) => pod?.spec.nodeName !== undefined && !old?.spec.nodeName,
      },
    ],
    start({ informer }) {
      informer<Pod>(pods).indexBy('node', (pod) => (pod.spec.nodeName ? [pod.spec.nodeName] : []));
    },
    async reconcile(name, context) {
      const node = context.lister<Node>(nodes).get(name);
      if (node === undefined) return void heard.delete(name);
      const silence = silenceOf(node, heard, context);
      const current = silence >= grace ? await markUnknown(node, context) : node;
      await setTaints(current, context);
      const next = await evict(current, context);
      if (readyOf(current)?.status !== 'True') await markPodsNotReady(current, context);
      return { requeueAfter: Math.min(next, silence >= grace ? grace : grace - silence + 1) };
    },
  };
}

function readyOf(node: Node): Condition | undefined {
  return (node.status?.conditions as Condition[] | undefined)?.find((one) => one.type === 'Ready');
}

/** Milliseconds since the node gave its last sign. */
function silenceOf(node: Node, heard: Map<string, Heard>, { lister, clock }: ReconcileContext): number {
  const name = node.metadata.name!;
  const lease = lister<Lease>(leases).get(`${leaseNamespace}/${name}`);
  const sign = `${lease?.spec?.renewTime ?? ''} ${readyOf(node)?.lastHeartbeatTime ?? ''}`;
  const known = heard.get(name);
  if (known?.sign !== sign) {
    heard.set(name, { sign, at: clock.now() });
    return 0;
  }
  return clock.now() - known.at;
}

async function markUnknown(node: Node, { client, clock }: ReconcileContext): Promise<Node> {
  const now = formatTime(clock.now());
  const conditions = ((node.status?.conditions ?? []) as Condition[]).map((one) =>
    one.status === 'Unknown' || one.type === 'NetworkUnavailable'
      ? one
      : {
          ...one,
          status: 'Unknown',
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime: now,
        },
  );
  if (!conditions.some((one) => one.type === 'Ready'))
    conditions.push({
      type: 'Ready',
      status: 'Unknown',
      reason: 'NodeStatusNeverUpdated',
      message: 'Kubelet never posted node status.',
      lastTransitionTime: now,
    });
  if (equalJson(conditions, node.status?.conditions)) return node;
  return client.update(nodes, { ...node, status: { ...node.status, conditions } } as Node, { subresource: 'status' });
}

async function setTaints(node: Node, { client, clock }: ReconcileContext): Promise<void> {
  const wanted = taintsFor(node);
  const current: Taint[] = node.spec?.taints ?? [];
  const same = (a: Taint, b: Taint) => a.key === b.key && a.effect === b.effect;
  const kept = current.filter((taint) => !ours.has(taint.key) || wanted.some((one) => same(one, taint)));
  const added = wanted.filter((taint) => !current.some((one) => same(one, taint)));
  if (kept.length === current.length && added.length === 0) return;
  const now = formatTime(clock.now());
  const taints = [
    ...kept,
    ...added.map((taint) => (taint.effect === 'NoExecute' ? { ...taint, timeAdded: now } : taint)),
  ];
  await client.update(nodes, { ...node, spec: { ...node.spec, taints } } as Node);
}

function taintsFor(node: Node): Taint[] {
  const taints: Taint[] = [];
  const ready = readyOf(node)?.status ?? 'Unknown';
  if (ready !== 'True') {
    const key = ready === 'False' ? notReady : unreachable;
    taints.push({ key, effect: 'NoSchedule' });
    // a node that has never been ready runs nothing that could be ended
    if (readyOf(node) !== undefined) taints.push({ key, effect: 'NoExecute' });
  }
  for (const { type, status } of (node.status?.conditions ?? []) as Condition[])
    if (status === 'True' && conditionTaints[type] !== undefined)
      taints.push({ key: conditionTaints[type], effect: 'NoSchedule' });
  if (node.spec?.unschedulable) taints.push({ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' });
  return taints;
}

/** Deletes the pods whose tolerance is over; returns how many milliseconds until the next one's is. */
async function evict(node: Node, context: ReconcileContext): Promise<number> {
  const taints = ((node.spec?.taints ?? []) as Taint[]).filter((taint) => taint.effect === 'NoExecute');
  let next = Number.POSITIVE_INFINITY;
  if (taints.length === 0) return next;
  const now = context.clock.now();
  for (const pod of podsOn(node, context)) {
    if (pod.metadata.deletionTimestamp !== undefined) continue;
    const left = Math.min(...taints.map((taint) => toleratedFor(pod, taint) + Date.parse(taint.timeAdded ?? '') - now));
    if (left > 0) {
      next = Math.min(next, left);
      continue;
    }
    context.events.event(
      pod,
      'Normal',
      'TaintManagerEviction',
      `Marking for deletion Pod ${pod.metadata.namespace}/${pod.metadata.name}`,
    );
    const ref = { name: pod.metadata.name!, namespace: pod.metadata.namespace! };
    await context.client.delete(pods, ref, { preconditions: { uid: pod.metadata.uid! } }).catch((error: unknown) => {
      if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
    });
  }
  return next;
}

/** Milliseconds; infinite when the pod stays whatever happens. */
function toleratedFor(pod: Pod, taint: Taint): number {
  const tolerating = (pod.spec.tolerations ?? []).filter(
    (one) =>
      (!one.effect || one.effect === taint.effect) &&
      (!one.key || one.key === taint.key) &&
      (one.operator === 'Exists' || (one.value ?? '') === (taint.value ?? '')),
  );
  if (tolerating.length === 0) return 0;
  const limits = tolerating.flatMap((one) => (one.tolerationSeconds === undefined ? [] : [one.tolerationSeconds]));
  return limits.length === 0 ? Number.POSITIVE_INFINITY : Math.max(0, Math.min(...limits)) * 1000;
}

/** Nothing on a node that is not ready can be counted on. */
async function markPodsNotReady(node: Node, context: ReconcileContext): Promise<void> {
  if (readyOf(node)?.status !== 'Unknown') return;
  for (const pod of podsOn(node, context)) {
    const conditions = (pod.status?.conditions ?? []) as Condition[];
    const ready = conditions.find((one) => one.type === 'Ready');
    if (ready?.status !== 'True') continue;
    const now = formatTime(context.clock.now());
    const changed = conditions.map((one) =>
      one === ready ? { ...one, status: 'False', reason: 'NodeNotReady', lastTransitionTime: now } : one,
    );
    context.events.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
    await context.client
      .update(pods, { ...pod, status: { ...pod.status, conditions: changed } } as Pod, { subresource: 'status' })
      .catch((error: unknown) => {
        if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
      });
  }
}

function podsOn(node: Node, { informer }: ReconcileContext): readonly Pod[] {
  return informer<Pod>(pods).indexBy('node', (pod) => (pod.spec.nodeName ? [pod.spec.nodeName] : []))(
    node.metadata.name!,
  );
}
