/** Pods with names and storage of their own, made and ended in order. */
import {
  type ControllerRevision,
  controllerRevisions,
  persistentVolumeClaims,
  type Pod,
  pods,
  type StatefulSet,
  statefulSets,
} from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import { equalJson, isStatusError, keyOf, labelSelectorAsSelector } from '../../machinery/index.ts';
import { claim, refOf } from '../claim.ts';
import { type History, historyOf, templateOf, trimHistory } from '../history.ts';
import { availableIn, isReady } from '../pods.ts';
import { isBeforeUpdate, nextSteps, ordinalOf, revisionNameOf, type Step } from './plan.ts';
import { claimsFor, statefulPodFor } from './podfor.ts';
import { goesWithFormerPod, ownersFor } from './retention.ts';

export const statefulSetController: Controller<StatefulSet> = {
  name: 'statefulset-controller',
  for: statefulSets,
  owns: [pods],
  reads: [controllerRevisions, persistentVolumeClaims],
  watches: [{ resource: pods, keys: orphansOwners }],
  async reconcile(key, context) {
    const set = context.lister(statefulSets).get(key);
    if (set === undefined || set.metadata.deletionTimestamp !== undefined) return;
    const selector = labelSelectorAsSelector(set.spec!.selector);
    const history = await historyOf(context, statefulSets, set, selector);
    if (history === undefined) return countCollision(set, context);
    const named = (pod: Pod) => ordinalOf(set, pod) !== undefined;
    const mine = (await claim<Pod>(context, statefulSets, set, selector, pods, named)).filter(named);
    let failure: Error | undefined;
    await entrust(set, mine, context);
    const steps = nextSteps(set, mine, history.update.metadata.name!, context.clock.now());
    for (const step of steps) failure ??= await take(step, set, history, context).catch((error: Error) => error);
    const soonest = await writeStatus(set, history, context);
    await trim(set, history, context);
    if (failure !== undefined) throw failure;
    return Number.isFinite(soonest) ? { requeueAfter: soonest } : {};
  },
};

/** A pod without a controller, of a name that a set would give. */
function orphansOwners(pod: Pod, { lister }: ReconcileContext): string[] {
  if (pod.metadata.ownerReferences?.some((one) => one.controller === true)) return [];
  return lister<StatefulSet>(statefulSets)
    .list({ namespace: pod.metadata.namespace })
    .filter(
      (set) =>
        ordinalOf(set, pod) !== undefined && labelSelectorAsSelector(set.spec!.selector).matches(pod.metadata.labels),
    )
    .map(keyOf);
}

async function countCollision(set: StatefulSet, { client }: ReconcileContext): Promise<void> {
  const status = {
    ...set.status,
    replicas: set.status?.replicas ?? 0,
    collisionCount: (set.status?.collisionCount ?? 0) + 1,
  };
  await client.update<StatefulSet>(statefulSets, { ...set, status }, { subresource: 'status' });
}

async function take(step: Step, set: StatefulSet, history: History, context: ReconcileContext): Promise<undefined> {
  const { client, events } = context;
  const name = step.do === 'create' ? `${set.metadata.name}-${step.ordinal}` : step.pod.metadata.name;
  try {
    if (step.do === 'create') await create(set, step.ordinal, history, context);
    else {
      if (step.why === 'ended')
        events.event(
          set,
          'Warning',
          'RecreatingTerminatedPod',
          `StatefulSet ${keyOf(set)} is recreating terminated Pod ${name}`,
        );
      await client.delete(pods, refOf(step.pod), { preconditions: { uid: step.pod.metadata.uid! } });
    }
    const did = step.do === 'create' ? 'SuccessfulCreate' : 'SuccessfulDelete';
    events.event(set, 'Normal', did, `${step.do} Pod ${name} in StatefulSet ${set.metadata.name} successful`);
  } catch (error) {
    if (step.do === 'delete' && isStatusError(error, 'NotFound', 'Conflict')) return;
    const failed = step.do === 'create' ? 'FailedCreate' : 'FailedDelete';
    events.event(
      set,
      'Warning',
      failed,
      `${step.do} Pod ${name} in StatefulSet ${set.metadata.name} failed error: ${(error as Error).message}`,
    );
    throw error;
  }
}

/** Sees that claims go when their set's policy says so: before their pods do. */
async function entrust(set: StatefulSet, mine: readonly Pod[], { client, lister }: ReconcileContext): Promise<void> {
  for (const pod of mine)
    for (const { metadata } of claimsFor(set, ordinalOf(set, pod)!)) {
      const claim = lister(persistentVolumeClaims).get(`${metadata.namespace}/${metadata.name}`);
      const ownerReferences = claim && ownersFor(claim, set, pod);
      if (ownerReferences === undefined) continue;
      await client.update(persistentVolumeClaims, { ...claim!, metadata: { ...claim!.metadata, ownerReferences } });
    }
}

async function create(
  set: StatefulSet,
  ordinal: number,
  { update, all }: History,
  { client, lister, events }: ReconcileContext,
): Promise<void> {
  for (const wanted of claimsFor(set, ordinal)) {
    const known = lister(persistentVolumeClaims).get(keyOf(wanted));
    const { name } = wanted.metadata;
    if (known?.metadata.deletionTimestamp) throw new Error(`pvc ${name} is being deleted`);
    if (known && goesWithFormerPod(known, set, `${set.metadata.name}-${ordinal}`))
      throw new Error(`pvc ${name} goes with a pod of before`);
    if (known !== undefined) continue;
    await client.create(persistentVolumeClaims, wanted).catch((error: unknown) => {
      if (!isStatusError(error, 'AlreadyExists')) throw error;
    });
    events.event(
      set,
      'Normal',
      'SuccessfulCreate',
      `create Claim ${wanted.metadata.name} Pod ${set.metadata.name}-${ordinal} in StatefulSet ${set.metadata.name} success`,
    );
  }
  const revision = (isBeforeUpdate(set, ordinal) ? currentOf(set, all) : undefined) ?? update;
  await client.create<Pod>(pods, statefulPodFor(set, templateOf(revision), revision.metadata.name!, ordinal));
}

function currentOf({ status }: StatefulSet, all: readonly ControllerRevision[]): ControllerRevision | undefined {
  return all.find(({ metadata }) => metadata.name === status?.currentRevision);
}

/** Returns in how many milliseconds the next pod becomes available. */
async function writeStatus(
  set: StatefulSet,
  { update, all }: History,
  { client, clock, lister }: ReconcileContext,
): Promise<number> {
  const wanted = set.spec!.replicas ?? 1;
  const mine = lister<Pod>(pods).controlledBy(set.metadata.uid!);
  const waits = mine.map((pod) =>
    pod.metadata.deletionTimestamp
      ? Number.POSITIVE_INFINITY
      : availableIn(pod, set.spec!.minReadySeconds ?? 0, clock.now()),
  );
  const updateRevision = update.metadata.name!;
  const current = currentOf(set, all)?.metadata.name ?? updateRevision;
  const of = (revision: string) =>
    mine.filter((pod) => pod.metadata.deletionTimestamp === undefined && revisionNameOf(pod) === revision).length;
  const status: NonNullable<StatefulSet['status']> = {
    observedGeneration: set.metadata.generation,
    replicas: mine.length,
    readyReplicas: mine.filter((pod) => pod.status?.phase === 'Running' && isReady(pod)).length,
    availableReplicas: waits.filter((wait) => wait === 0).length,
    currentReplicas: of(current),
    updatedReplicas: of(updateRevision),
    currentRevision: current,
    updateRevision,
    collisionCount: set.status?.collisionCount ?? 0,
    ...(set.status?.conditions && { conditions: set.status.conditions }),
  };
  const rolls = set.spec!.updateStrategy?.type !== 'OnDelete';
  if (rolls && [status.replicas, status.readyReplicas, status.updatedReplicas].every((count) => count === wanted)) {
    status.currentRevision = updateRevision;
    status.currentReplicas = status.updatedReplicas;
  }
  if (!equalJson(status, { collisionCount: 0, ...set.status }))
    await client
      .update<StatefulSet>(statefulSets, { ...set, status }, { subresource: 'status' })
      .catch((error: unknown) => {
        if (!isStatusError(error, 'NotFound')) throw error;
      });
  return Math.min(...waits.filter((wait) => wait > 0));
}

async function trim(set: StatefulSet, { update, all }: History, context: ReconcileContext): Promise<void> {
  const used = new Set<string | undefined>(
    context.lister<Pod>(pods).controlledBy(set.metadata.uid!).map(revisionNameOf),
  );
  const now = context.lister<StatefulSet>(statefulSets).get(keyOf(set))?.status?.currentRevision;
  for (const name of [update.metadata.name, set.status?.currentRevision, now]) used.add(name);
  await trimHistory(context, set, all, ({ metadata }) => used.has(metadata.name));
}
