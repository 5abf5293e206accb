import { type AnyObject, StatusError } from '../../machinery/index.ts';
import type { AdmissionStep } from '../registry/context.ts';
import { lookup } from './lookup.ts';

const serviceAccounts = { group: '', version: 'v1', resource: 'serviceaccounts' };
const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Every pod runs as a service account; its token, the cluster's CA and its namespace are mounted unless somebody says no. */
export const serviceAccount: AdmissionStep = {
  name: 'ServiceAccount',
  resources: ['/pods'],
  operations: ['CREATE'],
  async admit({ registry, call, object }) {
    if (call.subresource !== '') return;
    const pod = object!;
    const { spec } = pod;
    // mirror pods stand for what runs already
    if (pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return;
    spec.serviceAccountName ||= 'default';
    spec.serviceAccount = spec.serviceAccountName;
    const account = await lookup(registry, serviceAccounts, call.namespace, spec.serviceAccountName);
    if (account === undefined)
      throw StatusError.forbidden(
        call.served.kind,
        pod.metadata.name ?? '',
        `error looking up service account ${call.namespace}/${spec.serviceAccountName}: serviceaccount "${spec.serviceAccountName}" not found`,
      );
    if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length)
      spec.imagePullSecrets = account.imagePullSecrets.map(({ name }: { name: string }) => ({ name }));
    const mounts = spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
    if (mounts) mountToken(spec, registry.random.suffix(5));
  },
};

function mountToken(spec: AnyObject['spec'], suffix: string): void {
  const containers: AnyObject[] = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  const without = containers.filter(
    (container) => !container.volumeMounts?.some((mount: { mountPath: string }) => mount.mountPath === mountPath),
  );
  if (without.length === 0) return;
  const known = spec.volumes?.find((volume: { name: string }) => volume.name.startsWith('kube-api-access-'));
  const name = known?.name ?? `kube-api-access-${suffix}`;
  for (const container of without) (container.volumeMounts ??= []).push({ name, mountPath, readOnly: true });
  if (known === undefined) (spec.volumes ??= []).push(tokenVolume(name));
}

function tokenVolume(name: string): unknown {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  };
}
