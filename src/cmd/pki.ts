/** The cluster's keys and certificates on disk: made at the first start, renewed when their end is near. */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, type FrontProxy, frontProxyName, issue, type KeyPair } from '../apiserver/index.ts';

export interface Pki {
  authority: KeyPair;
  server: KeyPair;
  /** The administrator's, for the kubeconfig. */
  admin: KeyPair;
  kubelet: KeyPair;
  /** How the API server shows itself to node agents. */
  kubeletClient: KeyPair;
  /** How the API server shows itself to those that APIServices name; by an authority that signs nothing else. */
  frontProxy: FrontProxy;
  /** PEM of the key that service account tokens are signed with. */
  signer: string;
}

export const kubeletClientName = 'kube-apiserver-kubelet-client';
const year = 365 * 24 * 3600 * 1000;
const renewBefore = 30 * 24 * 3600 * 1000;

export function loadPki(directory: string, now: number, hosts: readonly string[]): Pki {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const authority = pair(directory, 'ca', now, [], () => createAuthority('glasshouse', now));
  const leaf = (
    name: string,
    commonName: string,
    use: 'server' | 'client',
    of: readonly string[],
    organizations?: string[],
  ) =>
    pair(directory, name, now, of, () =>
      issue(authority, {
        commonName,
        organizations,
        hosts: of,
        uses: [use],
        notBefore: now - 3600_000,
        notAfter: now + year,
      }),
    );
  const proxyAuthority = pair(directory, 'front-proxy-ca', now, [], () =>
    createAuthority('glasshouse-front-proxy', now),
  );
  const proxyClient = pair(directory, frontProxyName, now, [], () =>
    issue(proxyAuthority, {
      commonName: frontProxyName,
      uses: ['client'],
      notBefore: now - 3600_000,
      notAfter: now + year,
    }),
  );
  return {
    frontProxy: { ...proxyClient, authority: proxyAuthority.certificate },
    authority,
    server: leaf('apiserver', 'kube-apiserver', 'server', hosts),
    admin: leaf('admin', 'kubernetes-admin', 'client', [], ['system:masters']),
    kubelet: leaf('kubelet', 'kubelet', 'server', hosts),
    kubeletClient: leaf('apiserver-kubelet-client', kubeletClientName, 'client', []),
    signer: key(directory, 'service-accounts'),
  };
}

function pair(directory: string, name: string, now: number, hosts: readonly string[], make: () => KeyPair): KeyPair {
  const [certificateFile, keyFile] = [join(directory, `${name}.crt`), join(directory, `${name}.key`)];
  if (existsSync(certificateFile) && existsSync(keyFile)) {
    const certificate = readFileSync(certificateFile, 'utf8');
    const parsed = new X509Certificate(certificate);
    const lasts = Date.parse(parsed.validTo) - now > renewBefore;
    if (lasts && hosts.every((host) => parsed.subjectAltName?.includes(host)))
      return { certificate, key: readFileSync(keyFile, 'utf8') };
  }
  const made = make();
  write(keyFile, made.key);
  write(certificateFile, made.certificate);
  return made;
}

function key(directory: string, name: string): string {
  const file = join(directory, `${name}.key`);
  if (existsSync(file)) return readFileSync(file, 'utf8');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  write(file, pem);
  return pem;
}

function write(file: string, content: string): void {
  writeFileSync(`${file}.tmp`, content, { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}
