/**
 * Pods keep to the Pod Security Standard that their namespace's labels name: `enforce` refuses them, `warn` and `audit` only tell. What makes
 * pods (Deployments and the like) is never refused. Without labels everything is allowed, and nobody is exempt.
 */
import { type AnyObject, controllerOf, equalJson, StatusError } from '../../../machinery/index.ts';
import type { AdmissionRequest, AdmissionStep } from '../../registry/context.ts';
import { all, forbidden, lookup } from '../lookup.ts';
import type { Container, Fault, PodLike } from './fault.ts';
import { formatLevel, isStricter, type LevelVersion, minorOf, type Policy, policyOf } from './policy.ts';
import { faultsOf } from './standards.ts';

const namespaces = { group: '', version: 'v1', resource: 'namespaces' };
const pods = { group: '', version: 'v1', resource: 'pods' };
const annotations = 'pod-security.kubernetes.io/';
const mostPods = 3000;
const unseen = new Set(['exec', 'attach', 'binding', 'eviction', 'log', 'portforward', 'proxy', 'status']);

const templates: Readonly<Record<string, (object: AnyObject) => PodLike | undefined>> = {
  __proto__: null as never,
  '/podtemplates': (object) => object.template,
  'batch/cronjobs': (object) => object.spec?.jobTemplate?.spec?.template,
};
const makers = [
  '/replicationcontrollers',
  '/podtemplates',
  'apps/replicasets',
  'apps/deployments',
  'apps/statefulsets',
  'apps/daemonsets',
  'batch/jobs',
  'batch/cronjobs',
];

export const podSecurity: AdmissionStep = {
  name: 'PodSecurity',
  resources: ['/namespaces', '/pods', ...makers],
  operations: ['CREATE', 'UPDATE'],
  validate(request) {
    const { call } = request;
    const { kind } = call.served;
    if (kind.group === '' && kind.resource === 'namespaces') return checkNamespace(request);
    if (kind.group === '' && kind.resource === 'pods') return checkPod(request);
    return call.subresource === '' ? checkMaker(request) : undefined;
  },
};

async function checkPod(request: AdmissionRequest): Promise<void> {
  const { call, object, old, operation } = request;
  if (unseen.has(call.subresource)) return;
  const { policy, causes } = await policyFor(request);
  if (causes.length === 0 && isPrivileged(policy)) return;
  if (operation === 'UPDATE' && !changesContainers(object!, old!)) return;
  if (causes.length > 0) tellMistake(request, causes);
  call.annotate?.(`${annotations}enforce-policy`, formatLevel(policy.enforce));
  const faults = check(policy.enforce, object as PodLike);
  audit(request, policy, object as PodLike);
  if (faults.length > 0)
    throw forbidden(request, `violates PodSecurity ${JSON.stringify(formatLevel(policy.enforce))}: ${told(faults)}`);
  warn(request, policy, object as PodLike);
}

async function checkMaker(request: AdmissionRequest): Promise<void> {
  const { policy, causes } = await policyFor(request);
  if (causes.length === 0 && policy.warn.level === 'privileged' && policy.audit.level === 'privileged') return;
  const { kind } = request.call.served;
  const find = templates[`${kind.group}/${kind.resource}`] ?? ((object: AnyObject) => object.spec?.template);
  const template = find(request.object!);
  if (template?.spec === undefined) return;
  if (causes.length > 0) tellMistake(request, causes);
  audit(request, policy, template);
  warn(request, policy, template);
}

async function policyFor({ registry, call }: AdmissionRequest): Promise<ReturnType<typeof policyOf>> {
  const namespace = await lookup(registry, namespaces, '', call.namespace);
  if (namespace === undefined)
    throw StatusError.internal(`failed to lookup namespace ${JSON.stringify(call.namespace)}`);
  return policyOf(namespace.metadata.labels);
}

function tellMistake({ call }: AdmissionRequest, causes: readonly { field?: string; message?: string }[]): void {
  const list = causes.map(({ field, message }) => `${field}: ${message}`);
  call.annotate?.(`${annotations}error`, `Failed to parse policy: ${list.join(', ')}`);
}

function isPrivileged({ enforce, audit, warn }: Policy): boolean {
  return [enforce, audit, warn].every(({ level }) => level === 'privileged');
}

function check(asked: LevelVersion, pod: PodLike): Fault[] {
  return faultsOf(asked.level, minorOf(asked), pod);
}

function told(faults: readonly Fault[]): string {
  return faults.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ');
}

function wouldViolate(asked: LevelVersion, faults: readonly Fault[]): string {
  return `would violate PodSecurity ${JSON.stringify(formatLevel(asked))}: ${told(faults)}`;
}

function audit({ call }: AdmissionRequest, { audit: asked }: Policy, pod: PodLike): void {
  if (call.annotate === undefined) return;
  const faults = check(asked, pod);
  if (faults.length > 0) call.annotate(`${annotations}audit-violations`, wouldViolate(asked, faults));
}

function warn({ call }: AdmissionRequest, { warn: asked }: Policy, pod: PodLike): void {
  const faults = check(asked, pod);
  if (faults.length > 0) call.warn(wouldViolate(asked, faults));
}

/** Of a stored pod, only images change, and ephemeral containers come. */
function changesContainers(pod: AnyObject, old: AnyObject): boolean {
  const images = ({ spec }: AnyObject) =>
    [spec.initContainers ?? [], spec.containers].map((list: Container[]) => list.map(({ image }) => image));
  if (!equalJson(images(pod), images(old))) return true;
  const before = new Map((old.spec.ephemeralContainers ?? []).map((one: Container) => [one.name, one.image]));
  return (pod.spec.ephemeralContainers ?? []).some((one: Container) => before.get(one.name) !== one.image);
}

async function checkNamespace(request: AdmissionRequest): Promise<void> {
  const { call, object, old, operation } = request;
  if (call.subresource !== '') return;
  const { policy, causes } = policyOf(object!.metadata.labels);
  const before = operation === 'UPDATE' ? policyOf(old!.metadata.labels) : undefined;
  if (causes.length > 0 && !equalJson(causes, before?.causes))
    throw StatusError.invalid(call.served.kind, call.name || object!.metadata.name!, causes);
  if (before === undefined) return;
  const [now, was] = [policy.enforce, before.policy.enforce];
  if (now.level === 'privileged' || (now.version === was.version && !isStricter(now.level, was.level))) return;
  for (const warning of await violations(request, now)) call.warn(warning);
}

/** What the pods that are there already would be refused for: those of different owners first. */
async function violations({ registry, object }: AdmissionRequest, asked: LevelVersion): Promise<string[]> {
  const namespace = object!.metadata.name!;
  const some = prioritized(await all(registry, pods, namespace));
  const byReason = new Map<string, string[]>();
  for (const pod of some.slice(0, mostPods)) {
    const faults = check(asked, pod as PodLike);
    if (faults.length === 0) continue;
    const reason = faults.map((fault) => fault.reason).join(', ');
    byReason.set(reason, [...(byReason.get(reason) ?? []), pod.metadata.name!]);
  }
  const warnings: string[] = [];
  if (some.length > mostPods)
    warnings.push(
      `new PodSecurity enforce level only checked against the first ${mostPods} of ${some.length} existing pods`,
    );
  if (byReason.size > 0)
    warnings.push(
      `existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level ${JSON.stringify(formatLevel(asked))}`,
    );
  return [...warnings, ...Array.from(byReason, ([reason, names]) => `${someOf(names)}: ${reason}`).toSorted()];
}

function someOf(names: readonly string[]): string {
  const first = names.toSorted()[0]!;
  const others = names.length - 1;
  if (others === 0) return first;
  return `${first} (and ${others} other ${others === 1 ? 'pod' : 'pods'})`;
}

function prioritized(list: readonly AnyObject[]): AnyObject[] {
  const owners = new Set<string>();
  const [first, rest]: [AnyObject[], AnyObject[]] = [[], []];
  for (const pod of list) {
    const owner = controllerOf(pod)?.uid;
    (owner !== undefined && owners.has(owner) ? rest : first).push(pod);
    if (owner !== undefined) owners.add(owner);
  }
  return [...first, ...rest];
}
