import type { AdmissionRequest, AdmissionStep } from '../registry/context.ts';
import { all } from './lookup.ts';

const ingressClasses = { group: 'networking.k8s.io', version: 'v1', resource: 'ingressclasses' };
const isDefault = 'ingressclass.kubernetes.io/is-default-class';
const older = 'kubernetes.io/ingress.class';

/** An Ingress that names no class gets the default one: of several, the newest, and of those the first by name. */
export const defaultIngressClass: AdmissionStep = {
  name: 'DefaultIngressClass',
  resources: ['networking.k8s.io/ingresses'],
  operations: ['CREATE'],
  admit(request) {
    const { call, object } = request;
    if (call.subresource !== '' || object!.spec.ingressClassName !== undefined) return;
    if (object!.metadata.annotations?.[older] === undefined) return choose(request);
  },
};

async function choose({ registry, object }: AdmissionRequest): Promise<void> {
  const defaults = (await all(registry, ingressClasses)).filter(
    ({ metadata }) => metadata.annotations?.[isDefault] === 'true',
  );
  const [first] = defaults.toSorted(
    ({ metadata: a }, { metadata: b }) =>
      String(b.creationTimestamp).localeCompare(String(a.creationTimestamp)) || (a.name! < b.name! ? -1 : 1),
  );
  if (first !== undefined) object!.spec.ingressClassName = first.metadata.name;
}
