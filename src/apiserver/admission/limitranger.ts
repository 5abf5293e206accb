/** What one container, pod or claim may ask for: defaults for those that do not say, and refusal outside of the range. */
import { type Amounts, type LimitRange, type Pod, podAmounts } from '../../api/index.ts';
import { type AnyObject, compareQuantities, quantityMilliValue, quantityValue } from '../../machinery/index.ts';
import type { AdmissionRequest, AdmissionStep } from '../registry/context.ts';
import { all, cacheOf, forbidden } from './lookup.ts';

const limitRanges = { group: '', version: 'v1', resource: 'limitranges' };
const annotation = 'kubernetes.io/limit-ranger';

type Item = NonNullable<LimitRange['spec']>['limits'][number];
type Container = NonNullable<Pod['spec']>['containers'][number];

export const limitRanger: AdmissionStep = {
  name: 'LimitRanger',
  resources: ['/pods', '/persistentvolumeclaims'],
  operations: ['CREATE', 'UPDATE'],
  admit(request) {
    if (request.call.served.kind.resource === 'pods' && concerns(request)) return setDefaults(request);
  },
  validate(request) {
    if (concerns(request)) return check(request);
  },
};

function concerns({ registry, call, operation, old }: AdmissionRequest): boolean {
  const isPod = call.served.kind.resource === 'pods';
  const resizes = isPod && call.subresource === 'resize';
  if (!resizes && (call.subresource !== '' || (isPod && operation === 'UPDATE'))) return false;
  if (old?.metadata.deletionTimestamp !== undefined) return false;
  const cache = cacheOf(registry, limitRanges);
  return cache instanceof Promise || cache.entries.size > 0;
}

async function itemsOf({ registry, call }: AdmissionRequest): Promise<Item[][]> {
  const ranges = (await all(registry, limitRanges, call.namespace)) as AnyObject[] as LimitRange[];
  return ranges.map(({ spec }) => spec?.limits ?? []);
}

async function setDefaults(request: AdmissionRequest): Promise<void> {
  const pod = request.object as AnyObject as Pod;
  for (const items of await itemsOf(request)) {
    const forContainers = items.filter(({ type }) => type === 'Container');
    const limits = Object.assign({}, ...forContainers.map((item) => item.default)) as Amounts;
    const requests = Object.assign({}, ...forContainers.map((item) => item.defaultRequest)) as Amounts;
    const set = [
      ...(pod.spec!.containers ?? []).flatMap((one) => fill(one, 'container', limits, requests)),
      ...(pod.spec!.initContainers ?? []).flatMap((one) => fill(one, 'init container', limits, requests)),
    ];
    if (set.length > 0) (pod.metadata.annotations ??= {})[annotation] = `LimitRanger plugin set: ${set.join('; ')}`;
  }
}

/** What was set, as the annotation tells it. */
function fill(container: Container, what: string, limits: Amounts, requests: Amounts): string[] {
  const set: string[] = [];
  for (const [part, defaults] of [
    ['requests', requests],
    ['limits', limits],
  ] as const) {
    const lacking = Object.keys(defaults).filter((name) => container.resources?.[part]?.[name] === undefined);
    if (lacking.length === 0) continue;
    const resources = (container.resources ??= {});
    for (const name of lacking) (resources[part] ??= {})[name] = defaults[name]!;
    set.push(`${lacking.toSorted().join(', ')} ${part.slice(0, -1)} for ${what} ${container.name}`);
  }
  return set;
}

async function check(request: AdmissionRequest): Promise<void> {
  const isPod = request.call.served.kind.resource === 'pods';
  for (const items of await itemsOf(request)) {
    const object = request.object!;
    const faults = items.flatMap((item) =>
      isPod ? podFaults(item, object as AnyObject as Pod) : claimFaults(item, object),
    );
    if (faults.length > 0) throw forbidden(request, aggregate(faults));
  }
}

/** Several errors as one, each once. */
function aggregate(faults: readonly string[]): string {
  const once = [...new Set(faults)];
  return once.length === 1 ? once[0]! : `[${once.join(', ')}]`;
}

interface Asked {
  readonly requests: Amounts;
  readonly limits: Amounts;
}

function podFaults(item: Item, pod: Pod): string[] {
  const { containers = [], initContainers = [] } = pod.spec!;
  if (item.type === 'Container')
    return [...containers, ...initContainers].flatMap(({ resources }) =>
      rangeFaults(item, { requests: resources?.requests ?? {}, limits: resources?.limits ?? {} }),
    );
  if (item.type !== 'Pod') return [];
  const whole = (part: 'requests' | 'limits') => podAmounts(pod, part, { withStatus: false, withOverhead: false });
  return rangeFaults(item, { requests: whole('requests'), limits: whole('limits') });
}

function rangeFaults(item: Item, { requests, limits }: Asked): string[] {
  return [
    ...Object.entries(item.min ?? {}).map(([name, least]) => tooLittle(item.type, name, least, requests, limits)),
    ...Object.entries(item.max ?? {}).map(([name, most]) => tooMuch(item.type, name, most, requests, limits)),
    ...Object.entries(item.maxLimitRequestRatio ?? {}).map(([name, most]) =>
      tooFar(item.type, name, most, requests[name], limits[name]),
    ),
  ].filter((fault) => fault !== '');
}

/** A claim has requests only. */
function claimFaults(item: Item, { spec }: AnyObject): string[] {
  if (item.type !== 'PersistentVolumeClaim') return [];
  const requests: Amounts = spec.resources?.requests ?? {};
  const above = ([name, most]: [string, string]): string => {
    const asked = requests[name];
    const rule = `maximum ${name} usage per ${item.type} is ${most}`;
    if (asked === undefined) return `${rule}.  No request is specified`;
    return compareQuantities(asked, most) > 0 ? `${rule}, but request is ${asked}` : '';
  };
  return [
    ...Object.entries(item.min ?? {}).map(([name, least]) => tooLittle(item.type, name, least, requests, {})),
    ...Object.entries(item.max ?? {}).map(above),
  ].filter((fault) => fault !== '');
}

function tooLittle(type: string, name: string, least: string, requests: Amounts, limits: Amounts): string {
  const rule = `minimum ${name} usage per ${type} is ${least}`;
  const [request, limit] = [requests[name], limits[name]];
  if (request === undefined) return `${rule}.  No request is specified`;
  if (compareQuantities(request, least) < 0) return `${rule}, but request is ${request}`;
  return limit !== undefined && compareQuantities(limit, least) < 0 ? `${rule}, but limit is ${limit}` : '';
}

function tooMuch(type: string, name: string, most: string, requests: Amounts, limits: Amounts): string {
  const rule = `maximum ${name} usage per ${type} is ${most}`;
  const [request, limit] = [requests[name], limits[name]];
  if (limit === undefined) return `${rule}.  No limit is specified`;
  if (compareQuantities(limit, most) > 0) return `${rule}, but limit is ${limit}`;
  return request !== undefined && compareQuantities(request, most) > 0 ? `${rule}, but request is ${request}` : '';
}

function tooFar(
  type: string,
  name: string,
  most: string,
  request: string | undefined,
  limit: string | undefined,
): string {
  const rule = `${name} max limit to request ratio per ${type} is ${most}`;
  if (request === undefined || quantityValue(request) === 0)
    return `${rule}, but no request is specified or request is 0`;
  if (limit === undefined || quantityValue(limit) === 0) return `${rule}, but no limit is specified or limit is 0`;
  const ratio = quantityMilliValue(limit) / quantityMilliValue(request);
  return ratio * 1000 > quantityMilliValue(most) ? `${rule}, but provided ratio is ${ratio.toFixed(6)}` : '';
}
