/** Certificates for those who ask with a signed request of their own (PKCS #10): their key never comes here. */
import { createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import type { ParsedCertificateRequest } from '../../api/index.ts';
import { certify, type KeyPair } from './index.ts';

export interface SigningTerms {
  /** As a CertificateSigningRequest names them: `digital signature`, `client auth`, … */
  readonly usages: readonly string[];
  /** Milliseconds since the epoch; never after the authority's own end. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** How a request may be signed by its maker, by the identifier of the algorithm. */
const hashes: Readonly<Record<string, string | null>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.3.101.112': null,
};

/** PEM. Throws an Error that says what is wrong with the request, such as that its maker does not have the key. */
export function certifyRequest(authority: KeyPair, request: ParsedCertificateRequest, terms: SigningTerms): string {
  const hash = hashes[request.algorithm];
  if (hash === undefined) throw new Error(`the signature algorithm ${request.algorithm} is not supported`);
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(request.publicKey), type: 'spki', format: 'der' });
  } catch {
    throw new Error('the public key cannot be read');
  }
  if (!verify(hash, request.signed, key, request.signature)) throw new Error('the signature of the request is wrong');
  const end = Date.parse(new X509Certificate(authority.certificate).validTo);
  return certify(authority, key, {
    commonName: request.commonName,
    organizations: request.organizations,
    hosts: [...request.dnsNames, ...request.ipAddresses],
    uses: [],
    usages: terms.usages,
    notBefore: terms.notBefore,
    notAfter: Math.min(terms.notAfter, end),
  });
}
