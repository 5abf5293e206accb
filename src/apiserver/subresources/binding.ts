/** A pod gets its node, once. */
import { cloneJson, formatTime, isObject, StatusError } from '../../machinery/index.ts';
import { type Answer, change, type ResourceCall } from '../registry/index.ts';
import type { SubresourceContext } from './context.ts';

export async function bind({ registry }: SubresourceContext, call: ResourceCall): Promise<Answer> {
  const { body } = call;
  const target = isObject(body) ? body.target : undefined;
  if (!target?.name || (target.kind && target.kind !== 'Node'))
    throw StatusError.invalid({ group: '', kind: 'Binding' }, call.name, [
      { reason: 'FieldValueRequired', field: 'target.name', message: 'Required value: the name of a Node' },
    ]);
  await change(
    registry,
    { ...call, body: undefined, subresource: '' },
    {
      part: 'whole',
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
        const uid = (body as any).metadata?.uid;
        if (uid && uid !== current.metadata.uid)
          throw StatusError.conflict(
            call.served.kind,
            call.name,
            `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid}`,
          );
        const next = cloneJson(current);
        next.spec.nodeName = target.name;
        Object.assign((next.metadata.annotations ??= {}), (body as any).metadata?.annotations);
        if (Object.keys(next.metadata.annotations).length === 0) delete next.metadata.annotations;
        const conditions = (next.status?.conditions ?? []).filter(
          (one: { type: string }) => one.type !== 'PodScheduled',
        );
        next.status = {
          ...next.status,
          conditions: [
            ...conditions,
            {
              type: 'PodScheduled',
              status: 'True',
              lastProbeTime: null,
              lastTransitionTime: formatTime(registry.clock.now()),
            },
          ],
        };
        return next;
      },
    },
  );
  return {
    code: 201,
    object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } as never,
  };
}
