/** Releases: from one template to the next, within the bounds that the Deployment gives, and back. */
import { type Deployment, deployments, type Pod, pods, type ReplicaSet, replicaSets } from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import { equalJson, isStatusError, labelSelectorAsSelector } from '../../machinery/index.ts';
import { claim, refOf } from '../claim.ts';
import {
  copiedAnnotations,
  countAnnotations,
  replicaSetFor,
  revisedAnnotations,
  revisionAnnotation,
  revisionOf,
  sameTemplate,
} from './revision.ts';
import { boundsOf, isResize, newReplicas, oldReplicas, proportionally, replicasOf, totalActual } from './rolling.ts';
import { isComplete, isUnderWay, statusOf } from './status.ts';

export const deploymentController: Controller<Deployment> = {
  name: 'deployment-controller',
  for: deployments,
  owns: [replicaSets],
  // Recreate waits until the last old pod is gone
  watches: [{ resource: pods, keys: deploymentOfPod, when: (_old, pod) => pod === undefined }],
  async reconcile(key, context) {
    const deployment = context.lister(deployments).get(key);
    if (deployment === undefined) return;
    const selector = labelSelectorAsSelector(deployment.spec.selector);
    const sets = await claim<ReplicaSet>(context, deployments, deployment, selector, replicaSets);
    if (deployment.metadata.deletionTimestamp !== undefined) return writeStatus(deployment, context);
    if (deployment.spec.paused) await resize(deployment, sets, context);
    else if (isResize(deployment, sets)) await resize(deployment, sets, context);
    else if (deployment.spec.strategy?.type === 'Recreate') await recreate(deployment, sets, context);
    else await roll(deployment, sets, context);
    await writeStatus(deployment, context);
    return deadlineOf(context.lister(deployments).get(key), context);
  },
};

function deploymentOfPod(pod: Pod, { lister }: ReconcileContext): string[] {
  const owner = pod.metadata.ownerReferences?.find((one) => one.controller === true && one.kind === 'ReplicaSet');
  const set = owner && lister<ReplicaSet>(replicaSets).get(`${pod.metadata.namespace}/${owner.name}`);
  const above = set?.metadata.ownerReferences?.find((one) => one.controller === true && one.kind === 'Deployment');
  return above ? [`${pod.metadata.namespace}/${above.name}`] : [];
}

function currentOf(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return sets
    .filter(
      (set) =>
        set.metadata.deletionTimestamp === undefined && sameTemplate(set.spec!.template!, deployment.spec.template),
    )
    .toSorted((a, b) => String(a.metadata.creationTimestamp).localeCompare(String(b.metadata.creationTimestamp)))[0];
}

async function roll(deployment: Deployment, sets: readonly ReplicaSet[], context: ReconcileContext): Promise<void> {
  const current = await currentSet(deployment, sets, context);
  if (current === undefined) return;
  const olds = others(deployment, current, context);
  const grown = await setSize(
    deployment,
    current,
    newReplicas(deployment, [...olds, current], replicasOf(current)),
    context,
  );
  // the new set first: what it adds is counted before anything old goes
  for (const [set, size] of oldReplicas(deployment, olds, grown)) await setSize(deployment, set, size, context);
  await cleanUp(deployment, olds, context);
}

async function recreate(deployment: Deployment, sets: readonly ReplicaSet[], context: ReconcileContext): Promise<void> {
  const present = currentOf(deployment, sets);
  const olds = sets.filter((set) => set !== present);
  const running = olds.filter((set) => replicasOf(set) > 0);
  if (running.length > 0) {
    for (const set of running) await setSize(deployment, set, 0, context);
    return;
  }
  const oldPods = olds.flatMap((set) => context.lister<Pod>(pods).controlledBy(set.metadata.uid!));
  if (oldPods.some((pod) => pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed')) return;
  const current = await currentSet(deployment, sets, context);
  if (current === undefined) return;
  await setSize(deployment, current, deployment.spec.replicas ?? 1, context);
  await cleanUp(deployment, olds, context);
}

/** Paused, or resized on the way: sizes change, templates do not. */
async function resize(deployment: Deployment, sets: readonly ReplicaSet[], context: ReconcileContext): Promise<void> {
  const active = sets.filter((set) => replicasOf(set) > 0);
  const current = currentOf(deployment, sets);
  const only = active.length <= 1 ? (active[0] ?? current) : undefined;
  if (only !== undefined) {
    await setSize(deployment, only, deployment.spec.replicas ?? 1, context);
    return;
  }
  const wanted = deployment.spec.replicas ?? 1;
  if (current !== undefined && replicasOf(current) === wanted && (current.status?.availableReplicas ?? 0) === wanted) {
    for (const set of active) if (set !== current) await setSize(deployment, set, 0, context);
    return;
  }
  for (const [set, size] of proportionally(deployment, active)) await setSize(deployment, set, size, context);
}

/** The set of the present template, made if need be, with the highest revision. Undefined: try again later. */
async function currentSet(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  context: ReconcileContext,
): Promise<ReplicaSet | undefined> {
  const { client, events } = context;
  const known = currentOf(deployment, sets);
  const highest = greatest(sets.filter((set) => set !== known).map(revisionOf));
  if (known !== undefined) {
    const revision = greatest([highest + 1n, revisionOf(known)]);
    const annotations = {
      ...known.metadata.annotations,
      ...copiedAnnotations(deployment),
      ...revisedAnnotations(known, revision),
    };
    await setRevision(deployment, revision, context);
    const minReadySeconds = deployment.spec.minReadySeconds;
    if (
      equalJson(annotations, known.metadata.annotations) &&
      (known.spec!.minReadySeconds ?? 0) === (minReadySeconds ?? 0)
    )
      return known;
    const spec = { ...known.spec, minReadySeconds };
    return client.update<ReplicaSet>(replicaSets, {
      ...known,
      metadata: { ...known.metadata, annotations },
      spec,
    } as ReplicaSet);
  }
  const wanted = deployment.spec.replicas ?? 1;
  const made = replicaSetFor(deployment, 0, highest + 1n, wanted + boundsOf(deployment).surge);
  made.spec!.replicas = newReplicas(deployment, [...sets, made], 0);
  try {
    const created = await client.create<ReplicaSet>(replicaSets, made);
    events.event(
      deployment,
      'Normal',
      'ScalingReplicaSet',
      `Scaled up replica set ${created.metadata.name} from 0 to ${replicasOf(created)}`,
    );
    await setRevision(deployment, highest + 1n, context);
    return created;
  } catch (error) {
    if (!isStatusError(error, 'AlreadyExists')) {
      events.event(
        deployment,
        'Warning',
        'ReplicaSetCreateError',
        `Failed to create new replica set "${made.metadata.name}": ${(error as Error).message}`,
      );
      throw error;
    }
    return collided(deployment, made, context);
  }
}

/** The name is taken: by this very set, which the cache has not seen yet, or by another of the same hash. */
async function collided(
  deployment: Deployment,
  made: ReplicaSet,
  { client }: ReconcileContext,
): Promise<ReplicaSet | undefined> {
  const there = await client.get<ReplicaSet>(replicaSets, refOf(made));
  const mine = there.metadata.ownerReferences?.some(
    (one) => one.controller === true && one.uid === deployment.metadata.uid,
  );
  if (mine && sameTemplate(there.spec!.template!, deployment.spec.template)) return there;
  const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
  await client.update<Deployment>(
    deployments,
    { ...deployment, status: { ...deployment.status, collisionCount } },
    { subresource: 'status' },
  );
  return undefined;
}

function greatest(revisions: readonly bigint[]): bigint {
  return revisions.reduce((most, one) => (one > most ? one : most), 0n);
}

async function setRevision(deployment: Deployment, revision: bigint, { client }: ReconcileContext): Promise<void> {
  const { metadata } = deployment;
  if (metadata.annotations?.[revisionAnnotation] === String(revision)) return;
  const annotations = { ...metadata.annotations, [revisionAnnotation]: String(revision) };
  await client.update<Deployment>(deployments, { ...deployment, metadata: { ...metadata, annotations } });
}

/** All sets but the current one, as they are now. */
function others(deployment: Deployment, current: ReplicaSet, { lister }: ReconcileContext): ReplicaSet[] {
  return lister<ReplicaSet>(replicaSets)
    .controlledBy(deployment.metadata.uid!)
    .filter((set) => set.metadata.uid !== current.metadata.uid);
}

async function setSize(
  deployment: Deployment,
  set: ReplicaSet,
  size: number,
  { client, events }: ReconcileContext,
): Promise<ReplicaSet> {
  const wanted = deployment.spec.replicas ?? 1;
  const annotations = {
    ...set.metadata.annotations,
    ...countAnnotations(deployment, wanted + boundsOf(deployment).surge),
  };
  const before = replicasOf(set);
  if (before === size && (size === 0 || equalJson(annotations, set.metadata.annotations))) return set;
  const updated = await client.update<ReplicaSet>(replicaSets, {
    ...set,
    metadata: { ...set.metadata, annotations },
    spec: { ...set.spec, replicas: size },
  } as ReplicaSet);
  if (before !== size) {
    const direction = size > before ? 'up' : 'down';
    events.event(
      deployment,
      'Normal',
      'ScalingReplicaSet',
      `Scaled ${direction} replica set ${set.metadata.name} from ${before} to ${size}`,
    );
  }
  return updated;
}

/** Old sets are kept to go back to, but not all of them forever. */
async function cleanUp(
  deployment: Deployment,
  olds: readonly ReplicaSet[],
  { client, lister }: ReconcileContext,
): Promise<void> {
  const fresh = lister<Deployment>(deployments).get(`${deployment.metadata.namespace}/${deployment.metadata.name}`);
  if (fresh === undefined || !isComplete(deployment, fresh.status ?? {})) return;
  const keep = deployment.spec.revisionHistoryLimit ?? 10;
  const empty = olds
    .filter((set) => replicasOf(set) === 0 && totalActual([set]) === 0 && set.metadata.deletionTimestamp === undefined)
    .toSorted((a, b) => (revisionOf(a) < revisionOf(b) ? -1 : revisionOf(a) > revisionOf(b) ? 1 : 0));
  for (const set of empty.slice(0, Math.max(0, empty.length - keep)))
    await client
      .delete(replicaSets, refOf(set), { preconditions: { uid: set.metadata.uid! } })
      .catch((error: unknown) => {
        if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
      });
}

async function writeStatus(deployment: Deployment, { client, clock, lister }: ReconcileContext): Promise<void> {
  const sets = lister<ReplicaSet>(replicaSets).controlledBy(deployment.metadata.uid!);
  const fresh =
    lister<Deployment>(deployments).get(`${deployment.metadata.namespace}/${deployment.metadata.name}`) ?? deployment;
  // what was not reconciled yet is not reported as observed
  const seen = {
    ...fresh,
    spec: deployment.spec,
    metadata: { ...fresh.metadata, generation: deployment.metadata.generation },
  };
  const status = statusOf(seen, sets, currentOf(deployment, sets), clock.now());
  if (equalJson(shown(status), shown(fresh.status ?? {}))) return;
  await client
    .update<Deployment>(deployments, { ...fresh, status }, { subresource: 'status' })
    .catch((error: unknown) => {
      if (!isStatusError(error, 'NotFound')) throw error;
    });
}

function shown(status: NonNullable<Deployment['status']>): object {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== 0 && value !== undefined));
}

/** A release that stands still is noticed when its deadline is over. */
function deadlineOf(deployment: Deployment | undefined, { clock }: ReconcileContext): { requeueAfter?: number } {
  const progress = deployment?.status?.conditions?.find((one) => one.type === 'Progressing');
  const limit = deployment?.spec.progressDeadlineSeconds;
  if (limit === undefined || progress === undefined || !isUnderWay(deployment!)) return {};
  const left = Date.parse(progress.lastUpdateTime ?? '') + limit * 1000 - clock.now();
  return { requeueAfter: Math.max(1000, left + 1000) };
}
