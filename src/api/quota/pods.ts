/** Pods in quotas: how many there are, and what they ask for until they end. */
import type { Pod } from '../gen/types.ts';
import type { Amounts } from './amounts.ts';
import type { QuotaEvaluator } from './evaluator.ts';
import { hasPodLevelResources, podAmounts } from './podamounts.ts';
import { isTerminating, podInScope } from './scopes.ts';

const countName = 'count/pods';
const native = new Set([
  countName,
  'pods',
  ...['cpu', 'memory', 'ephemeral-storage'].flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
]);
/** A quota of these wants every container to say how much it needs. */
const wanted = new Set(['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory']);

export const podEvaluator: QuotaEvaluator<Pod> = {
  handles: (operation, subresource, pod, old) => {
    if (subresource === 'resize') return operation === 'UPDATE';
    if (subresource !== '') return false;
    return operation === 'CREATE' || (operation === 'UPDATE' && isTerminating(pod) !== isTerminating(old!));
  },
  matching: (names) => names.filter((name) => native.has(name) || isHugePages(name) || isExtendedRequest(name)),
  inScope: podInScope,
  usage,
  missing,
};

function usage(pod: Pod, now: number): Amounts {
  const used: Amounts = { [countName]: '1' };
  if (hasEnded(pod, now)) return used;
  const requests = podAmounts(pod, 'requests', { withStatus: true, withOverhead: true });
  const limits = podAmounts(pod, 'limits', { withStatus: true, withOverhead: true });
  return Object.assign(used, chargesOf(requests, limits));
}

function chargesOf(requests: Amounts, limits: Amounts): Amounts {
  const charges: Amounts = { pods: '1' };
  for (const name of ['cpu', 'memory', 'ephemeral-storage']) {
    if (requests[name] !== undefined) charges[name] = charges[`requests.${name}`] = requests[name];
    if (limits[name] !== undefined) charges[`limits.${name}`] = limits[name];
  }
  for (const [name, amount] of Object.entries(requests)) {
    if (name.startsWith('hugepages-')) charges[name] = charges[`requests.${name}`] = amount;
    if (isExtended(name)) charges[`requests.${name}`] = amount;
  }
  return charges;
}

/** It ended, or should have by now and its node is not heard of. */
function hasEnded({ metadata, status }: Pod, now: number): boolean {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return true;
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return false;
  return now > Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000;
}

function missing(names: readonly string[], pod: Pod): string {
  if (hasPodLevelResources(pod)) return '';
  const required = names.filter((name) => wanted.has(name));
  const lacking = new Map<string, string[]>();
  for (const { name, resources } of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]) {
    const said = chargesOf(resources?.requests ?? {}, resources?.limits ?? {});
    for (const one of required) if (said[one] === undefined) lacking.set(one, [...(lacking.get(one) ?? []), name]);
  }
  if (lacking.size === 0) return '';
  const parts = [...lacking].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `must specify ${parts.map(([name, of]) => `${name} for: ${[...new Set(of)].toSorted().join(',')}`).join('; ')}`;
}

function isHugePages(name: string): boolean {
  return name.startsWith('hugepages-') || name.startsWith('requests.hugepages-');
}

const deviceClass = 'deviceclass.resource.kubernetes.io/';

function isNative(name: string): boolean {
  return !name.includes('/') || name.split('/', 1)[0]!.endsWith('kubernetes.io');
}

function isExtended(name: string): boolean {
  return (!isNative(name) && !name.startsWith('requests.')) || name.startsWith(deviceClass);
}

function isExtendedRequest(name: string): boolean {
  return name.startsWith('requests.') && (!isNative(name) || name.startsWith(`requests.${deviceClass}`));
}
