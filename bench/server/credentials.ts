/** Certificates for one run, the same kind for us and for the peer. */
import { createAuthority, issue, type KeyPair } from '../../src/apiserver/index.ts';

export function credentials(): { authority: KeyPair; server: KeyPair; admin: KeyPair } {
  const now = Date.now();
  const validity = { notBefore: now - 3600_000, notAfter: now + 24 * 3600_000 };
  const authority = createAuthority('bench', now);
  return {
    authority,
    server: issue(authority, {
      commonName: 'kube-apiserver',
      hosts: ['127.0.0.1', 'localhost'],
      uses: ['server'],
      ...validity,
    }),
    admin: issue(authority, { commonName: 'admin', organizations: ['system:masters'], uses: ['client'], ...validity }),
  };
}
