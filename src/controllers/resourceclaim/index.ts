/**
 * Claims of devices: made of templates for the pods that name them, held for pods that run, and given back when nobody needs them any more.
 * Which devices they get is the scheduler's business.
 */
import {
  type Pod,
  type PodResourceClaim,
  pods,
  type ResourceClaim,
  type ResourceClaimTemplate,
  resourceClaims,
  resourceClaimTemplates,
} from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import { cloneJson, isStatusError, keyOf } from '../../machinery/index.ts';
import { refOf } from '../claim.ts';
import { controllerRef } from '../pods.ts';

const account = 'resource-claim-controller';
const podClaimAnnotation = 'resource.kubernetes.io/pod-claim-name';
const protection = 'resource.kubernetes.io/delete-protection';
/** Leaves room for a hyphen and five characters in a name of 63. */
const longestBase = 57;
/** As many pods as may share a claim. */
const mostConsumers = 256;

const usesClaims = ({ spec }: Pod) => (spec.resourceClaims?.length ?? 0) > 0;

/** A pod that holds nothing and never will again. */
function isDone({ metadata, spec, status }: Pod): boolean {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return true;
  return metadata.deletionTimestamp !== undefined && !spec.nodeName;
}

/** Makes claims of templates, and tells the pod their names. */
export const podResourceClaims: Controller<Pod> = {
  name: 'resource-claim-pod-controller',
  account,
  for: pods,
  when: (_old, pod) => pod !== undefined && usesClaims(pod),
  watches: [
    { resource: resourceClaims, keys: podsOfClaim },
    { resource: resourceClaimTemplates, keys: podsOfTemplate, when: (_old, template) => template !== undefined },
  ],
  async reconcile(key, context) {
    const pod = context.lister<Pod>(pods).get(key);
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined || isDone(pod) || !usesClaims(pod)) return;
    const made = new Map<string, string>();
    for (const one of pod.spec.resourceClaims!) {
      const name = await claimFor(pod, one, context);
      if (name === undefined) continue;
      if (one.resourceClaimTemplateName) made.set(one.name, name);
      if (pod.spec.nodeName) await hold(pod, name, context);
    }
    await tell(pod, made, context);
  },
};

function podsOfClaim(claim: ResourceClaim, { lister }: ReconcileContext): string[] {
  const owner = ownerOf(claim);
  if (owner !== undefined) return [`${claim.metadata.namespace}/${owner.name}`];
  return lister<Pod>(pods)
    .list({ namespace: claim.metadata.namespace })
    .filter(({ spec }) => spec.resourceClaims?.some((one) => one.resourceClaimName === claim.metadata.name))
    .map(keyOf);
}

function podsOfTemplate({ metadata }: ResourceClaimTemplate, { lister }: ReconcileContext): string[] {
  return lister<Pod>(pods)
    .list({ namespace: metadata.namespace })
    .filter(({ spec }) => spec.resourceClaims?.some((one) => one.resourceClaimTemplateName === metadata.name))
    .map(keyOf);
}

const ownerOf = ({ metadata }: ResourceClaim) =>
  metadata.ownerReferences?.find(
    ({ kind, apiVersion, controller }) => controller && kind === 'Pod' && apiVersion === 'v1',
  );

/** The name of the pod's claim, made if need be. Undefined: the claim is for its user to make, or its template is. */
async function claimFor(pod: Pod, one: PodResourceClaim, context: ReconcileContext): Promise<string | undefined> {
  const { lister, events } = context;
  const { namespace } = pod.metadata;
  if (one.resourceClaimName) return one.resourceClaimName;
  const known = lister<ResourceClaim>(resourceClaims)
    .controlledBy(pod.metadata.uid!)
    .find(({ metadata }) => metadata.annotations?.[podClaimAnnotation] === one.name && !metadata.deletionTimestamp);
  if (known !== undefined) return known.metadata.name;
  const template = lister<ResourceClaimTemplate>(resourceClaimTemplates).get(
    `${namespace}/${one.resourceClaimTemplateName}`,
  );
  const failed = (message: string) =>
    events.event(pod, 'Warning', 'FailedResourceClaimCreation', `PodResourceClaim ${one.name}: ${message}`);
  if (template === undefined) {
    failed(`resource claim template "${one.resourceClaimTemplateName}" not found`);
    return undefined;
  }
  try {
    const made = await context.client.create<ResourceClaim>(resourceClaims, resourceClaimFor(pod, one.name, template));
    return made.metadata.name;
  } catch (error) {
    failed(`create ResourceClaim: ${(error as Error).message}`);
    throw error;
  }
}

export function resourceClaimFor(pod: Pod, name: string, { spec }: ResourceClaimTemplate): ResourceClaim {
  const { name: podName = '', namespace } = pod.metadata;
  const length = podName.length + name.length + 2;
  const part = (text: string) =>
    length > longestBase ? text.slice(0, Math.floor((text.length * longestBase) / length)) : text;
  const { blockOwnerDeletion: _, ...owner } = controllerRef(pods, pod);
  return {
    metadata: {
      generateName: `${part(podName)}-${part(name)}-`,
      namespace,
      ...(spec.metadata?.labels && { labels: { ...spec.metadata.labels } }),
      annotations: { ...spec.metadata?.annotations, [podClaimAnnotation]: name },
      ownerReferences: [owner],
    },
    spec: cloneJson(spec.spec),
  };
}

async function tell(pod: Pod, made: ReadonlyMap<string, string>, { client }: ReconcileContext): Promise<void> {
  const told = pod.status?.resourceClaimStatuses ?? [];
  if ([...made].every(([name, claim]) => told.some((one) => one.name === name && one.resourceClaimName === claim)))
    return;
  const resourceClaimStatuses = [
    ...told.filter(({ name }) => !made.has(name)),
    ...Array.from(made, ([name, resourceClaimName]) => ({ name, resourceClaimName })),
  ];
  const { uid } = pod.metadata;
  const body = { metadata: { uid }, status: { resourceClaimStatuses } };
  await client.patch(pods, refOf(pod), { type: 'merge', body }, { subresource: 'status' }).catch(ignoreGone);
}

/** A pod that got its node without our scheduler holds its claims all the same. */
async function hold(pod: Pod, name: string, { client, lister }: ReconcileContext): Promise<void> {
  const claim = lister<ResourceClaim>(resourceClaims).get(`${pod.metadata.namespace}/${name}`);
  const { allocation, reservedFor = [] } = claim?.status ?? {};
  if (claim === undefined || allocation === undefined || reservedFor.length >= mostConsumers) return;
  if (reservedFor.some(({ uid }) => uid === pod.metadata.uid)) return;
  const consumer = { resource: 'pods', name: pod.metadata.name!, uid: pod.metadata.uid! };
  const status = { ...claim.status, reservedFor: [...reservedFor, consumer] };
  await client.update<ResourceClaim>(resourceClaims, { ...claim, status }, { subresource: 'status' });
}

/** Takes claims back from pods that are through, and removes those that were made for them. */
export const resourceClaimCleaner: Controller<ResourceClaim> = {
  name: 'resource-claim-controller',
  account,
  for: resourceClaims,
  watches: [
    { resource: pods, when: (_old, pod) => pod === undefined || (usesClaims(pod) && isDone(pod)), keys: claimsOfPod },
  ],
  async reconcile(key, context) {
    const claim = context.lister<ResourceClaim>(resourceClaims).get(key);
    if (claim === undefined) return;
    const { namespace } = claim.metadata;
    const podOf = (name: string, uid: string) => {
      const pod = context.lister<Pod>(pods).get(`${namespace}/${name}`);
      return pod?.metadata.uid === uid ? pod : undefined;
    };
    const reserved = claim.status?.reservedFor ?? [];
    const remaining = [];
    for (const one of reserved) {
      if (one.apiGroup || one.resource !== 'pods') remaining.push(one);
      else {
        const pod = podOf(one.name, one.uid) ?? (await asked(claim, one.name, one.uid, context));
        if (pod !== undefined && !isDone(pod)) remaining.push(one);
      }
    }
    const left = await giveBack(claim, remaining, context);
    const owner = ownerOf(claim);
    if (left === undefined || remaining.length > 0 || owner === undefined || claim.metadata.deletionTimestamp) return;
    const pod = context.lister<Pod>(pods).get(`${namespace}/${owner.name}`);
    // one whose pod is gone is left to the garbage collector
    if (pod === undefined || (pod.metadata.uid === owner.uid && !isDone(pod))) return;
    await context.client
      .delete(resourceClaims, refOf(claim), { preconditions: { uid: claim.metadata.uid! } })
      .catch(ignoreGone);
  },
};

function claimsOfPod(pod: Pod, { lister }: ReconcileContext): string[] {
  const { namespace, uid } = pod.metadata;
  if (!usesClaims(pod)) return [];
  const named = pod.spec.resourceClaims!.flatMap(({ resourceClaimName: name }) =>
    name ? [`${namespace}/${name}`] : [],
  );
  return [...named, ...lister<ResourceClaim>(resourceClaims).controlledBy(uid!).map(keyOf)];
}

/** A pod that the cache does not know may be too new for it. */
async function asked(
  { metadata }: ResourceClaim,
  name: string,
  uid: string,
  { client }: ReconcileContext,
): Promise<Pod | undefined> {
  const pod = await client.get<Pod>(pods, { namespace: metadata.namespace, name }).catch((error: unknown) => {
    ignoreGone(error);
    return undefined;
  });
  return pod?.metadata.uid === uid ? pod : undefined;
}

type Consumers = NonNullable<NonNullable<ResourceClaim['status']>['reservedFor']>;

/** Undefined when the claim is gone. */
async function giveBack(
  claim: ResourceClaim,
  remaining: Consumers,
  { client }: ReconcileContext,
): Promise<ResourceClaim | undefined> {
  const { reservedFor = [], allocation, ...rest } = claim.status ?? {};
  const isOurs = claim.metadata.finalizers?.includes(protection) ?? false;
  const unused = isOurs && remaining.length === 0;
  const freed = remaining.length < reservedFor.length;
  if (!freed && !(unused && claim.metadata.deletionTimestamp)) return claim;
  try {
    const status = {
      ...rest,
      ...(remaining.length > 0 && { reservedFor: remaining }),
      ...(allocation && !unused && { allocation }),
    };
    const written =
      freed || allocation
        ? await client.update<ResourceClaim>(resourceClaims, { ...claim, status }, { subresource: 'status' })
        : claim;
    if (!unused) return written;
    const finalizers = written.metadata.finalizers!.filter((one) => one !== protection);
    return await client.update<ResourceClaim>(resourceClaims, {
      ...written,
      metadata: { ...written.metadata, finalizers },
    });
  } catch (error) {
    ignoreGone(error);
    return undefined;
  }
}

function ignoreGone(error: unknown): void {
  if (!isStatusError(error, 'NotFound')) throw error;
}
