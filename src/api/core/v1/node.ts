import {
  cause,
  type StatusCause,
  equalJson,
  qualifiedNameProblems,
  labelValueProblems,
} from '../../../machinery/index.ts';
import { ageColumn, nameColumn, orNone, text, wide } from '../../columns.ts';
import type { Node } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { cidr, each, named, oneOf } from '../../rules.ts';
import { taintEffects } from './podscheduling.ts';
import { roundToMillis } from './podspec.ts';

export const node: Override<Node> = {
  selectableFields: { 'spec.unschedulable': (object) => String(object.spec?.unschedulable ?? false) },
  default({ status }) {
    if (!status) return;
    if (status.capacity && !status.allocatable) status.allocatable = { ...status.capacity };
    for (const list of [status.capacity, status.allocatable]) if (list) roundToMillis(list);
  },
  validate: (object, old) => [
    ...validateTaints(object),
    ...each('spec.podCIDRs', object.spec?.podCIDRs, (range, at) => cidr(at, range)),
    ...(old ? keeps(object, old) : []),
  ],
  columns: [
    nameColumn,
    text('Status', status),
    text('Roles', roles),
    ageColumn,
    text('Version', (object: Node) => object.status?.nodeInfo?.kubeletVersion ?? ''),
    wide('Internal-IP', (object: Node) => orNone(address(object, 'InternalIP'))),
    wide('External-IP', (object: Node) => orNone(address(object, 'ExternalIP'))),
    wide('OS-Image', (object: Node) => object.status?.nodeInfo?.osImage || '<unknown>'),
    wide('Kernel-Version', (object: Node) => object.status?.nodeInfo?.kernelVersion || '<unknown>'),
    wide('Container-Runtime', (object: Node) => object.status?.nodeInfo?.containerRuntimeVersion || '<unknown>'),
  ],
};

function validateTaints({ spec }: Node): StatusCause[] {
  const seen = new Set<string>();
  return each('spec.taints', spec?.taints, (taint, at) => {
    const causes = named(`${at}.key`, taint.key, qualifiedNameProblems);
    const problems = labelValueProblems(taint.value ?? '');
    if (problems.length > 0) causes.push(cause.invalid(`${at}.value`, taint.value, problems.join(';')));
    causes.push(...oneOf(`${at}.effect`, taint.effect, taintEffects));
    const key = `${taint.key}:${taint.effect}`;
    if (seen.has(key)) causes.push(cause.duplicate(at, taint));
    seen.add(key);
    return causes;
  });
}

/** A node keeps the ranges and the provider that it was given. */
function keeps({ spec }: Node, { spec: before }: Node): StatusCause[] {
  const causes: StatusCause[] = [];
  if (before?.podCIDRs?.length && !equalJson(spec?.podCIDRs, before.podCIDRs))
    causes.push(cause.forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
  if (before?.providerID && spec?.providerID !== before.providerID)
    causes.push(cause.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'));
  return causes;
}

function status({ spec, status: current }: Node): string {
  const ready = current?.conditions?.find((condition) => condition.type === 'Ready');
  const words = [ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown'];
  if (spec?.unschedulable) words.push('SchedulingDisabled');
  return words.join(',');
}

const rolePrefix = 'node-role.kubernetes.io/';

function roles({ metadata }: Node): string {
  const found = new Set<string>();
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) found.add(key.slice(rolePrefix.length));
    else if (key === 'kubernetes.io/role' && value !== '') found.add(value);
  }
  return orNone([...found].toSorted().join(','));
}

function address({ status: current }: Node, type: string): string | undefined {
  return current?.addresses?.find((entry) => entry.type === type)?.address;
}
