import { StatusError } from '../../machinery/index.ts';
import type { AdmissionStep } from '../registry/context.ts';
import { lookup } from './lookup.ts';

const runtimeClasses = { group: 'node.k8s.io', version: 'v1', resource: 'runtimeclasses' };

/** A pod of a runtime class takes over the class's overhead and where it may run. */
export const runtimeClass: AdmissionStep = {
  name: 'RuntimeClass',
  resources: ['/pods'],
  operations: ['CREATE'],
  async admit({ registry, call, object }) {
    const { spec, metadata } = object!;
    if (call.subresource !== '' || !spec.runtimeClassName) return;
    const found = await lookup(registry, runtimeClasses, '', spec.runtimeClassName);
    if (found === undefined)
      throw StatusError.forbidden(
        call.served.kind,
        metadata.name ?? '',
        `pod rejected: RuntimeClass ${JSON.stringify(spec.runtimeClassName)} not found`,
      );
    if (found.overhead?.podFixed !== undefined) spec.overhead = { ...found.overhead.podFixed };
    const { nodeSelector, tolerations } = found.scheduling ?? {};
    for (const [label, value] of Object.entries(nodeSelector ?? {})) {
      if (spec.nodeSelector?.[label] !== undefined && spec.nodeSelector[label] !== value)
        throw StatusError.forbidden(
          call.served.kind,
          metadata.name ?? '',
          `conflict: runtimeClass.scheduling.nodeSelector[${label}] = ${value}; pod.spec.nodeSelector[${label}] = ${spec.nodeSelector[label]}`,
        );
      (spec.nodeSelector ??= {})[label] = value;
    }
    if (tolerations?.length) spec.tolerations = [...(spec.tolerations ?? []), ...tolerations];
  },
};
