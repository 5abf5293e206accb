/**
 * Bootstrap tokens, which new machines join with: those that have expired are deleted, and `cluster-info` in kube-public is signed with each that
 * may be used for that, so that who knows a token can tell whether what anybody may read there is genuine.
 */
import { createHmac } from 'node:crypto';
import { type ConfigMap, configMaps, type Secret, secrets } from '../../api/index.ts';
import type { Controller, Watched } from '../../client/index.ts';
import { equalJson, isStatusError } from '../../machinery/index.ts';

const type = 'bootstrap.kubernetes.io/token';
const home = 'kube-system';
const infoKey = 'kube-public/cluster-info';
const signaturePrefix = 'jws-kubeconfig-';

function isToken({ type: of, metadata }: Secret): boolean {
  return of === type && metadata.namespace === home;
}

/** A text of the Secret's data; '' when it is not there. */
function text({ data }: Secret, name: string): string {
  return Buffer.from(data?.[name] ?? '', 'base64').toString();
}

/** Milliseconds since the epoch; undefined: never, or nobody can tell. */
function expiryOf(secret: Secret): number | undefined {
  const time = Date.parse(text(secret, 'expiration'));
  return Number.isNaN(time) ? undefined : time;
}

export const tokenCleaner: Controller<Secret> = {
  name: 'token-cleaner-controller',
  account: 'token-cleaner',
  for: secrets,
  when: (_, secret) => secret !== undefined && isToken(secret),
  async reconcile(key, { client, clock, lister }) {
    const secret = lister<Secret>(secrets).get(key);
    if (secret === undefined || !isToken(secret)) return;
    const expiry = expiryOf(secret);
    if (expiry === undefined) return;
    const left = expiry - clock.now();
    if (left > 0) return { requeueAfter: left + 1 };
    const { name, namespace, uid } = secret.metadata;
    await client.delete(secrets, { name: name!, namespace }, { preconditions: { uid } }).catch((error: unknown) => {
      if (!isStatusError(error, 'NotFound')) throw error;
    });
  },
};

const tokens: Watched<Secret> = {
  resource: secrets,
  when: (old, secret) => isToken((secret ?? old)!),
  keys: () => [infoKey],
};

export const bootstrapSigner: Controller<ConfigMap> = {
  name: 'bootstrap-signer-controller',
  account: 'bootstrap-signer',
  for: configMaps,
  when: (_, map) => map !== undefined && `${map.metadata.namespace}/${map.metadata.name}` === infoKey,
  watches: [tokens],
  async reconcile(key, { client, clock, lister }) {
    const info = lister<ConfigMap>(configMaps).get(infoKey);
    const kubeconfig = info?.data?.kubeconfig;
    if (key !== infoKey || info === undefined || kubeconfig === undefined) return;
    const now = clock.now();
    const signing = lister<Secret>(secrets)
      .list({ namespace: home })
      .filter((secret) => isToken(secret) && text(secret, 'usage-bootstrap-signing') === 'true')
      .filter((secret) => (expiryOf(secret) ?? Number.POSITIVE_INFINITY) > now);
    const others = Object.entries(info.data ?? {}).filter(([name]) => !name.startsWith(signaturePrefix));
    const data: Record<string, string> = Object.fromEntries(others);
    for (const secret of signing) {
      const [id, key] = [text(secret, 'token-id'), text(secret, 'token-secret')];
      if (id !== '' && key !== '') data[signaturePrefix + id] = detached(kubeconfig, id, key);
    }
    if (!equalJson(data, info.data)) await client.update(configMaps, { ...info, data });
  },
};

/** A JSON Web Signature (RFC 7515) whose content is elsewhere: header, nothing, signature. */
function detached(content: string, id: string, key: string): string {
  const encode = (value: string) => Buffer.from(value).toString('base64url');
  const header = encode(JSON.stringify({ alg: 'HS256', kid: id }));
  const signature = createHmac('sha256', key)
    .update(`${header}.${encode(content)}`)
    .digest('base64url');
  return `${header}..${signature}`;
}
