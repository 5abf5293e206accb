/** Who owns which field after a write: the glue between the registry and machinery's managed fields. */
import type { Kind } from '../../api/index.ts';
import { type AnyObject, type FieldsV1, formatTime, updateManagedFields } from '../../machinery/index.ts';
import { fieldManagerOf, type Registry, type ResourceCall } from './context.ts';

/** Brings `object.metadata.managedFields` up to date for a create or an update (apply has done it itself). */
export function ownFields(registry: Registry, call: ResourceCall, object: AnyObject, old: AnyObject | undefined): void {
  if (call.patchType === 'apply') return;
  const { kind } = call.served;
  updateManagedFields({
    live: old,
    updated: object,
    ...(call.subresource !== '' && { managers: old?.metadata.managedFields ?? [] }),
    manager: fieldManagerOf(call),
    apiVersion: call.served.apiVersion,
    subresource: call.subresource,
    time: formatTime(registry.clock.now()),
    schema: kind.schema,
    resetFields: resetFieldsOf(kind, call.subresource),
  });
}

const status: FieldsV1 = { 'f:status': {} };
const spec: FieldsV1 = { 'f:spec': {} };
const specAndMetadata: FieldsV1 = { 'f:metadata': {}, 'f:spec': {} };

/** What a writer of this endpoint cannot set, and so comes to own nothing of. */
export function resetFieldsOf(kind: Kind, subresource: string): FieldsV1 | undefined {
  if (kind.subresources.status === undefined) return undefined;
  if (subresource !== 'status') return status;
  return kind.custom === undefined ? spec : specAndMetadata;
}
