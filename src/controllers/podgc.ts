/** Pods that nobody looks after any more: on nodes that are gone, ended in great number, or deleted before they had a node. */
import { type Node, nodes, type Pod, pods } from '../api/index.ts';
import type { Controller, ReconcileContext } from '../client/index.ts';
import { isStatusError } from '../machinery/index.ts';
import { disrupt } from './disruption.ts';

const every = 20_000;
/** A node that is not there may be about to register again. */
const quarantine = 40_000;
const outOfService = 'node.kubernetes.io/out-of-service';
const key = 'all';

/** `terminatedLimit`: so many pods that have ended are kept, the youngest; absent: 12,500. */
export function podGarbageCollector({ terminatedLimit = 12_500 }: { terminatedLimit?: number } = {}): Controller<Pod> {
  /** Since when each node has been missing. */
  const missing = new Map<string, number>();
  return {
    name: 'pod-garbage-collector',
    for: pods,
    when: () => false,
    reads: [nodes],
    concurrency: 1,
    start({ enqueue }) {
      enqueue(key, every);
    },
    async reconcile(_key, context) {
      const all = context.lister(pods).list();
      const used = new Set(all.map(({ spec }) => spec.nodeName));
      for (const name of missing.keys()) if (!used.has(name)) missing.delete(name);
      for (const pod of excess(all, terminatedLimit)) await end(pod, 'it ended long ago', context);
      for (const pod of all) {
        const why = await reasonToEnd(pod, missing, context);
        if (why !== undefined) await end(pod, why, context);
      }
      return { requeueAfter: every };
    },
  };
}

/** Those that ended and are too many, the oldest. */
export function excess(all: readonly Pod[], limit: number): Pod[] {
  const ended = all.filter(({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed');
  if (ended.length <= limit) return [];
  const age = ({ metadata }: Pod) => String(metadata.creationTimestamp);
  return ended.toSorted((a, b) => age(a).localeCompare(age(b))).slice(0, ended.length - limit);
}

async function reasonToEnd(
  pod: Pod,
  missing: Map<string, number>,
  context: ReconcileContext,
): Promise<string | undefined> {
  const { nodeName } = pod.spec;
  const going = pod.metadata.deletionTimestamp !== undefined;
  if (!nodeName) return going ? 'it was deleted before it had a node' : undefined;
  const node = context.lister<Node>(nodes).get(nodeName);
  if (node !== undefined) {
    missing.delete(nodeName);
    return going && node.spec?.taints?.some((taint) => taint.key === outOfService)
      ? 'its node is out of service'
      : undefined;
  }
  const since = missing.get(nodeName) ?? context.clock.now();
  missing.set(nodeName, since);
  if (context.clock.now() - since < quarantine) return undefined;
  return (await isGone(nodeName, context)) ? 'its node no longer exists' : undefined;
}

/** What the cache shows may be over. */
async function isGone(name: string, { client }: ReconcileContext): Promise<boolean> {
  try {
    await client.get(nodes, { name });
    return false;
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return true;
    throw error;
  }
}

async function end(pod: Pod, why: string, context: ReconcileContext): Promise<void> {
  await disrupt(
    pod,
    { reason: 'DeletionByPodGC', message: `PodGC: ${why}`, failed: true, gracePeriodSeconds: 0 },
    context,
  );
}
