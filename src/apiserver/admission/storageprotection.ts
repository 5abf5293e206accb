import type { AdmissionStep } from '../registry/context.ts';

const finalizers: Readonly<Record<string, string>> = {
  __proto__: null as never,
  persistentvolumeclaims: 'kubernetes.io/pvc-protection',
  persistentvolumes: 'kubernetes.io/pv-protection',
  podgroups: 'scheduling.k8s.io/podgroup-protection',
};

/** A claim or group that a pod uses, and a volume that a claim uses, do not go before those do: the protection controllers let them. */
export const storageObjectInUseProtection: AdmissionStep = {
  name: 'StorageObjectInUseProtection',
  resources: ['/persistentvolumeclaims', '/persistentvolumes', 'scheduling.k8s.io/podgroups'],
  operations: ['CREATE'],
  admit({ call, object }) {
    if (call.subresource !== '') return;
    const finalizer = finalizers[call.served.kind.resource]!;
    const { metadata } = object!;
    if (!metadata.finalizers?.includes(finalizer)) metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
  },
};
