import { type AnyObject, StatusError } from '../../machinery/index.ts';
import { referencesOf } from '../authz/node/references.ts';
import type { AdmissionRequest, AdmissionStep, Registry } from '../registry/context.ts';
import { cacheOf, forbidden, lookup } from './lookup.ts';

const serviceAccounts = { group: '', version: 'v1', resource: 'serviceaccounts' };
const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Every pod runs as a service account; its token, the cluster's CA and its namespace are mounted unless somebody says no. */
export const serviceAccount: AdmissionStep = {
  name: 'ServiceAccount',
  resources: ['/pods'],
  operations: ['CREATE', 'UPDATE'],
  async admit({ registry, call, object, operation }) {
    if (call.subresource !== '' || operation !== 'CREATE') return;
    const pod = object!;
    const { spec } = pod;
    // mirror pods stand for what runs already
    if (pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return;
    spec.serviceAccountName ||= 'default';
    spec.serviceAccount = spec.serviceAccountName;
    const account = await accountOf(registry, call.namespace, spec.serviceAccountName);
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
  validate(request) {
    const { call, operation, object } = request;
    if (operation === 'UPDATE') return call.subresource === 'ephemeralcontainers' ? checkSecrets(request) : undefined;
    if (call.subresource !== '') return;
    const isMirror = object!.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined;
    return isMirror ? checkMirror(request) : checkSecrets(request);
  },
};

/** So long, in milliseconds, a namespace's first pod waits for the account that a controller makes for every namespace. */
const patience = 1_500;

async function accountOf(registry: Registry, namespace: string, name: string): Promise<AnyObject | undefined> {
  const find = () => lookup(registry, serviceAccounts, namespace, name);
  const found = await find();
  if (found !== undefined || name !== 'default') return found;
  const cache = await cacheOf(registry, serviceAccounts);
  // what comes, and not only time, ends the wait
  const come = Promise.withResolvers<void>();
  const isIt = ({ metadata }: AnyObject) => metadata.namespace === namespace && metadata.name === name;
  const forget = cache.listen({
    onEvents: (events) => events.some(({ deleted, entry }) => !deleted && isIt(entry.object)) && come.resolve(),
    onEnd: come.resolve,
  });
  const timer = registry.clock.after(patience, come.resolve);
  const there = await find();
  if (there === undefined) await come.promise;
  timer.cancel();
  forget();
  return there ?? find();
}

/** What runs without the API may not lean on it. */
function checkMirror(request: AdmissionRequest): void {
  const { spec } = request.object!;
  if (spec.serviceAccountName) throw forbidden(request, 'a mirror pod may not reference service accounts');
  const { annotations: _, ...metadata } = request.object!.metadata;
  for (const reference of referencesOf({ ...request.object!, metadata }))
    if (reference.startsWith('secrets/')) throw forbidden(request, 'a mirror pod may not reference secrets');
  const sources = (spec.volumes ?? []).flatMap((volume: AnyObject) => volume.projected?.sources ?? []);
  if (sources.some((source: AnyObject) => source.serviceAccountToken !== undefined))
    throw forbidden(request, 'a mirror pod may not use ServiceAccountToken volume projections');
}

const limited = 'kubernetes.io/enforce-mountable-secrets';

/** An account that says so lets its pods use only the Secrets that it lists. */
async function checkSecrets(request: AdmissionRequest): Promise<void> {
  const { registry, call, object, operation } = request;
  const { spec } = object!;
  const account = await lookup(registry, serviceAccounts, call.namespace, spec.serviceAccountName || 'default');
  if (account?.metadata.annotations?.[limited] !== 'true') return;
  const mountable = new Set((account.secrets ?? []).map(({ name }: { name: string }) => name));
  const refuse = (what: string, kind = 'secret') =>
    forbidden(
      request,
      `${what} is not allowed because service account ${account.metadata.name} does not reference that ${kind}`,
    );
  const check = (container: AnyObject, sort: string) => {
    for (const { name, valueFrom } of container.env ?? []) {
      const secret = valueFrom?.secretKeyRef?.name;
      if (secret !== undefined && !mountable.has(secret))
        throw refuse(`${sort} ${container.name} with envVar ${name} referencing secret.secretName="${secret}"`);
    }
    for (const { secretRef } of container.envFrom ?? [])
      if (secretRef !== undefined && !mountable.has(secretRef.name))
        throw refuse(`${sort} ${container.name} with envFrom referencing secret.secretName="${secretRef.name}"`);
  };
  if (operation === 'UPDATE') {
    for (const container of spec.ephemeralContainers ?? []) check(container, 'ephemeral container');
    return;
  }
  for (const { secret } of spec.volumes ?? [])
    if (secret !== undefined && !mountable.has(secret.secretName))
      throw refuse(`volume with secret.secretName="${secret.secretName}"`);
  for (const container of spec.initContainers ?? []) check(container, 'init container');
  for (const container of spec.containers) check(container, 'container');
  const pull = new Set((account.imagePullSecrets ?? []).map(({ name }: { name: string }) => name));
  for (const [i, { name }] of (spec.imagePullSecrets ?? []).entries())
    if (!pull.has(name)) throw refuse(`imagePullSecrets[${i}].name="${name}"`, 'imagePullSecret');
}

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
