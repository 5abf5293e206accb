/** Who may approve, sign and vouch for certificates; and what nobody gets one for. */
import { parseCertificateRequest } from '../../api/index.ts';
import { equalJson } from '../../machinery/index.ts';
import type { AdmissionRequest, AdmissionStep } from '../registry/context.ts';
import { forbidden } from './lookup.ts';

const group = 'certificates.k8s.io';
const requests = [`${group}/certificatesigningrequests`];

/** A right on one signer, or on all of its domain. */
async function may({ registry, call }: AdmissionRequest, verb: string, signer: string): Promise<boolean> {
  const domain = `${signer.split('/', 1)[0]}/*`;
  for (const name of [signer, domain]) {
    const { allowed } = await registry.authorize({
      user: call.user,
      verb,
      isResource: true,
      group,
      resource: 'signers',
      subresource: '',
      namespace: '',
      name,
      path: '',
    });
    if (allowed) return true;
  }
  return false;
}

/** Who asks is what the server knows, not what the request says. */
export const certificateRequester: AdmissionStep = {
  name: 'CertificateRequester',
  resources: requests,
  operations: ['CREATE'],
  admit({ call, object }) {
    if (call.subresource !== '') return;
    const { name, uid, groups, extra } = call.user;
    const { username: _n, uid: _u, groups: _g, extra: _e, ...spec } = object!.spec ?? {};
    object!.spec = { ...spec, username: name, ...(uid && { uid }), groups: [...groups], ...(extra && { extra }) };
  },
};

export const certificateApproval: AdmissionStep = {
  name: 'CertificateApproval',
  resources: requests,
  operations: ['UPDATE'],
  async validate(request) {
    if (request.call.subresource !== 'approval') return;
    const { signerName } = request.old!.spec;
    if (!(await may(request, 'approve', signerName)))
      throw forbidden(request, `user not permitted to approve requests with signerName "${signerName}"`);
  },
};

export const certificateSigning: AdmissionStep = {
  name: 'CertificateSigning',
  resources: requests,
  operations: ['UPDATE'],
  async validate(request) {
    const { call, object, old } = request;
    if (call.subresource !== 'status') return;
    const [after, before] = [object!.status ?? {}, old!.status ?? {}];
    if (after.certificate === before.certificate && equalJson(after.conditions ?? [], before.conditions ?? [])) return;
    const { signerName } = old!.spec;
    if (!(await may(request, 'sign', signerName)))
      throw forbidden(request, `user not permitted to sign requests with signerName "${signerName}"`);
  },
};

export const clusterTrustBundleAttest: AdmissionStep = {
  name: 'ClusterTrustBundleAttest',
  resources: [`${group}/clustertrustbundles`],
  operations: ['CREATE', 'UPDATE'],
  async validate(request) {
    const { object, old } = request;
    const signerName = object!.spec?.signerName;
    if (!signerName || (old !== undefined && equalJson(old.spec, object!.spec))) return;
    if (!(await may(request, 'attest', signerName)))
      throw forbidden(request, `user not permitted to attest for signerName "${signerName}"`);
  },
};

const apiClient = 'kubernetes.io/kube-apiserver-client';

export const certificateSubjectRestriction: AdmissionStep = {
  name: 'CertificateSubjectRestriction',
  resources: requests,
  operations: ['CREATE'],
  validate(request) {
    const { call, object } = request;
    if (call.subresource !== '' || object!.spec.signerName !== apiClient) return;
    const parsed = parseCertificateRequest(object!.spec.request);
    if (parsed === undefined) throw forbidden(request, 'failed to parse CSR: it is not a PKCS #10 request in PEM');
    if (parsed.organizations.includes('system:masters'))
      throw forbidden(request, `use of ${apiClient} signer with system:masters group is not allowed`);
  },
};
