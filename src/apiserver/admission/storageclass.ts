import type { AdmissionStep } from '../registry/context.ts';
import { all } from './lookup.ts';

const storageClasses = { group: 'storage.k8s.io', version: 'v1', resource: 'storageclasses' };
const isDefault = 'storageclass.kubernetes.io/is-default-class';

/** A claim that names no storage class gets the default one: of several, the newest. */
export const storageClass: AdmissionStep = {
  name: 'DefaultStorageClass',
  resources: ['/persistentvolumeclaims'],
  operations: ['CREATE'],
  async admit({ registry, call, object }) {
    if (call.subresource !== '' || object!.spec.storageClassName !== undefined) return;
    const defaults = (await all(registry, storageClasses)).filter(
      (one) => one.metadata.annotations?.[isDefault] === 'true',
    );
    const newest = defaults.toSorted((a, b) =>
      String(b.metadata.creationTimestamp).localeCompare(String(a.metadata.creationTimestamp)),
    )[0];
    if (newest !== undefined) object!.spec.storageClassName = newest.metadata.name;
  },
};
