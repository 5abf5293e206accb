/**
 * Counts what the objects of a namespace use of its quotas: when a quota is made or changes, when an object goes or comes to use less, and
 * from time to time. What new objects take, admission has counted already.
 */
import {
  type Amounts,
  type CustomResourceDefinition,
  customResourceDefinitions,
  equalAmounts,
  maskAmounts,
  objectCountName,
  type Pod,
  quotaEvaluatorOf,
  type ResourceQuota,
  resourceQuotas,
  usageOf,
} from '../api/index.ts';
import type { Controller, ReconcileContext, Watched } from '../client/index.ts';
import { type AnyObject, equalJson, keyOf, type Resource } from '../machinery/index.ts';
import { resourcesWith } from './resources.ts';

const everySoOften = 5 * 60_000;
/** Custom objects are not watched: their number is asked for. */
const customEvery = 10_000;
const uncounted = new Set(['/events', 'events.k8s.io/events']);

const counted: readonly Resource[] = resourcesWith('create', 'list', 'watch', 'delete').filter(
  ({ group, resource, namespaced }) => namespaced && !uncounted.has(`${group}/${resource}`),
);

export const resourceQuotaController: Controller<ResourceQuota> = {
  name: 'resourcequota-controller',
  for: resourceQuotas,
  when: (old, quota) => quota !== undefined && (old === undefined || !equalJson(old.spec, quota.spec)),
  reads: [customResourceDefinitions],
  watches: counted.map(watched),
  async reconcile(key, context) {
    const quota = context.lister<ResourceQuota>(resourceQuotas).get(key);
    if (quota === undefined || quota.metadata.deletionTimestamp !== undefined) return;
    const hard = quota.spec?.hard ?? {};
    const names = Object.keys(hard);
    const fresh: Amounts = {};
    for (const resource of counted) {
      const evaluator = quotaEvaluatorOf(resource.group, resource.resource);
      if (evaluator.matching(names).length === 0) continue;
      const objects = context.lister<AnyObject>(resource).list({ namespace: quota.metadata.namespace });
      Object.assign(fresh, usageOf(evaluator, quota, objects, context.clock.now()));
    }
    const custom = await customCounts(quota, names, context);
    const used = maskAmounts({ ...quota.status?.used, ...fresh, ...custom }, names);
    const { status } = quota;
    if (!equalJson(status?.hard, hard) || !equalAmounts(used, status?.used))
      await context.client.update(resourceQuotas, { ...quota, status: { hard, used } }, { subresource: 'status' });
    return { requeueAfter: names.some(isCustom) ? customEvery : everySoOften };
  },
};

function watched(resource: Resource): Watched<AnyObject> {
  const evaluator = quotaEvaluatorOf(resource.group, resource.resource);
  return {
    resource,
    when: (old, object) => object === undefined || (old !== undefined && usesOtherwise(resource, old, object)),
    keys: ({ metadata }, { lister }) =>
      lister<ResourceQuota>(resourceQuotas)
        .list({ namespace: metadata.namespace })
        .filter((quota) => evaluator.matching(Object.keys(quota.spec?.hard ?? {})).length > 0)
        .map(keyOf),
  };
}

/** Whether the object may have come to use less, or something that admission does not see. */
function usesOtherwise({ group, resource }: Resource, old: AnyObject, object: AnyObject): boolean {
  if (group !== '') return false;
  if (resource === 'pods') return hasEnded(object as Pod) && !hasEnded(old as Pod);
  if (resource === 'services')
    return old.spec?.type !== object.spec?.type || !equalJson(old.spec?.ports, object.spec?.ports);
  if (resource === 'persistentvolumeclaims')
    return !equalJson(old.spec, object.spec) || !equalJson(old.status, object.status);
  return false;
}

function hasEnded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

const builtIn = new Set(counted.map(({ group, resource }) => objectCountName(group, resource)));

/** Also of kinds that there are not yet. */
function isCustom(name: string): boolean {
  return name.startsWith('count/') && !builtIn.has(name);
}

/** How many custom objects there are of those that the quota counts. */
async function customCounts(
  { metadata }: ResourceQuota,
  names: readonly string[],
  { client, lister }: ReconcileContext,
): Promise<Amounts> {
  const counts: Amounts = {};
  for (const name of names) {
    if (!isCustom(name)) continue;
    const definition = lister<CustomResourceDefinition>(customResourceDefinitions).get(name.slice('count/'.length));
    const version = definition?.spec.versions.find(({ served }) => served)?.name;
    if (definition === undefined || version === undefined || definition.spec.scope !== 'Namespaced') continue;
    const { group, names: named } = definition.spec;
    const resource = { group, version, resource: named.plural, kind: named.kind, namespaced: true };
    if (objectCountName(group, named.plural) !== name) continue;
    const list = await client.list(resource, { namespace: metadata.namespace, limit: 1 });
    counts[name] = String(list.items.length + (list.metadata.remainingItemCount ?? 0));
  }
  return counts;
}
