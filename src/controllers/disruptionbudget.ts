/** How many pods of a PodDisruptionBudget may be ended now: what evictions go by. */
import {
  deployments,
  type Pod,
  type PodDisruptionBudget,
  podDisruptionBudgets,
  pods,
  replicaSets,
  replicationControllers,
  statefulSets,
} from '../api/index.ts';
import type { Controller, ReconcileContext } from '../client/index.ts';
import {
  controllerOf,
  equalJson,
  formatTime,
  isStatusError,
  keyOf,
  type KubeObject,
  labelSelectorAsSelector,
  type Resource,
} from '../machinery/index.ts';
import { isActive, isReady } from './pods.ts';

/** An eviction that was granted and did not happen is forgotten after so long. */
const grantedFor = 120_000;
const scalable: readonly Resource<any>[] = [replicaSets, deployments, statefulSets, replicationControllers];

export const disruptionController: Controller<PodDisruptionBudget> = {
  name: 'disruption-controller',
  for: podDisruptionBudgets,
  reads: scalable,
  watches: [
    {
      resource: pods,
      when: (old: Pod | undefined, pod: Pod | undefined) =>
        old === undefined || pod === undefined || !equalJson(shown(old), shown(pod)),
      keys: budgetsOf,
    },
    ...scalable.map((resource) => ({
      resource,
      when: (old: KubeObject | undefined, object: KubeObject | undefined) =>
        old !== undefined && object !== undefined && sizeOf(old) !== sizeOf(object),
      keys: ({ metadata }: KubeObject, { lister }: ReconcileContext) =>
        lister<PodDisruptionBudget>(podDisruptionBudgets).list({ namespace: metadata.namespace }).map(keyOf),
    })),
  ],
  async reconcile(key, context) {
    const { client, clock, lister } = context;
    const budget = lister(podDisruptionBudgets).get(key);
    if (budget === undefined || budget.metadata.deletionTimestamp !== undefined) return;
    const now = clock.now();
    const some = lister<Pod>(pods)
      .list({ namespace: budget.metadata.namespace })
      .filter((pod) => selects(budget, pod) && isActive(pod));
    const expected = expectedOf(budget, some, context);
    tell(budget, some, expected, context);
    tellOfSpared(budget, some, now, context);
    const status = statusOf(budget, some, expected?.count, now);
    if (!equalJson(withoutTimes(status), withoutTimes(budget.status ?? {})))
      await client
        .update<PodDisruptionBudget>(podDisruptionBudgets, { ...budget, status }, { subresource: 'status' })
        .catch((error: unknown) => {
          if (!isStatusError(error, 'NotFound')) throw error;
        });
    const granted = Object.values(status.disruptedPods ?? {}).map((time) => Date.parse(time) + grantedFor - now);
    return granted.length > 0 ? { requeueAfter: Math.max(0, Math.min(...granted)) + 1 } : {};
  },
};

/** A pod that several select cannot be evicted at all: its author should know. */
function budgetsOf(pod: Pod, { lister, events }: ReconcileContext): string[] {
  const { namespace, name } = pod.metadata;
  const budgets = lister<PodDisruptionBudget>(podDisruptionBudgets)
    .list({ namespace })
    .filter((budget) => selects(budget, pod));
  if (budgets.length > 1 && isActive(pod)) {
    const names = budgets.map(({ metadata }) => `"${metadata.name}"`).toSorted();
    const message = `Pod "${namespace}"/"${name}" matches multiple PodDisruptionBudgets: ${names.join(', ')}`;
    events.event(pod, 'Warning', 'MultiplePodDisruptionBudgets', message);
  }
  return budgets.map(keyOf);
}

/** Pods whose eviction was granted, and that are still there. */
function tellOfSpared(budget: PodDisruptionBudget, some: readonly Pod[], now: number, context: ReconcileContext): void {
  const { metadata, status } = budget;
  for (const pod of some) {
    const time = status?.disruptedPods?.[pod.metadata.name!];
    if (time === undefined || Date.parse(time) + grantedFor > now) continue;
    const message = `Pod was expected by PDB ${metadata.namespace}/${metadata.name} to be deleted but it wasn't`;
    context.events.event(pod, 'Warning', 'NotDeleted', message);
  }
}

/** What makes the budget mean less than its author may think. */
function tell(
  budget: PodDisruptionBudget,
  some: readonly Pod[],
  expected: Expected | undefined,
  { events }: ReconcileContext,
): void {
  if (some.length === 0) events.event(budget, 'Normal', 'NoPods', 'No matching pods found');
  if (expected?.unmanaged === false) return;
  const [reason, message] = expected?.unmanaged
    ? [
        'UnmanagedPods',
        `pods that the selector ${JSON.stringify(budget.spec?.selector)} matches have no controller, so how many there should be cannot be told: set .spec.minAvailable to a number`,
      ]
    : [
        'CalculateExpectedPodCountFailed',
        'Failed to calculate the number of expected pods: a controller of theirs has no scale',
      ];
  events.event(budget, 'Warning', reason, message);
}

function shown({ metadata, status }: Pod): unknown {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  return {
    labels: metadata.labels,
    going: metadata.deletionTimestamp !== undefined,
    owners: metadata.ownerReferences,
    phase: status?.phase,
    ready,
  };
}

function selects({ spec }: PodDisruptionBudget, { metadata }: Pod): boolean {
  return labelSelectorAsSelector(spec?.selector).matches(metadata.labels);
}

function sizeOf(object: KubeObject): number {
  return (object as { spec?: { replicas?: number } }).spec?.replicas ?? 1;
}

interface Expected {
  readonly count: number;
  /** Some have no controller: they are not in the count. */
  readonly unmanaged: boolean;
}

/** How many pods there should be; undefined when nobody can tell. */
function expectedOf(
  { spec }: PodDisruptionBudget,
  some: readonly Pod[],
  { lister }: ReconcileContext,
): Expected | undefined {
  if (spec?.maxUnavailable === undefined && typeof spec?.minAvailable !== 'string')
    return { count: some.length, unmanaged: false };
  const managed = some.filter((pod) => controllerOf(pod) !== undefined);
  const owners = new Map<string, number>();
  for (const pod of managed) {
    let owner = ownerOf(pod, lister);
    if (owner === undefined) return undefined;
    if (owner.kind === 'ReplicaSet') owner = ownerOf(owner.object, lister) ?? owner;
    owners.set(owner.object.metadata.uid!, sizeOf(owner.object));
  }
  const count = [...owners.values()].reduce((total, size) => total + size, 0);
  return { count, unmanaged: managed.length < some.length };
}

function ownerOf(
  object: KubeObject,
  lister: ReconcileContext['lister'],
): { kind: string; object: KubeObject } | undefined {
  const reference = controllerOf(object);
  const resource = scalable.find(({ kind }) => kind === reference?.kind);
  if (reference === undefined || resource === undefined) return undefined;
  const found = lister<KubeObject>(resource).get(`${object.metadata.namespace}/${reference.name}`);
  return found?.metadata.uid === reference.uid ? { kind: resource.kind, object: found } : undefined;
}

type Status = NonNullable<PodDisruptionBudget['status']>;

/** `expected` undefined: then nothing may be ended. */
export function statusOf(
  budget: PodDisruptionBudget,
  some: readonly Pod[],
  expected: number | undefined,
  now: number,
): Status {
  const disruptedPods = Object.fromEntries(
    Object.entries(budget.status?.disruptedPods ?? {}).filter(
      ([name, time]) => some.some(({ metadata }) => metadata.name === name) && Date.parse(time) + grantedFor > now,
    ),
  );
  const currentHealthy = some.filter((pod) => isReady(pod) && disruptedPods[pod.metadata.name!] === undefined).length;
  const desiredHealthy = desiredOf(budget, expected ?? some.length);
  const disruptionsAllowed = expected === undefined || expected <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  const known = budget.status?.conditions?.find(({ type }) => type === 'DisruptionAllowed');
  const is = disruptionsAllowed > 0 ? 'True' : 'False';
  const reason = expected === undefined ? 'SyncFailed' : disruptionsAllowed > 0 ? 'SufficientPods' : 'InsufficientPods';
  const condition = {
    type: 'DisruptionAllowed',
    status: is,
    reason,
    message: expected === undefined ? 'some pods have no controller with a scale: use minAvailable with a number' : '',
    observedGeneration: budget.metadata.generation,
    lastTransitionTime: known?.status === is ? known.lastTransitionTime : formatTime(now),
  };
  return {
    observedGeneration: budget.metadata.generation,
    expectedPods: expected ?? some.length,
    currentHealthy,
    desiredHealthy,
    disruptionsAllowed,
    ...(Object.keys(disruptedPods).length > 0 && { disruptedPods }),
    conditions: [...(budget.status?.conditions ?? []).filter((one) => one !== known), condition],
  };
}

function desiredOf({ spec }: PodDisruptionBudget, expected: number): number {
  const share = (value: number | string) =>
    typeof value === 'number' ? value : Math.ceil((Number.parseInt(value, 10) * expected) / 100);
  if (spec?.maxUnavailable !== undefined) return Math.max(0, expected - share(spec.maxUnavailable));
  return share(spec?.minAvailable ?? 1);
}

function withoutTimes({ conditions = [], ...status }: Status): object {
  return {
    ...status,
    disruptedPods: status.disruptedPods ?? {},
    conditions: conditions.map((one) => ({ ...one, lastTransitionTime: undefined })),
  };
}
