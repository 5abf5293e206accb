/** What a Deployment tells of itself. Pure. */
import type { Deployment, DeploymentCondition, ReplicaSet } from '../../api/index.ts';
import { formatTime } from '../../machinery/index.ts';
import { boundsOf, totalActual, totalAvailable } from './rolling.ts';

type Status = NonNullable<Deployment['status']>;

export function statusOf(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
  now: number,
): Status {
  const available = totalAvailable(sets);
  const actual = totalActual(sets);
  const { collisionCount, conditions = [] } = deployment.status ?? {};
  const status: Status = {
    observedGeneration: deployment.metadata.generation,
    replicas: actual,
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: sets.reduce((total, set) => total + (set.status?.readyReplicas ?? 0), 0),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, sets.reduce((total, set) => total + (set.spec?.replicas ?? 1), 0) - available),
    terminatingReplicas: sets.reduce((total, set) => total + (set.status?.terminatingReplicas ?? 0), 0),
    ...(collisionCount !== undefined && { collisionCount }),
    conditions: [...conditions],
  };
  setCondition(status, availability(deployment, available), now);
  const failing = sets.flatMap((set) => set.status?.conditions ?? []).find((one) => one.type === 'ReplicaFailure');
  if (failing)
    setCondition(
      status,
      { type: 'ReplicaFailure', status: 'True', reason: failing.reason, message: failing.message },
      now,
    );
  else status.conditions = status.conditions!.filter((one) => one.type !== 'ReplicaFailure');
  const progress = progressOf(deployment, status, current, now);
  if (progress !== undefined) setCondition(status, progress, now, true);
  return status;
}

const timedOut = 'ProgressDeadlineExceeded';
const created = 'NewReplicaSetCreated';
const found = 'FoundNewReplicaSet';
const resumed = 'DeploymentResumed';

/** Whether the release still goes on, so that its deadline counts. */
export function isUnderWay(deployment: Deployment): boolean {
  const progress = deployment.status?.conditions?.find((one) => one.type === 'Progressing');
  return ['ReplicaSetUpdated', created, found, resumed].includes(progress?.reason ?? '');
}

type Told = Pick<DeploymentCondition, 'type' | 'status' | 'reason' | 'message'>;

function availability(deployment: Deployment, available: number): Told {
  const enough = available >= (deployment.spec.replicas ?? 1) - boundsOf(deployment).unavailable;
  return enough
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
}

export function isComplete(deployment: Deployment, status: Status): boolean {
  const wanted = deployment.spec.replicas ?? 1;
  return status.updatedReplicas === wanted && status.replicas === wanted && status.availableReplicas === wanted;
}

function progressOf(
  deployment: Deployment,
  status: Status,
  current: ReplicaSet | undefined,
  now: number,
): Told | undefined {
  const limit = deployment.spec.progressDeadlineSeconds;
  if (limit === undefined || limit === 2_147_483_647) return undefined;
  const known = deployment.status?.conditions?.find((one) => one.type === 'Progressing');
  const name = current ? `ReplicaSet "${current.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  const done = {
    type: 'Progressing',
    status: 'True',
    reason: 'NewReplicaSetAvailable',
    message: `${name} has successfully progressed.`,
  } as const;
  if (deployment.spec.paused)
    return known?.reason === timedOut
      ? undefined
      : { type: 'Progressing', status: 'Unknown', reason: 'DeploymentPaused', message: 'Deployment is paused' };
  if (current !== undefined && isComplete(deployment, status)) return done;
  // a release that was through stays so, whatever becomes of its pods later
  if (known?.reason === done.reason && known.message === done.message && status.replicas === status.updatedReplicas)
    return undefined;
  if (known?.reason === 'DeploymentPaused')
    return { type: 'Progressing', status: 'Unknown', reason: resumed, message: 'Deployment is resumed' };
  const begins =
    known === undefined ||
    known.reason === done.reason ||
    !(known.message?.includes(`"${current?.metadata.name}"`) || known.reason === resumed);
  const moved = hasMoved(deployment.status ?? {}, status);
  if (current !== undefined && begins && !moved && isNewSince(known, deployment, current))
    return { type: 'Progressing', status: 'True', reason: created, message: `Created new ${nameOf(current)}` };
  if (current !== undefined && known === undefined && !moved)
    return { type: 'Progressing', status: 'True', reason: found, message: `Found new ${nameOf(current)}` };
  if (begins || moved)
    return { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', message: `${name} is progressing.` };
  if (known.reason === timedOut) return undefined;
  if (now < Date.parse(known.lastUpdateTime ?? '') + limit * 1000) return undefined;
  return { type: 'Progressing', status: 'False', reason: timedOut, message: `${name} has timed out progressing.` };
}

const nameOf = ({ metadata }: ReplicaSet) => `replica set "${metadata.name}"`;

/** One that was there before the Deployment, or before it told of its progress, is not made but found. */
function isNewSince(known: DeploymentCondition | undefined, deployment: Deployment, { metadata }: ReplicaSet): boolean {
  if (known === undefined && deployment.status?.observedGeneration !== undefined) return false;
  const since = known === undefined ? deployment.metadata.creationTimestamp : known.lastUpdateTime;
  return Date.parse(metadata.creationTimestamp ?? '') >= Date.parse(since ?? '');
}

function hasMoved(before: Status, after: Status): boolean {
  const olds = (status: Status) => (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    olds(after) < olds(before) ||
    (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

/** `touch`: a repeated sign of progress is news, too. */
function setCondition(status: Status, told: Told, now: number, touch = false): void {
  const known = status.conditions!.find((one) => one.type === told.type);
  const time = formatTime(now);
  const same = known?.status === told.status && known?.reason === told.reason;
  if (same && known.message === told.message && (!touch || told.reason !== 'ReplicaSetUpdated')) return;
  const condition: DeploymentCondition = {
    ...told,
    lastUpdateTime: time,
    lastTransitionTime: known?.status === told.status ? known.lastTransitionTime : time,
  };
  status.conditions = [...status.conditions!.filter((one) => one !== known), condition];
}
