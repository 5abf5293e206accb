/** Pods whose devices have a taint that ends them (KEP-5055): they go when the toleration in their claim's allocation is over. */
import {
  type DeviceRequestAllocationResult,
  type DeviceTaint,
  type DeviceToleration,
  type Pod,
  pods,
  type ResourceClaim,
  resourceClaims,
  type ResourceSlice,
  resourceSlices,
} from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import { equalJson, keyOf } from '../../machinery/index.ts';
import { disrupt } from '../disruption.ts';

export function deviceTaintEviction(): Controller<ResourceClaim> {
  /** When each taint without a time of its own was first seen here. */
  const seen = new Map<string, number>();
  return {
    name: 'device-taint-eviction-controller',
    for: resourceClaims,
    when: (old, claim) => !equalJson(old?.status, claim?.status),
    reads: [pods],
    watches: [
      {
        resource: resourceSlices,
        keys: claimsOf,
        when: (old, slice) => !equalJson(taintsIn(old), taintsIn(slice)),
      },
    ],
    async reconcile(key, context) {
      const claim = context.lister<ResourceClaim>(resourceClaims).get(key);
      const results = claim?.status?.allocation?.devices?.results ?? [];
      if (claim === undefined || !claim.status?.reservedFor?.length || results.length === 0) return;
      const now = context.clock.now();
      const end = Math.min(
        ...results.flatMap((result) =>
          taintsOf(result, context).map((taint) => endOf(taint, result.tolerations, since(seen, result, taint, now))),
        ),
      );
      if (end > now) return Number.isFinite(end) ? { requeueAfter: end - now } : {};
      await evictAll(claim, context);
    },
  };
}

function taintsIn(slice: ResourceSlice | undefined): [string, DeviceTaint][] {
  return (slice?.spec.devices ?? []).flatMap(({ name, taints = [] }) =>
    taints.filter(({ effect }) => effect === 'NoExecute').map((taint): [string, DeviceTaint] => [name, taint]),
  );
}

function claimsOf({ spec }: ResourceSlice, { lister }: ReconcileContext): string[] {
  const has = ({ status }: ResourceClaim) =>
    status?.allocation?.devices?.results?.some(({ driver, pool }) => driver === spec.driver && pool === spec.pool.name);
  return lister<ResourceClaim>(resourceClaims).list().filter(has).map(keyOf);
}

/** Of the pool's newest generation: what an older one says is over. */
function taintsOf(
  { driver, pool, device }: DeviceRequestAllocationResult,
  { lister }: ReconcileContext,
): DeviceTaint[] {
  const all = lister<ResourceSlice>(resourceSlices)
    .list()
    .filter(({ spec }) => spec.driver === driver && spec.pool.name === pool);
  const newest = Math.max(...all.map(({ spec }) => spec.pool.generation));
  return all
    .filter(({ spec }) => spec.pool.generation === newest)
    .flatMap((slice) => taintsIn(slice).flatMap(([name, taint]) => (name === device ? [taint] : [])));
}

function since(
  seen: Map<string, number>,
  { driver, pool, device }: DeviceRequestAllocationResult,
  { key, value = '', timeAdded }: DeviceTaint,
  now: number,
): number {
  if (timeAdded !== undefined) return Date.parse(timeAdded);
  const id = `${driver}/${pool}/${device} ${key}=${value}`;
  if (!seen.has(id)) seen.set(id, now);
  return seen.get(id)!;
}

/** When who has the device must go; infinite when never. */
export function endOf(taint: DeviceTaint, tolerations: readonly DeviceToleration[] = [], from: number): number {
  const tolerating = tolerations.filter(
    ({ effect, key, operator = 'Equal', value = '' }) =>
      (!effect || effect === taint.effect) &&
      (!key || key === taint.key) &&
      (operator === 'Exists' || (!!key && value === (taint.value ?? ''))),
  );
  if (tolerating.length === 0) return from;
  const limits = tolerating.flatMap(({ tolerationSeconds }) =>
    tolerationSeconds === undefined ? [] : [Math.max(0, tolerationSeconds)],
  );
  return limits.length === 0 ? Number.POSITIVE_INFINITY : from + Math.min(...limits) * 1000;
}

async function evictAll({ metadata, status }: ResourceClaim, context: ReconcileContext): Promise<void> {
  for (const { resource, name, uid } of status!.reservedFor!) {
    const pod = context.lister<Pod>(pods).get(`${metadata.namespace}/${name}`);
    if (resource !== 'pods' || pod?.metadata.uid !== uid || pod.metadata.deletionTimestamp !== undefined) continue;
    context.events.event(pod, 'Normal', 'DeviceTaintManagerEviction', 'Marking for deletion');
    await disrupt(
      pod,
      {
        reason: 'DeletionByDeviceTaintManager',
        message: 'Device Taint manager: deleting due to NoExecute taint',
      },
      context,
    );
  }
}
