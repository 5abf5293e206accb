import { cause, StatusError } from '../../machinery/index.ts';
import type { AdmissionRequest, AdmissionStep } from '../registry/context.ts';
import { lookup } from './lookup.ts';

const namespaces = { group: '', version: 'v1', resource: 'namespaces' };
const label = 'resource.kubernetes.io/admin-access';

/** Looking after devices that others use is for namespaces that the cluster's administrator has marked for it (KEP-5018). */
export const deviceAdminAccess: AdmissionStep = {
  name: 'DeviceAdminAccess',
  resources: ['resource.k8s.io/resourceclaims', 'resource.k8s.io/resourceclaimtemplates'],
  operations: ['CREATE'],
  validate(request) {
    const { call, object } = request;
    const { spec } = call.served.kind.resource === 'resourceclaims' ? object! : object!.spec;
    const requests: { exactly?: { adminAccess?: boolean } }[] = spec?.devices?.requests ?? [];
    const at = requests.findIndex(({ exactly }) => exactly?.adminAccess === true);
    if (at >= 0) return check(request, at);
  },
};

async function check({ call, registry, object }: AdmissionRequest, at: number): Promise<void> {
  const namespace = await lookup(registry, namespaces, '', call.namespace);
  if (namespace?.metadata.labels?.[label] === 'true') return;
  const field = `spec.${call.served.kind.resource === 'resourceclaims' ? '' : 'spec.'}devices.requests[${at}].adminAccess`;
  const why = `admin access to devices requires the \`${label}: true\` label on the containing namespace`;
  throw StatusError.invalid(call.served.kind, object!.metadata.name ?? '', [cause.forbidden(field, why)]);
}
