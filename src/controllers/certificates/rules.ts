/** What each built-in signer signs: a sentence that says what is wrong with a request, or ''. */
import type { ParsedCertificateRequest } from '../../api/index.ts';

export const clientSigner = 'kubernetes.io/kube-apiserver-client';
export const kubeletClientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
export const kubeletServingSigner = 'kubernetes.io/kubelet-serving';
export const legacySigner = 'kubernetes.io/legacy-unknown';

export type SignerRule = (request: ParsedCertificateRequest, usages: readonly string[]) => string;

export const signers: Readonly<Record<string, SignerRule>> = {
  [clientSigner]: apiClient,
  [kubeletClientSigner]: kubeletClient,
  [kubeletServingSigner]: kubeletServing,
  [legacySigner]: () => '',
};

function apiClient(_: ParsedCertificateRequest, usages: readonly string[]): string {
  const allowed = ['digital signature', 'key encipherment', 'client auth'];
  const wrong = usages.find((usage) => !allowed.includes(usage));
  if (wrong !== undefined) return `invalid usage for client certificate: ${wrong}`;
  return usages.includes('client auth') ? '' : 'missing required usage for client certificate: client auth';
}

export function kubeletClient(request: ParsedCertificateRequest, usages: readonly string[]): string {
  return ofNode(request) || alone(request) || exactly(usages, 'client auth');
}

function kubeletServing(request: ParsedCertificateRequest, usages: readonly string[]): string {
  const { dnsNames, ipAddresses, emailAddresses, uris } = request;
  if (emailAddresses.length > 0) return 'email subjectAltNames are not allowed';
  if (uris.length > 0) return 'URI subjectAltNames are not allowed';
  if (dnsNames.length + ipAddresses.length === 0) return 'DNS or IP subjectAltName is required';
  return ofNode(request) || exactly(usages, 'server auth');
}

function ofNode({ organizations, commonName }: ParsedCertificateRequest): string {
  if (organizations.length !== 1 || organizations[0] !== 'system:nodes')
    return 'subject organization is not system:nodes';
  return commonName.startsWith('system:node:') ? '' : 'subject common name does not begin with system:node:';
}

function alone({ dnsNames, ipAddresses, emailAddresses, uris }: ParsedCertificateRequest): string {
  if (dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (emailAddresses.length > 0) return 'email subjectAltNames are not allowed';
  if (ipAddresses.length > 0) return 'IP subjectAltNames are not allowed';
  return uris.length > 0 ? 'URI subjectAltNames are not allowed' : '';
}

/** Keys that are not RSA need no key encipherment. */
function exactly(usages: readonly string[], purpose: string): string {
  const rest = new Set(usages.filter((usage) => usage !== 'key encipherment'));
  const good = rest.size === 2 && rest.has('digital signature') && rest.has(purpose);
  return good ? '' : `usages did not match [digital signature key encipherment ${purpose}]`;
}
