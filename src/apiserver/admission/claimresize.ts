import { compareQuantities } from '../../machinery/index.ts';
import type { AdmissionRequest, AdmissionStep } from '../registry/context.ts';
import { forbidden, lookup } from './lookup.ts';

const storageClasses = { group: 'storage.k8s.io', version: 'v1', resource: 'storageclasses' };

/** A claim grows only once it is bound, and only if its storage class lets volumes grow. */
export const persistentVolumeClaimResize: AdmissionStep = {
  name: 'PersistentVolumeClaimResize',
  resources: ['/persistentvolumeclaims'],
  operations: ['UPDATE'],
  validate(request) {
    const { call, object, old } = request;
    if (call.subresource !== '') return;
    const [size, before] = [object, old].map((one) => one!.spec?.resources?.requests?.storage ?? '0');
    if (compareQuantities(size, before) > 0) return check(request);
  },
};

async function check(request: AdmissionRequest): Promise<void> {
  const { registry, object, old } = request;
  if (old!.status?.phase !== 'Bound') throw forbidden(request, 'Only bound persistent volume claims can be expanded');
  const [name, before] = [object, old].map(
    (one) => one!.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? one!.spec.storageClassName,
  );
  const found = name && name === before ? await lookup(registry, storageClasses, '', name) : undefined;
  if (found?.allowVolumeExpansion !== true)
    throw forbidden(
      request,
      'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
    );
}
