/** So many pods of a template, whatever happens to them. */
import { type Pod, pods, type ReplicaSet, replicaSets, replicationControllers } from '../api/index.ts';
import type { Controller, ReconcileContext } from '../client/index.ts';
import {
  apiVersionOf,
  equalJson,
  formatTime,
  isStatusError,
  labelSelectorAsSelector,
  type Resource,
  type Selector,
  selectorFromSet,
} from '../machinery/index.ts';
import { allOf } from './allof.ts';
import { claim, refOf } from './claim.ts';
import { availableIn, endBefore, isActive, isReady, isTerminating, podFor } from './pods.ts';

/** One pass makes or ends at most so many. */
const burst = 500;

/** Of more pods than this not every change is looked at by itself: a millisecond for each pod changes are gathered. */
const manyPods = 100;
const longestRest = 2_000;

/** ReplicaSets, and the older kind that differs from them in little but its selector. */
interface Kept {
  name: string;
  resource: Resource<any>;
  selectorOf(set: ReplicaSet): Selector;
  /** Whether its status has a place for pods that are ending. */
  countsTerminating: boolean;
}

export const replicaSetController: Controller<ReplicaSet> = keeperOf({
  name: 'replicaset-controller',
  resource: replicaSets,
  selectorOf: ({ spec }) => labelSelectorAsSelector(spec!.selector),
  countsTerminating: true,
});

export const replicationController: Controller<ReplicaSet> = keeperOf({
  name: 'replication-controller',
  resource: replicationControllers,
  selectorOf: ({ spec }) => selectorFromSet(spec!.selector as unknown as Record<string, string>),
  countsTerminating: false,
});

function keeperOf(kept: Kept): Controller<ReplicaSet> {
  const { name, resource, selectorOf } = kept;
  return {
    name,
    for: resource,
    watches: [{ resource: pods, keys: (pod: Pod, context) => ownersOf(kept, pod, context), when: matters }],
    async reconcile(key, context) {
      const set = context.lister<ReplicaSet>(resource).get(key);
      if (set === undefined) return;
      const all = await claim<Pod>(context, resource, set, selectorOf(set), pods);
      const active = all.filter(isActive);
      let failure: Error | undefined;
      if (set.metadata.deletionTimestamp === undefined)
        failure = await scale(kept, set, active, context).catch((error: Error) => error);
      const soonest = await writeStatus(kept, set, failure, context);
      if (failure !== undefined) throw failure;
      const restFor = all.length > manyPods ? Math.min(all.length, longestRest) : 0;
      return Number.isFinite(soonest) && soonest > 0 ? { requeueAfter: soonest, restFor } : { restFor };
    },
  };
}

/** Whether a set could count the pod otherwise than before: where it is placed, for one, is nothing to it. */
function matters(old: Pod | undefined, pod: Pod | undefined): boolean {
  if (old === undefined || pod === undefined || old.metadata.uid !== pod.metadata.uid) return true;
  const [before, after] = [old.metadata, pod.metadata];
  return (
    old.status?.phase !== pod.status?.phase ||
    before.deletionTimestamp !== after.deletionTimestamp ||
    readyAt(old) !== readyAt(pod) ||
    !equalJson(before.labels ?? {}, after.labels ?? {}) ||
    !equalJson(before.ownerReferences ?? [], after.ownerReferences ?? [])
  );
}

function readyAt({ status }: Pod): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' ? (ready.lastTransitionTime ?? '') : 'not yet';
}

/** Its controller; a pod without one may be for any set that selects it. */
function ownersOf({ resource, selectorOf }: Kept, pod: Pod, { lister }: ReconcileContext): string[] {
  const owner = pod.metadata.ownerReferences?.find((one) => one.controller === true);
  if (owner !== undefined)
    return owner.kind === resource.kind && owner.apiVersion === apiVersionOf(resource)
      ? [`${pod.metadata.namespace}/${owner.name}`]
      : [];
  return lister<ReplicaSet>(resource)
    .list({ namespace: pod.metadata.namespace })
    .filter((set) => selects(selectorOf(set), pod))
    .map((set) => `${set.metadata.namespace}/${set.metadata.name}`);
}

function selects(selector: Selector, pod: Pod): boolean {
  return !selector.empty && selector.matches(pod.metadata.labels);
}

async function scale(
  kept: Kept,
  set: ReplicaSet,
  active: readonly Pod[],
  context: ReconcileContext,
): Promise<undefined> {
  const difference = (set.spec!.replicas ?? 1) - active.length;
  if (difference > 0) await create(kept, set, Math.min(difference, burst), context);
  else if (difference < 0) await end(set, active, Math.min(-difference, burst), context);
}

/** In batches that double as long as all goes well, so that a template that cannot be created is not tried a thousand times. */
async function create(
  { resource }: Kept,
  set: ReplicaSet,
  count: number,
  { client, events }: ReconcileContext,
): Promise<void> {
  const one = async () => {
    try {
      const pod = await client.create<Pod>(pods, podFor(set.spec!.template!, resource, set));
      events.event(set, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
    } catch (error) {
      // the namespace goes, and all in it
      const terminating =
        isStatusError(error, 'Forbidden') &&
        error.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating');
      if (terminating) return;
      events.event(set, 'Warning', 'FailedCreate', `Error creating: ${(error as Error).message}`);
      throw error;
    }
  };
  for (let batch = 1, left = count; left > 0; left -= batch, batch = Math.min(left, batch * 2))
    await allOf(Array.from({ length: batch }, one));
}

async function end(
  set: ReplicaSet,
  active: readonly Pod[],
  count: number,
  { client, events }: ReconcileContext,
): Promise<void> {
  const onNode = new Map<string, number>();
  for (const { spec } of active) onNode.set(spec.nodeName ?? '', (onNode.get(spec.nodeName ?? '') ?? 0) + 1);
  const crowd = (pod: Pod) => onNode.get(pod.spec.nodeName ?? '') ?? 0;
  const chosen = active.toSorted((a, b) => endBefore(a, b, crowd)).slice(0, count);
  await allOf(
    chosen.map(async (pod) => {
      try {
        await client.delete(pods, refOf(pod), { preconditions: { uid: pod.metadata.uid! } });
        events.event(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
      } catch (error) {
        if (isStatusError(error, 'NotFound', 'Conflict')) return;
        events.event(set, 'Warning', 'FailedDelete', `Error deleting: ${(error as Error).message}`);
        throw error;
      }
    }),
  );
}

/** Returns in how many milliseconds the next pod becomes available. */
async function writeStatus(
  { resource, countsTerminating }: Kept,
  set: ReplicaSet,
  failure: Error | undefined,
  context: ReconcileContext,
): Promise<number> {
  const { client, clock, lister } = context;
  const now = clock.now();
  const counted = countOf(set, lister<Pod>(pods).controlledBy(set.metadata.uid!), now);
  const conditions = conditionsOf(set, failure, counted.active, now);
  const status = {
    replicas: counted.active,
    fullyLabeledReplicas: counted.labeled,
    readyReplicas: counted.ready,
    availableReplicas: counted.available,
    ...(countsTerminating && { terminatingReplicas: counted.terminating }),
    observedGeneration: set.metadata.generation,
    ...(conditions.length > 0 && { conditions }),
  };
  if (!equalJson(withoutZeros(status), withoutZeros(set.status ?? {})))
    await client
      .update<ReplicaSet>(resource, { ...set, status } as ReplicaSet, { subresource: 'status' })
      .catch((error: unknown) => {
        if (!isStatusError(error, 'NotFound')) throw error;
      });
  return counted.soonest;
}

/** In one pass: sets of thousands are counted again and again. `soonest`: milliseconds until the next becomes available. */
function countOf({ spec }: ReplicaSet, all: readonly Pod[], now: number) {
  const minReady = spec!.minReadySeconds ?? 0;
  const template = Object.entries(spec!.template?.metadata?.labels ?? {});
  const counted = { active: 0, labeled: 0, ready: 0, available: 0, terminating: 0, soonest: Number.POSITIVE_INFINITY };
  for (const pod of all) {
    if (isTerminating(pod)) counted.terminating++;
    if (!isActive(pod)) continue;
    counted.active++;
    const { labels } = pod.metadata;
    if (template.every(([name, value]) => labels?.[name] === value)) counted.labeled++;
    if (!isReady(pod)) continue;
    counted.ready++;
    const wait = minReady === 0 ? 0 : availableIn(pod, minReady, now);
    if (wait === 0) counted.available++;
    else counted.soonest = Math.min(counted.soonest, wait);
  }
  return counted;
}

function withoutZeros(status: object): object {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== 0 && value !== undefined));
}

function conditionsOf(set: ReplicaSet, failure: Error | undefined, active: number, now: number) {
  const all = set.status?.conditions ?? [];
  if (failure === undefined) return all.filter((one) => one.type !== 'ReplicaFailure');
  // the first failure is told and kept: each has another pod's name in it, and to write that would be news without end
  if (all.some((one) => one.type === 'ReplicaFailure')) return all;
  const condition = {
    type: 'ReplicaFailure',
    status: 'True' as const,
    reason: active > (set.spec!.replicas ?? 1) ? 'FailedDelete' : 'FailedCreate',
    message: failure.message,
    lastTransitionTime: formatTime(now),
  };
  return [...all, condition];
}
