/**
 * Nothing is taken beyond the quotas of its namespace. What a request takes is written into `status.used` of every quota that it counts
 * against before the object is stored; requests of one namespace that come together share that write. Counting down is the quota controller's.
 */
import {
  type Amounts,
  addAmounts,
  equalAmounts,
  formatAmounts,
  maskAmounts,
  type QuotaEvaluator,
  quotaEvaluatorOf,
  quotaMatches,
  type ResourceQuota,
  subtractAmounts,
} from '../../api/index.ts';
import { type AnyObject, compareQuantities, StatusError } from '../../machinery/index.ts';
import { type CacheEntry, putOf } from '../cache/index.ts';
import type { AdmissionRequest, AdmissionStep, Registry } from '../registry/context.ts';
import { cacheOf, forbidden } from './lookup.ts';

const quotas = { group: '', version: 'v1', resource: 'resourcequotas' };
const attempts = 16;

interface Waiting {
  readonly request: AdmissionRequest;
  readonly evaluator: QuotaEvaluator;
  resolve(): void;
  reject(error: unknown): void;
}

export function resourceQuota(): AdmissionStep {
  /** By namespace: those that the next round takes. A namespace is there while its rounds go on. */
  const waiting = new Map<string, Waiting[]>();
  const join = (request: AdmissionRequest, evaluator: QuotaEvaluator) =>
    new Promise<void>((resolve, reject) => {
      const one = { request, evaluator, resolve, reject };
      const { namespace } = request.call;
      const others = waiting.get(namespace);
      if (others !== undefined) return void others.push(one);
      waiting.set(namespace, [one]);
      void rounds(request.registry, namespace, waiting);
    });
  return {
    name: 'ResourceQuota',
    operations: ['CREATE', 'UPDATE'],
    validate(request) {
      const { registry, call, operation, object, old } = request;
      const { kind } = call.served;
      if (call.namespace === '' || !kind.namespaced) return;
      const cache = cacheOf(registry, quotas);
      if (!(cache instanceof Promise) && cache.entries.size === 0) return;
      const evaluator = quotaEvaluatorOf(kind.group, kind.resource);
      if (evaluator.handles(operation, call.subresource, object, old)) return join(request, evaluator);
    },
  };
}

async function rounds(registry: Registry, namespace: string, waiting: Map<string, Waiting[]>): Promise<void> {
  for (;;) {
    // those that come in the same turn share the round
    await Promise.resolve();
    const round = waiting.get(namespace)!;
    if (round.length === 0) break;
    waiting.set(namespace, []);
    try {
      await reserve(registry, namespace, round);
    } catch (error) {
      for (const one of round) one.reject(error);
    }
  }
  waiting.delete(namespace);
}

/** What is to be written of one quota. */
interface Running {
  readonly entry: CacheEntry;
  readonly quota: ResourceQuota;
  used: Amounts;
}

async function reserve(registry: Registry, namespace: string, round: Waiting[]): Promise<void> {
  let left = round;
  for (let attempt = 1; left.length > 0; attempt++) {
    const running = await quotasOf(registry, namespace);
    const granted: Waiting[] = [];
    for (const one of left) {
      try {
        if (take(one, running, registry.clock.now())) granted.push(one);
        else one.resolve();
      } catch (error) {
        one.reject(error);
      }
    }
    const changed = running.filter(({ quota, used }) => !equalAmounts(used, quota.status?.used));
    if (changed.length === 0 || (await write(registry, changed))) {
      for (const one of granted) one.resolve();
      return;
    }
    if (attempt === attempts)
      throw StatusError.conflict(
        quotas,
        changed[0]!.quota.metadata.name!,
        'its use changes too fast; please try again',
      );
    left = granted;
  }
}

async function quotasOf(registry: Registry, namespace: string): Promise<Running[]> {
  const { entries } = await cacheOf(registry, quotas);
  const { prefix } = registry.resources.find(quotas.group, quotas.version, quotas.resource)!;
  const start = `${prefix}${namespace}/`;
  return Array.from(entries.range(start, `${start}\uffff`), (entry) => {
    const quota = entry.object as AnyObject as ResourceQuota;
    return { entry, quota, used: quota.status?.used ?? {} };
  });
}

/** All changed quotas or none; false when somebody else wrote one of them. */
async function write({ store }: Registry, changed: readonly Running[]): Promise<boolean> {
  const result = await store.txn({
    compare: changed.map(({ entry }) => ({ key: entry.key, modRevision: entry.revision })),
    writes: changed.map(({ entry, quota, used }) => {
      const next = { ...quota, metadata: { ...quota.metadata }, status: { ...quota.status, used } } as AnyObject;
      return putOf(entry.key, next, entry);
    }),
  });
  return result.ok;
}

/**
 * Adds what the request takes to the running sums; false when that is nothing, or nothing is to be written.
 * @throws `Forbidden` when it is too much, when the object does not say what a quota wants to know, or when a quota was never counted.
 */
function take({ request, evaluator }: Waiting, running: readonly Running[], now: number): boolean {
  const { call, operation, object, old } = request;
  const concerned = running.filter(({ quota }) => {
    const hard = Object.keys(quota.status?.hard ?? {});
    if (!quotaMatches(evaluator, quota, hard, object)) return false;
    const names = evaluator.matching(hard);
    const missing = evaluator.missing?.(names, object) ?? '';
    if (missing !== '') throw forbidden(request, `failed quota: ${quota.metadata.name}: ${missing}`);
    if (names.some((name) => quota.status?.used?.[name] === undefined))
      throw forbidden(
        request,
        `status unknown for quota: ${quota.metadata.name}, resources: ${names.toSorted().join(',')}`,
      );
    return true;
  });
  if (concerned.length === 0) return false;
  const usage = evaluator.usage(object, now);
  const negative = Object.keys(usage).filter((name) => compareQuantities(usage[name]!, '0') < 0);
  if (negative.length > 0)
    throw forbidden(request, `quota usage is negative for resource(s): ${negative.toSorted().join(',')}`);
  const before = operation === 'UPDATE' ? evaluator.usage(old, now) : undefined;
  const sums = concerned.map((one) => {
    const hard = one.quota.status!.hard!;
    const counted = before !== undefined && quotaMatches(evaluator, one.quota, Object.keys(hard), old);
    const more = counted ? subtractAmounts(usage, before) : usage;
    const names = Object.keys(hard).filter(
      (name) => more[name] !== undefined && compareQuantities(more[name], '0') > 0,
    );
    const requested = maskAmounts(more, names);
    const used = addAmounts(one.used, requested);
    if (call.subresource !== 'status') refuseExcess(request, one, requested, used);
    return { one, used, more: names.length > 0 };
  });
  if (call.options.dryRun) return false;
  for (const { one, used } of sums) one.used = used;
  return sums.some(({ more }) => more);
}

function refuseExcess(request: AdmissionRequest, { quota, used }: Running, requested: Amounts, sum: Amounts): void {
  const hard = quota.status!.hard!;
  const exceeded = Object.keys(requested).filter((name) => compareQuantities(sum[name]!, hard[name]!) > 0);
  if (exceeded.length === 0) return;
  const of = (amounts: Amounts) => formatAmounts(maskAmounts(amounts, exceeded));
  throw forbidden(
    request,
    `exceeded quota: ${quota.metadata.name}, requested: ${of(requested)}, used: ${of(used)}, limited: ${of(hard)}`,
  );
}
