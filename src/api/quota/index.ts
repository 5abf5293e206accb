/**
 * What objects weigh on the quotas of their namespace: pure arithmetic over kinds, shared by the admission that keeps quotas and the controller
 * that counts anew.
 */
import { canonicalQuantity, quantityValue } from '../../machinery/index.ts';
import type { PersistentVolumeClaim, ResourceQuota, Service } from '../gen/types.ts';
import { type Amounts, addAmounts } from './amounts.ts';
import type { QuotaEvaluator } from './evaluator.ts';
import { podEvaluator } from './pods.ts';
import { attributesClassesOf, claimInScope, scopesOf } from './scopes.ts';

/** The name that a quota counts the objects of a resource by. */
export function objectCountName(group: string, resource: string): string {
  return group === '' ? `count/${resource}` : `count/${resource}.${group}`;
}

const byClass = '.storageclass.storage.k8s.io/';
const claimNames = ['persistentvolumeclaims', 'requests.storage'];

const claims: QuotaEvaluator<PersistentVolumeClaim> = {
  handles: (operation, subresource, claim, old) => {
    if (subresource === '') return operation === 'CREATE' || operation === 'UPDATE';
    return subresource === 'status' && operation === 'UPDATE' && changesAllotment(claim, old!);
  },
  matching: (names) =>
    names.filter(
      (name) =>
        name === 'count/persistentvolumeclaims' ||
        claimNames.some((one) => name === one || name.endsWith(byClass + one)),
    ),
  inScope: claimInScope,
  usage: (claim) => {
    const used: Amounts = { persistentvolumeclaims: '1', 'count/persistentvolumeclaims': '1' };
    const storageClass =
      claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? claim.spec?.storageClassName;
    const storage = storageOf(claim);
    if (storage !== undefined) used['requests.storage'] = storage;
    if (!storageClass) return used;
    used[`${storageClass}${byClass}persistentvolumeclaims`] = '1';
    if (storage !== undefined) used[`${storageClass}${byClass}requests.storage`] = storage;
    return used;
  },
};

function changesAllotment(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): boolean {
  if (claim.status?.allocatedResources?.storage !== old.status?.allocatedResources?.storage) return true;
  return attributesClassesOf(claim).toSorted().join() !== attributesClassesOf(old).toSorted().join();
}

/** Whole bytes: the greater of what is asked and what is allotted. */
function storageOf({ spec, status }: PersistentVolumeClaim): string | undefined {
  const asked = spec?.resources?.requests?.storage;
  if (asked === undefined) return undefined;
  const allotted = status?.allocatedResources?.storage;
  const more = allotted !== undefined && quantityValue(allotted) > quantityValue(asked) ? allotted : asked;
  return canonicalQuantity(more)?.endsWith('m') ? String(quantityValue(more)) : more;
}

const serviceNames = new Set(['count/services', 'services', 'services.nodeports', 'services.loadbalancers']);

const services: QuotaEvaluator<Service> = {
  handles: (operation, subresource) => subresource === '' && (operation === 'CREATE' || operation === 'UPDATE'),
  matching: (names) => names.filter((name) => serviceNames.has(name)),
  inScope: () => false,
  usage: ({ spec }) => {
    const ports = spec?.ports ?? [];
    const balanced = spec?.type === 'LoadBalancer';
    const named = balanced && spec?.allocateLoadBalancerNodePorts === false;
    const nodePorts = named ? ports.filter((port) => port.nodePort).length : ports.length;
    return {
      'count/services': '1',
      services: '1',
      'services.loadbalancers': balanced ? '1' : '0',
      'services.nodeports': balanced || spec?.type === 'NodePort' ? String(nodePorts) : '0',
    };
  },
};

/** Names from before every resource could be counted. */
const aliases = new Set(['configmaps', 'resourcequotas', 'replicationcontrollers', 'secrets']);
const special: Readonly<Record<string, QuotaEvaluator>> = {
  pods: podEvaluator,
  services,
  persistentvolumeclaims: claims,
};
const known = new Map<string, QuotaEvaluator>();

/** How objects of the resource weigh on quotas; of most, only how many there are. */
export function quotaEvaluatorOf(group: string, resource: string): QuotaEvaluator {
  if (group === '' && Object.hasOwn(special, resource)) return special[resource]!;
  const name = objectCountName(group, resource);
  let found = known.get(name);
  if (found === undefined) {
    found = counting(group === '' && aliases.has(resource) ? [name, resource] : [name]);
    known.set(name, found);
  }
  return found;
}

function counting(counted: readonly string[]): QuotaEvaluator {
  const used = Object.freeze(Object.fromEntries(counted.map((name) => [name, '1'])));
  return {
    handles: (operation, subresource) => operation === 'CREATE' && subresource === '',
    matching: (names) => names.filter((name) => counted.includes(name)),
    inScope: () => false,
    usage: () => used,
  };
}

/** Whether a quota that limits these names is about an object. */
export function quotaMatches(
  evaluator: QuotaEvaluator,
  quota: ResourceQuota,
  hard: readonly string[],
  object: unknown,
): boolean {
  return evaluator.matching(hard).length > 0 && scopesOf(quota).every((scope) => evaluator.inScope(scope, object));
}

/** What objects of one resource use together, of a quota's scopes; 0 for what none of them uses. */
export function usageOf(
  evaluator: QuotaEvaluator,
  quota: ResourceQuota,
  objects: Iterable<unknown>,
  now: number,
): Amounts {
  const names = evaluator.matching(Object.keys(quota.spec?.hard ?? {}));
  const scopes = scopesOf(quota);
  let used: Amounts = Object.fromEntries(names.map((name) => [name, '0']));
  for (const object of objects) {
    if (!scopes.every((scope) => evaluator.inScope(scope, object))) continue;
    const own = evaluator.usage(object, now);
    const counted: Amounts = {};
    for (const name of names) if (own[name] !== undefined) counted[name] = own[name];
    used = addAmounts(used, counted);
  }
  return used;
}

export * from './amounts.ts';
export { type PodAmountsOptions, hasPodLevelResources, podAmounts } from './podamounts.ts';
export type { QuotaEvaluator } from './evaluator.ts';
