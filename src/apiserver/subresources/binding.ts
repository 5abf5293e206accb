/** A pod gets its node, once. */
import { type AnyObject, formatTime, StatusError } from '../../machinery/index.ts';
import { type Answer, change, type ResourceCall } from '../registry/index.ts';
import { admitted } from './admitted.ts';
import type { SubresourceContext } from './context.ts';

export async function bind({ registry }: SubresourceContext, call: ResourceCall): Promise<Answer> {
  const body = await admitted(registry, call);
  const { target } = body;
  if (!target?.name || (target.kind && target.kind !== 'Node'))
    throw StatusError.invalid({ group: '', kind: 'Binding' }, call.name, [
      { reason: 'FieldValueRequired', field: 'target.name', message: 'Required value: the name of a Node' },
    ]);
  await change(
    registry,
    { ...call, body: undefined, subresource: '' },
    {
      part: 'whole',
      direct: true,
      make: (current) => {
        if (current.metadata.deletionTimestamp !== undefined)
          throw StatusError.conflict(
            call.served.kind,
            call.name,
            `pod ${call.name} is being deleted, cannot be assigned to a host`,
          );
        if (current.spec.nodeName)
          throw StatusError.conflict(
            call.served.kind,
            call.name,
            `pod ${call.name} is already assigned to node ${JSON.stringify(current.spec.nodeName)}`,
          );
        if (current.spec.schedulingGates?.length)
          throw StatusError.conflict(
            call.served.kind,
            call.name,
            `pod ${call.name} has non-empty .spec.schedulingGates`,
          );
        const uid = body.metadata?.uid;
        if (uid && uid !== current.metadata.uid)
          throw StatusError.conflict(
            call.served.kind,
            call.name,
            `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid}`,
          );
        return bound(current, target.name, body.metadata, formatTime(registry.clock.now()));
      },
    },
  );
  return {
    code: 201,
    object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } as never,
  };
}

/** Shares with `current` all that stays. */
function bound(
  current: AnyObject,
  nodeName: string,
  { annotations: more, labels }: AnyObject['metadata'],
  time: string,
): AnyObject {
  const { annotations } = current.metadata;
  const metadata = { ...current.metadata };
  if (more !== undefined && Object.keys(more).length > 0) metadata.annotations = { ...annotations, ...more };
  if (labels !== undefined) metadata.labels = { ...metadata.labels, ...labels };
  const others = (current.status?.conditions ?? []).filter((one: { type: string }) => one.type !== 'PodScheduled');
  const scheduled = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: time };
  return {
    ...current,
    metadata,
    spec: { ...current.spec, nodeName },
    status: { ...current.status, conditions: [...others, scheduled] },
  };
}
