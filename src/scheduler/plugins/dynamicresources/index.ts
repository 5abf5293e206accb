/**
 * Devices for the pods that claim some (KEP-4381): nodes that have them, and in `preBind` the claim's allocation and the pod's hold on it.
 * Late-bound devices are left alone.
 */
import {
  type AllocationResult,
  type DeviceClass,
  deviceClasses,
  type Pod,
  type ResourceClaim,
  resourceClaims,
  type ResourceSlice,
  resourceSlices,
} from '../../../api/index.ts';
import { isStatusError, type KubeObject } from '../../../machinery/index.ts';
import type { Cycle, Plugin, Rejection } from '../../framework.ts';
import type { Handle } from '../../handle.ts';
import type { NodeInfo } from '../../nodeinfo.ts';
import { matchesNodeSelector } from '../nodeaffinity.ts';
import { allocate } from './allocator.ts';
import { claimsOf } from './claims.ts';
import { completePools, reachableFrom } from './pools.ts';
import { type Select, selectorsWith } from './selectors.ts';
import { amountOf, countersLeft, type Use } from './stock.ts';

const name = 'DynamicResources';
const protection = 'resource.kubernetes.io/delete-protection';
const mostConsumers = 256;

interface State {
  readonly claims: readonly ResourceClaim[];
  readonly open: readonly ResourceClaim[];
  /** Allocated, and not usable on some node that was looked at. */
  readonly unavailable: Set<ResourceClaim>;
  slices?: readonly ResourceSlice[];
  use?: Use;
  left?: ReadonlyMap<string, bigint>;
  allocations?: ReadonlyMap<string, AllocationResult>;
}

const refuse = (reason: string): Rejection => ({ reason, unresolvable: true });

export const dynamicResources = (_args: unknown, handle: Handle): Plugin => {
  const claims = handle.watch<ResourceClaim>(resourceClaims, 'ResourceClaim');
  const slices = handle.watch<ResourceSlice>(resourceSlices, 'ResourceSlice');
  const classes = handle.watch<DeviceClass>(deviceClasses, 'DeviceClass');
  /** By the claim's uid: what an attempt means it to have, until the claim is seen to have it. */
  const assumed = new Map<string, AllocationResult>();
  const seen = ({ metadata, status }: ResourceClaim) => status?.allocation && assumed.delete(metadata.uid!);
  handle.informer<ResourceClaim>(resourceClaims).addHandler({
    onAdd: seen,
    onUpdate: (_old, claim) => void seen(claim),
    onDelete: ({ metadata }) => void assumed.delete(metadata.uid!),
  });
  let select: Select | undefined;
  let loading = false;
  const load = () => {
    if (loading) return;
    loading = true;
    void import('../../../machinery/cel/index.ts').then((cel) => {
      select = selectorsWith(cel);
      handle.recheck();
    });
  };
  const find = (cycle: Cycle, node: NodeInfo) => {
    const state = cycle.state.get(name) as State;
    for (const claim of state.claims) {
      const selector = claim.status?.allocation?.nodeSelector;
      if (!selector || matchesNodeSelector(selector, node.node)) continue;
      state.unavailable.add(claim);
      return refuse('resourceclaim not available on the node');
    }
    if (state.open.length === 0) return new Map<string, AllocationResult>();
    state.slices ??= completePools(slices.list());
    state.use ??= inUse(claims.list(), assumed);
    state.left ??= countersLeft(state.slices, state.use.taken);
    const world = {
      devices: reachableFrom(node.node, state.slices),
      use: state.use,
      left: state.left,
      shareID: () => handle.random.uuid(),
      classOf: (one: string) => classes.get(one),
      select: select!,
    };
    try {
      return allocate(state.open, world) ?? refuse('cannot allocate all claims');
    } catch (error) {
      return refuse((error as Error).message);
    }
  };
  return {
    name,
    preEnqueue(pod) {
      if (select !== undefined || !pod.spec.resourceClaims?.length) return undefined;
      load();
      return 'waiting for the language of device selectors to be loaded';
    },
    preFilter({ pod, state }) {
      if (!pod.spec.resourceClaims?.length) return 'skip';
      const found = claimsOf(pod, (key) => claims.get(key));
      if ('reason' in found) return refuse(found.reason);
      if (found.length === 0) return 'skip';
      for (const claim of found) {
        const reason = whyNot(claim, pod, assumed) ?? unknownClass(claim, (one) => classes.get(one) === undefined);
        if (reason !== undefined) return refuse(reason);
      }
      const open = found.filter(({ status }) => !status?.allocation);
      state.set(name, { claims: found, open, unavailable: new Set() } satisfies State);
      return undefined;
    },
    filter(cycle, node) {
      const found = find(cycle, node);
      return 'reason' in found ? found : undefined;
    },
    postFilter({ pod, state }) {
      const { unavailable } = (state.get(name) as State | undefined) ?? {};
      if (unavailable === undefined) return { message: 'no new claims to deallocate' };
      // one at a time: that may be enough
      const idle = Array.from(unavailable).find(({ status }) =>
        (status?.reservedFor ?? []).every(({ uid }) => uid === pod.metadata.uid),
      );
      if (idle === undefined) return { message: 'still not schedulable' };
      return { message: 'deallocation of ResourceClaim completed', work: () => deallocate(idle, handle) };
    },
    reserve(cycle, node) {
      const state = cycle.state.get(name) as State | undefined;
      if (state === undefined) return undefined;
      state.use = undefined;
      state.left = undefined;
      const found = find(cycle, node);
      if ('reason' in found) return found;
      state.allocations = found;
      for (const [uid, allocation] of found) assumed.set(uid, allocation);
      return undefined;
    },
    unreserve(cycle) {
      const state = cycle.state.get(name) as State | undefined;
      for (const uid of state?.allocations?.keys() ?? []) assumed.delete(uid);
    },
    async preBind(cycle) {
      const state = cycle.state.get(name) as State | undefined;
      for (const claim of state?.claims ?? [])
        await hold(claim, cycle.pod, state!.allocations?.get(claim.metadata.uid!), handle);
    },
    events: ['NodeAdd', 'NodeUpdate', 'ResourceClaim', 'ResourceSlice', 'DeviceClass', 'SelfUpdate'],
    helps: (pod, event, _old, object) => event !== 'ResourceClaim' || concerns(pod, object),
  };
};

/** A claim of its own, or one that may have given devices back. */
function concerns(pod: Pod, object: KubeObject | undefined): boolean {
  if (object === undefined || !(object as ResourceClaim).status?.allocation) return true;
  return object.metadata.namespace === pod.metadata.namespace;
}

function whyNot(
  { metadata, status }: ResourceClaim,
  pod: Pod,
  assumed: ReadonlyMap<string, unknown>,
): string | undefined {
  const { allocation, reservedFor = [] } = status ?? {};
  if (!allocation && assumed.has(metadata.uid!))
    return `resource claim ${metadata.namespace}/${metadata.name} is in the process of being allocated`;
  if (reservedFor.length >= mostConsumers && !reservedFor.some(({ uid }) => uid === pod.metadata.uid))
    return 'resourceclaim in use';
  return undefined;
}

function unknownClass({ spec, status }: ResourceClaim, isMissing: (name: string) => boolean): string | undefined {
  if (status?.allocation) return undefined;
  for (const { name: request, exactly, firstAvailable = [] } of spec.devices?.requests ?? []) {
    const asked = exactly
      ? [{ request, deviceClassName: exactly.deviceClassName }]
      : firstAvailable.map((sub) => ({ request: `${request}/${sub.name}`, deviceClassName: sub.deviceClassName }));
    const missing = asked.find(({ deviceClassName }) => isMissing(deviceClassName));
    if (missing) return `request ${missing.request}: device class ${missing.deviceClassName} does not exist`;
  }
  return undefined;
}

function inUse(all: readonly ResourceClaim[], assumed: ReadonlyMap<string, AllocationResult>): Use {
  const use: Use = { taken: new Set(), consumed: new Map() };
  const add = (allocation: AllocationResult | undefined) => {
    for (const { driver, pool, device, adminAccess, shareID, consumedCapacity } of allocation?.devices?.results ?? []) {
      if (adminAccess) continue;
      const id = `${driver}/${pool}/${device}`;
      if (shareID === undefined) use.taken.add(id);
      for (const [name, amount] of Object.entries((shareID && consumedCapacity) ?? {}))
        use.consumed.set(`${id} ${name}`, (use.consumed.get(`${id} ${name}`) ?? 0n) + amountOf(amount));
    }
  };
  for (const { status } of all) add(status?.allocation);
  for (const allocation of assumed.values()) add(allocation);
  return use;
}

/** What nobody uses is given back, so that it can be had elsewhere. Somebody who takes it meanwhile keeps it. */
async function deallocate(claim: ResourceClaim, { client }: Handle): Promise<void> {
  const { allocation: _allocation, reservedFor: _reservedFor, devices: _devices, ...status } = claim.status ?? {};
  try {
    await client.update<ResourceClaim>(resourceClaims, { ...claim, status }, { subresource: 'status' });
  } catch (error) {
    if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
  }
}

const tries = 5;

/** Writes what the claim gets, and that the pod has it. What another pod's claim got first is not written over. */
async function hold(
  known: ResourceClaim,
  pod: Pod,
  allocation: AllocationResult | undefined,
  { client }: Handle,
): Promise<void> {
  const { name: claimName, namespace } = known.metadata;
  const consumer = { resource: 'pods', name: pod.metadata.name!, uid: pod.metadata.uid! };
  for (let claim = known, left = tries; ; left--) {
    try {
      if (claim.metadata.uid !== known.metadata.uid || claim.metadata.deletionTimestamp)
        throw new Error(`resourceclaim "${claimName}" got deleted in the meantime`);
      if (allocation === undefined ? !claim.status?.allocation : claim.status?.allocation)
        throw new Error(
          `resourceclaim "${claimName}" got ${allocation ? 'allocated' : 'deallocated'} elsewhere in the meantime`,
        );
      const reservedFor = claim.status?.reservedFor ?? [];
      if (reservedFor.some(({ uid }) => uid === consumer.uid)) return;
      const finalizers = claim.metadata.finalizers ?? [];
      if (allocation && !finalizers.includes(protection))
        claim = await client.update<ResourceClaim>(resourceClaims, {
          ...claim,
          metadata: { ...claim.metadata, finalizers: [...finalizers, protection] },
        });
      const status = { ...claim.status, ...(allocation && { allocation }), reservedFor: [...reservedFor, consumer] };
      await client.update<ResourceClaim>(resourceClaims, { ...claim, status }, { subresource: 'status' });
      return;
    } catch (error) {
      if (!isStatusError(error, 'Conflict') || left <= 1) throw error;
      claim = await client.get<ResourceClaim>(resourceClaims, { namespace, name: claimName! });
    }
  }
}
