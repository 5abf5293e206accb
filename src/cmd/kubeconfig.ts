/** A kubeconfig with the administrator's certificate in it. */
import { dump } from 'js-yaml';
import type { Pki } from './pki.ts';

const name = 'glasshouse';
const inline = (pem: string): string => Buffer.from(pem).toString('base64');

export function kubeconfigFor(port: number, pki: Pki): string {
  return dump({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name,
        cluster: {
          server: `https://127.0.0.1:${port}`,
          'certificate-authority-data': inline(pki.authority.certificate),
        },
      },
    ],
    users: [
      {
        name,
        user: {
          'client-certificate-data': inline(pki.admin.certificate),
          'client-key-data': inline(pki.admin.key),
        },
      },
    ],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  });
}
