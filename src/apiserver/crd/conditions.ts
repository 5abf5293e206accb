/** What a definition's status says of it. */
import {
  apiApprovalOf,
  type CustomResourceDefinition,
  type CustomResourceDefinitionCondition,
  isProtected,
} from '../../api/index.ts';
import { formatTime } from '../../machinery/index.ts';
import type { Naming } from './names.ts';

export type Told = Pick<CustomResourceDefinitionCondition, 'type' | 'status' | 'reason' | 'message'>;

export const finalizer = 'customresourcecleanup.apiextensions.k8s.io';

export function conditionOf(
  { status }: CustomResourceDefinition,
  type: string,
): CustomResourceDefinitionCondition | undefined {
  return status?.conditions?.find((one) => one.type === type);
}

export function isEstablished(definition: CustomResourceDefinition): boolean {
  return conditionOf(definition, 'Established')?.status === 'True';
}

export function isTerminating({ metadata }: CustomResourceDefinition): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** What is to be said of a definition with these names; `served` is already so when it is said. */
export function conditionsFor(definition: CustomResourceDefinition, naming: Naming): Told[] {
  const { status, reason, message } = naming;
  const told: Told[] = [{ type: 'NamesAccepted', status, reason, message }, ...approvalOf(definition)];
  if (isEstablished(definition)) return told;
  told.push(
    status === 'True'
      ? {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        }
      : { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' },
  );
  return told;
}

const approvalReasons = {
  missing: 'MissingAnnotation',
  invalid: 'InvalidAnnotation',
  bypassed: 'UnapprovedAnnotation',
  approved: 'ApprovedAnnotation',
} as const;

/** Of groups of the Kubernetes community. */
function approvalOf({ metadata, spec }: CustomResourceDefinition): Told[] {
  if (!isProtected(spec.group)) return [];
  const { state, reason: message } = apiApprovalOf(metadata);
  const status = state === 'approved' ? 'True' : 'False';
  return [{ type: 'KubernetesAPIApprovalPolicyConformant', status, reason: approvalReasons[state], message }];
}

/** The definition's conditions with these among them; the same list when they say nothing new. */
export function withConditions(
  definition: CustomResourceDefinition,
  told: readonly Told[],
  now: number,
): CustomResourceDefinitionCondition[] {
  const before = definition.status?.conditions ?? [];
  let changed = false;
  const after = [...before];
  for (const one of told) {
    const at = after.findIndex(({ type }) => type === one.type);
    const known = after[at];
    if (known?.status === one.status && known.reason === one.reason && known.message === one.message) continue;
    changed = true;
    const lastTransitionTime = known?.status === one.status ? known.lastTransitionTime : formatTime(now);
    const condition = {
      lastTransitionTime,
      message: one.message,
      reason: one.reason,
      status: one.status,
      type: one.type,
    };
    if (at < 0) after.push(condition);
    else after[at] = condition;
  }
  return changed ? after : before;
}
