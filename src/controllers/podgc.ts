/** Pods that nobody looks after any more: on nodes that are gone, ended in great number, or deleted before they had a node. */
import { nodes, type Pod, pods } from '../api/index.ts';
import type { Controller, ReconcileContext } from '../client/index.ts';
import { isStatusError, type Resource } from '../machinery/index.ts';
import { refOf } from './claim.ts';

const every = 20_000;
/** A node that is not there may be about to register again. */
const quarantine = 40_000;
const terminatedLimit = 12_500;
const key = 'all';

export function podGarbageCollector(): Controller<Pod> {
  /** Since when each node has been missing. */
  const missing = new Map<string, number>();
  return {
    name: 'pod-garbage-collector',
    for: pods as Resource<Pod>,
    when: () => false,
    reads: [nodes],
    concurrency: 1,
    start({ enqueue }) {
      enqueue(key, every);
    },
    async reconcile(_key, context) {
      const all = context.lister<Pod>(pods).list();
      for (const pod of all) if (reasonToEnd(pod, missing, context) !== undefined) await end(pod, context);
      const ended = all.filter((pod) => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed');
      const excess = ended.length - terminatedLimit;
      if (excess > 0)
        for (const pod of ended
          .toSorted((a, b) => String(a.metadata.creationTimestamp).localeCompare(String(b.metadata.creationTimestamp)))
          .slice(0, excess))
          await end(pod, context);
      return { requeueAfter: every };
    },
  };
}

function reasonToEnd(pod: Pod, missing: Map<string, number>, { lister, clock }: ReconcileContext): string | undefined {
  const { nodeName } = pod.spec;
  if (!nodeName)
    return pod.metadata.deletionTimestamp === undefined ? undefined : 'it has no node and is being deleted';
  if (lister(nodes).get(nodeName) !== undefined) {
    missing.delete(nodeName);
    return undefined;
  }
  const since = missing.get(nodeName) ?? clock.now();
  missing.set(nodeName, since);
  return clock.now() - since >= quarantine ? 'its node is gone' : undefined;
}

async function end(pod: Pod, { client }: ReconcileContext): Promise<void> {
  const preconditions = { uid: pod.metadata.uid! };
  await client.delete(pods, refOf(pod), { gracePeriodSeconds: 0, preconditions }).catch((error: unknown) => {
    if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
  });
}
