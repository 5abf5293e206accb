/** Secrets of the type kubernetes.io/service-account-token get a token of their account, and go with it. */
import { type Secret, secrets, type ServiceAccount, serviceAccounts } from '../api/index.ts';
import type { Controller, ReconcileContext } from '../client/index.ts';
import { isStatusError } from '../machinery/index.ts';

const type = 'kubernetes.io/service-account-token';
const accountName = 'kubernetes.io/service-account.name';
const accountUid = 'kubernetes.io/service-account.uid';

/** Signs a token without an end. */
export type SignToken = (of: { namespace: string; secret: string; account: { name: string; uid: string } }) => string;

export function serviceAccountTokens(sign: SignToken, clusterCA: string): Controller<Secret> {
  return {
    name: 'serviceaccount-token-controller',
    account: 'service-account-token-controller',
    for: secrets,
    when: (_old, secret) => secret?.type === type,
    watches: [
      {
        resource: serviceAccounts,
        keys: ({ metadata }, { lister }) =>
          lister<Secret>(secrets)
            .list({ namespace: metadata.namespace })
            .filter((secret) => secret.type === type && nameOf(secret) === metadata.name)
            .map((secret) => `${secret.metadata.namespace}/${secret.metadata.name}`),
      },
    ],
    async reconcile(key, context) {
      const secret = context.lister<Secret>(secrets).get(key);
      if (secret?.type !== type || secret.metadata.deletionTimestamp !== undefined) return;
      const account = await accountOf(secret, context);
      if (account === undefined) return remove(secret, context);
      const missing = filled(secret, account, sign, clusterCA);
      if (missing !== undefined) await write(missing, context);
    },
  };
}

function nameOf({ metadata }: Secret): string | undefined {
  return metadata.annotations?.[accountName];
}

/** As the API has it, if the cache does not: a secret must not go because its account is only about to be seen. */
async function accountOf(secret: Secret, { lister, client }: ReconcileContext): Promise<ServiceAccount | undefined> {
  const name = nameOf(secret)!;
  const { namespace } = secret.metadata;
  const uid = secret.metadata.annotations?.[accountUid];
  const isIt = (account: ServiceAccount | undefined) =>
    account !== undefined && (uid === undefined || uid === '' || account.metadata.uid === uid);
  const known = lister<ServiceAccount>(serviceAccounts).get(`${namespace}/${name}`);
  if (isIt(known)) return known;
  try {
    const live = await client.get(serviceAccounts, { name, namespace: namespace! });
    return isIt(live) ? live : undefined;
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** What is to be written; undefined: it has everything. */
function filled(secret: Secret, { metadata }: ServiceAccount, sign: SignToken, clusterCA: string): Secret | undefined {
  const { name, namespace = '', annotations } = secret.metadata;
  const { data = {} } = secret;
  const authority = Buffer.from(clusterCA).toString('base64');
  const needsAuthority = clusterCA !== '' && data['ca.crt'] !== authority;
  if (data.token && data.namespace && !needsAuthority) return undefined;
  const account = { name: metadata.name!, uid: metadata.uid! };
  const token = () => Buffer.from(sign({ namespace, secret: name!, account })).toString('base64');
  return {
    ...secret,
    metadata: {
      ...secret.metadata,
      annotations: { ...annotations, [accountName]: account.name, [accountUid]: account.uid },
    },
    data: {
      ...data,
      ...(needsAuthority && { 'ca.crt': authority }),
      namespace: data.namespace || Buffer.from(namespace).toString('base64'),
      token: data.token || token(),
    },
  };
}

/** Somebody else wrote or removed it meanwhile: it comes again. */
async function write(secret: Secret, { client }: ReconcileContext): Promise<void> {
  try {
    await client.update<Secret>(secrets, secret);
  } catch (error) {
    if (!isStatusError(error, 'Conflict') && !isStatusError(error, 'NotFound')) throw error;
  }
}

async function remove({ metadata }: Secret, { client }: ReconcileContext): Promise<void> {
  const { name, namespace, uid } = metadata;
  try {
    await client.delete(secrets, { name: name!, namespace: namespace! }, { preconditions: { uid: uid! } });
  } catch (error) {
    if (!isStatusError(error, 'Conflict') && !isStatusError(error, 'NotFound')) throw error;
  }
}
