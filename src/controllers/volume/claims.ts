/** A claim gets its volume: one that is there, or one that is made for it. */
import {
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
  type Pod,
  pods,
  type StorageClass,
  storageClasses,
} from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import { cloneJson, equalJson, isStatusError, keyOf } from '../../machinery/index.ts';
import { annotations, bestFor, classOf, isFor, mismatch } from './matching.ts';
import type { Provisioner } from './provisioner.ts';

export function claimBinder(provisioner: Provisioner | undefined): Controller<PersistentVolumeClaim> {
  return {
    name: 'persistentvolumeclaim-binder',
    account: 'persistent-volume-binder',
    for: persistentVolumeClaims,
    watches: [
      {
        // a claim tells whom it waits for
        resource: pods,
        when: (old: Pod | undefined, pod: Pod | undefined) => old === undefined && !pod?.spec.nodeName,
        keys: (pod: Pod, { lister }) =>
          claimKeysOf(pod).filter((key) => lister(persistentVolumeClaims).get(key)?.spec.volumeName === undefined),
      },
      {
        resource: persistentVolumes,
        keys: (volume: PersistentVolume, { lister }) => {
          const { claimRef } = volume.spec;
          if (claimRef !== undefined) return [`${claimRef.namespace}/${claimRef.name}`];
          // free: for whoever waits for one of its class
          return lister(persistentVolumeClaims)
            .list()
            .filter((claim) => !claim.spec.volumeName && classOf(claim) === classOf(volume))
            .map(keyOf);
        },
      },
      {
        resource: storageClasses,
        keys: ({ metadata }: StorageClass, { lister }) =>
          lister(persistentVolumeClaims)
            .list()
            .filter((claim) => !claim.spec.volumeName && classOf(claim) === metadata.name)
            .map(keyOf),
      },
    ],
    // one after the other: two claims do not take the same volume
    concurrency: 1,
    async reconcile(key, context) {
      const claim = context.lister(persistentVolumeClaims).get(key);
      if (claim === undefined) return;
      if (claim.metadata.annotations?.[annotations.bound] !== undefined) return keepBound(claim, context);
      if (claim.metadata.deletionTimestamp !== undefined) return;
      if (claim.spec.volumeName) return bindNamed(claim, context);
      await findFor(claim, context, provisioner);
    },
  };
}

async function keepBound(claim: PersistentVolumeClaim, context: ReconcileContext): Promise<void> {
  const volume = context.lister(persistentVolumes).get(claim.spec.volumeName ?? '');
  if (volume === undefined) {
    const there = await context.client
      .get(persistentVolumes, { name: claim.spec.volumeName ?? '' })
      .catch((error: unknown) => {
        if (isStatusError(error, 'NotFound', 'BadRequest')) return undefined;
        throw error;
      });
    if (there === undefined)
      await lose(claim, 'ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!', context);
    return;
  }
  if (volume.spec.claimRef === undefined || isFor(volume, claim)) return bind(volume, claim, context);
  const message = 'Two claims are bound to the same volume, this one is bound incorrectly';
  await lose(claim, 'ClaimMisbound', message, context);
}

async function lose(claim: PersistentVolumeClaim, reason: string, message: string, context: ReconcileContext) {
  if (claim.status?.phase === 'Lost') return;
  await context.client.update(
    persistentVolumeClaims,
    { ...claim, status: { ...claim.status, phase: 'Lost' } },
    { subresource: 'status' },
  );
  context.events.event(claim, 'Warning', reason, message);
}

/** The claim names the volume that it wants. */
async function bindNamed(claim: PersistentVolumeClaim, context: ReconcileContext): Promise<void> {
  const volume = context.lister(persistentVolumes).get(claim.spec.volumeName!);
  if (volume === undefined) return pending(claim, context);
  const { claimRef } = volume.spec;
  if (claimRef !== undefined && !isFor(volume, claim)) {
    context.events.event(
      claim,
      'Warning',
      'FailedBinding',
      `volume "${volume.metadata.name}" already bound to a different claim.`,
    );
    return pending(claim, context);
  }
  const problem = mismatch(volume, claim);
  if (problem === undefined) return bind(volume, claim, context);
  const message = `Cannot bind to requested volume "${volume.metadata.name}": ${problem}`;
  context.events.event(claim, 'Warning', 'VolumeMismatch', message);
  await pending(claim, context);
}

async function findFor(
  claim: PersistentVolumeClaim,
  context: ReconcileContext,
  provisioner: Provisioner | undefined,
): Promise<void> {
  const { events, lister } = context;
  const name = classOf(claim);
  const storageClass = name === '' ? undefined : lister(storageClasses).get(name);
  const node = claim.metadata.annotations?.[annotations.selectedNode];
  const waits = storageClass?.volumeBindingMode === 'WaitForFirstConsumer' && node === undefined;
  const volume = bestFor(claim, lister(persistentVolumes).list(), waits);
  if (volume !== undefined) return bind(volume, claim, context);
  if (waits) {
    const waiting = unscheduledUsers(claim, context);
    const [reason, message] =
      waiting.length === 0
        ? ['WaitForFirstConsumer', 'waiting for first consumer to be created before binding']
        : [
            'WaitForPodScheduled',
            `waiting for ${waiting.length > 1 ? 'pods' : 'pod'} ${waiting.join(',')} to be scheduled`,
          ];
    events.event(claim, 'Normal', reason!, message!);
  } else if (name === '') {
    const message = 'no persistent volumes available for this claim and no storage class is set';
    events.event(claim, 'Normal', 'FailedBinding', message);
  } else if (storageClass === undefined) {
    events.event(claim, 'Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io "${name}" not found`);
  } else if (provisioner?.name === storageClass.provisioner) return provisioner.provision(claim, storageClass, context);
  else await leaveToOthers(claim, storageClass, context);
  await pending(claim, context);
}

/** Names of the pods that use the claim and have no node yet. */
function unscheduledUsers(claim: PersistentVolumeClaim, { informer }: ReconcileContext): string[] {
  return informer<Pod>(pods)
    .indexBy(
      'claims',
      claimKeysOf,
    )(keyOf(claim))
    .filter((pod) => !pod.spec.nodeName && !hasEnded(pod))
    .map((pod) => pod.metadata.name!)
    .toSorted();
}

function hasEnded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

/** `namespace/name` of each claim that a pod uses. */
function claimKeysOf({ metadata, spec }: Pod): string[] {
  return (spec.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    if (persistentVolumeClaim !== undefined) return [`${metadata.namespace}/${persistentVolumeClaim.claimName}`];
    return ephemeral === undefined ? [] : [`${metadata.namespace}/${metadata.name}-${name}`];
  });
}

/** Tells the driver of that name. */
async function leaveToOthers(claim: PersistentVolumeClaim, { provisioner }: StorageClass, context: ReconcileContext) {
  if (provisioner === 'kubernetes.io/no-provisioner') return;
  const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
  context.events.event(claim, 'Normal', 'ExternalProvisioning', message);
  if (claim.metadata.annotations?.[annotations.provisioner] === provisioner) return;
  const next = cloneJson(claim);
  next.metadata.annotations = { ...next.metadata.annotations, [annotations.provisioner]: provisioner };
  await context.client.update(persistentVolumeClaims, next);
}

async function pending(claim: PersistentVolumeClaim, { client, lister }: ReconcileContext): Promise<void> {
  const current = lister(persistentVolumeClaims).get(keyOf(claim)) ?? claim;
  if (current.status?.phase === 'Pending') return;
  const next = { ...current, status: { ...current.status, phase: 'Pending' as const } };
  await client.update(persistentVolumeClaims, next, { subresource: 'status' });
}

/** In four writes, each of which may be the last before a crash: what is there already is not written again. */
async function bind(
  volume: PersistentVolume,
  claim: PersistentVolumeClaim,
  { client }: ReconcileContext,
): Promise<void> {
  const { namespace, name, uid, resourceVersion } = claim.metadata;
  let held = volume;
  if (volume.spec.claimRef?.uid !== uid) {
    const next = cloneJson(volume);
    if (volume.spec.claimRef === undefined)
      next.metadata.annotations = { ...next.metadata.annotations, [annotations.boundByController]: 'yes' };
    const kind = 'PersistentVolumeClaim';
    next.spec.claimRef = { apiVersion: 'v1', kind, namespace, name, uid, resourceVersion };
    held = await client.update(persistentVolumes, next);
  }
  if (held.status?.phase !== 'Bound')
    await client.update(persistentVolumes, { ...held, status: { phase: 'Bound' } }, { subresource: 'status' });
  let own = claim;
  if (claim.spec.volumeName !== volume.metadata.name || claim.metadata.annotations?.[annotations.bound] === undefined) {
    const next = cloneJson(claim);
    const added: Record<string, string> = claim.spec.volumeName ? {} : { [annotations.boundByController]: 'yes' };
    next.metadata.annotations = { ...next.metadata.annotations, ...added, [annotations.bound]: 'yes' };
    next.spec.volumeName = volume.metadata.name;
    own = await client.update(persistentVolumeClaims, next);
  }
  const { accessModes, capacity, volumeAttributesClassName } = volume.spec;
  const status = {
    ...own.status,
    phase: 'Bound' as const,
    accessModes,
    capacity: own.status?.phase === 'Bound' ? own.status.capacity : capacity,
    ...(volumeAttributesClassName && { currentVolumeAttributesClassName: volumeAttributesClassName }),
  };
  if (!equalJson(own.status, status))
    await client.update(persistentVolumeClaims, { ...own, status }, { subresource: 'status' });
}
