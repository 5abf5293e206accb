/** A polite deletion: refused while a disruption budget says that the pod cannot be spared. */
import { type AnyObject, cloneJson, formatTime, labelSelectorAsSelector, StatusError } from '../../machinery/index.ts';
import { all } from '../admission/lookup.ts';
import { type Answer, change, entryOf, type Registry, remove, type ResourceCall } from '../registry/index.ts';
import { admitted } from './admitted.ts';
import type { SubresourceContext } from './context.ts';

const budgets = { group: 'policy', version: 'v1', resource: 'poddisruptionbudgets' };
/** Seconds after which one may ask again; where a pod cannot be spared, nobody knows when. */
const beingProcessed = 10;

export async function evict({ registry }: SubresourceContext, call: ResourceCall): Promise<Answer> {
  const pod = (await entryOf(registry, call)).object;
  const body = await admitted(registry, call);
  const options = { ...call.options, ...body.deleteOptions };
  const needsPermission =
    !['Succeeded', 'Failed', 'Pending'].includes(pod.status?.phase) && !pod.metadata.deletionTimestamp;
  if (needsPermission) await spend(registry, call, pod);
  if (!pod.metadata.deletionTimestamp && !options.dryRun) await tell(registry, call);
  await remove(registry, { ...call, verb: 'delete', subresource: '', options, body: undefined });
  return {
    code: 201,
    object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } as never,
  };
}

/** Whoever made the pod learns that it did not fail by itself. */
async function tell(registry: Registry, call: ResourceCall): Promise<void> {
  const write = { ...call, subresource: 'status', verb: 'update' as const, body: undefined };
  const time = formatTime(registry.clock.now());
  await change(registry, write, {
    part: 'status',
    direct: true,
    make: (current) => {
      const next = cloneJson(current);
      next.status ??= {};
      const others = (next.status.conditions ?? []).filter(({ type }: AnyObject) => type !== 'DisruptionTarget');
      const why = { reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' };
      const condition = { type: 'DisruptionTarget', status: 'True', lastProbeTime: null, lastTransitionTime: time };
      next.status.conditions = [...others, { ...condition, ...why }];
      return next;
    },
  });
}

async function spend(registry: Registry, call: ResourceCall, pod: AnyObject): Promise<void> {
  const matching = (await all(registry, budgets)).filter(
    (budget) =>
      budget.metadata.namespace === call.namespace &&
      labelSelectorAsSelector(budget.spec.selector).matches(pod.metadata.labels ?? {}),
  );
  if (matching.length === 0) return;
  if (matching.length > 1)
    throw StatusError.internal(
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    );
  const budget = matching[0]!;
  const ready = pod.status?.conditions?.some((one: AnyObject) => one.type === 'Ready' && one.status === 'True');
  const healthyEnough = (budget.status?.currentHealthy ?? 0) >= (budget.status?.desiredHealthy ?? 0);
  if (!ready && (budget.spec.unhealthyPodEvictionPolicy === 'AlwaysAllow' || healthyEnough)) return;
  if (call.options.dryRun) return check(budget);
  const served = registry.resources.find(budgets.group, budgets.version, budgets.resource)!;
  const write = {
    ...call,
    served,
    name: budget.metadata.name!,
    subresource: 'status',
    verb: 'update' as const,
    body: undefined,
  };
  await change(registry, write, {
    part: 'status',
    make: (current) => {
      check(current);
      const next = cloneJson(current);
      next.status.disruptionsAllowed -= 1;
      (next.status.disruptedPods ??= {})[pod.metadata.name!] =
        new Date(registry.clock.now()).toISOString().slice(0, 19) + 'Z';
      return next;
    },
  });
}

function check(budget: AnyObject): void {
  const { status = {}, metadata } = budget;
  const tooMany = (message: string, retryAfter?: number) =>
    StatusError.tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", retryAfter, [
      { reason: 'DisruptionBudget', message },
    ]);
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0))
    throw tooMany(`The disruption budget ${metadata.name} is still being processed by the server.`, beingProcessed);
  if (!(status.disruptionsAllowed > 0))
    throw tooMany(
      `The disruption budget ${metadata.name} needs ${status.desiredHealthy ?? 0} healthy pods and has ${status.currentHealthy ?? 0} currently`,
    );
}
