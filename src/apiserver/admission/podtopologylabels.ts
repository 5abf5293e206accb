import type { AdmissionRequest, AdmissionStep } from '../registry/context.ts';
import { lookup } from './lookup.ts';

const nodes = { group: '', version: 'v1', resource: 'nodes' };
const copied = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'];

/** A pod learns where its node is: the labels of the node's zone and region go onto its binding, and so onto it. */
export const podTopologyLabels: AdmissionStep = {
  name: 'PodTopologyLabels',
  resources: ['/pods'],
  operations: ['CREATE'],
  admit(request) {
    const { call, object } = request;
    if (call.subresource === 'binding') return copy(request, object!.target?.name);
    if (call.subresource === '' && object!.spec.nodeName) return copy(request, object!.spec.nodeName);
  },
};

async function copy({ registry, object }: AdmissionRequest, name: string | undefined): Promise<void> {
  const node = name ? await lookup(registry, nodes, '', name) : undefined;
  for (const label of copied) {
    const value = node?.metadata.labels?.[label];
    if (value !== undefined) (object!.metadata.labels ??= {})[label] = value;
  }
}
