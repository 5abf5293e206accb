import {
  persistentVolumeClaims,
  persistentVolumes,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  type StorageClass,
} from '../../api/index.ts';
import { labelSelectorAsSelector, type LabelSelector, quantityValue } from '../../machinery/index.ts';
import type { Cycle, Plugin, Rejection } from '../framework.ts';
import type { Handle } from '../handle.ts';
import type { NodeInfo } from '../nodeinfo.ts';
import { matchesNodeSelector } from './nodeaffinity.ts';
import { claimsOf, classNameOf, type ClaimUse, isBound, volumeListers, type VolumeListers } from './volumeclaims.ts';

const name = 'VolumeBinding';
const selectedNode = 'volume.kubernetes.io/selected-node';
const noProvisioner = 'kubernetes.io/no-provisioner';

interface Claims {
  readonly bound: readonly PersistentVolumeClaim[];
  /** Those that wait for a pod's node before they get a volume. */
  readonly delayed: readonly PersistentVolumeClaim[];
}

interface Decision {
  readonly binds: readonly { claim: PersistentVolumeClaim; volume: PersistentVolume }[];
  readonly provisions: readonly PersistentVolumeClaim[];
}

const unmatched: Rejection = { reason: "node(s) didn't find available persistent volumes to bind", unresolvable: true };
const elsewhere: Rejection = { reason: "node(s) didn't match PersistentVolume's node affinity", unresolvable: true };
const gone: Rejection = {
  reason: 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
  unresolvable: true,
};

export interface VolumeBindingArgs {
  /** How long a pod waits for its volumes after it has got a node; 600 when absent. */
  bindTimeoutSeconds?: number;
}

export const volumeBinding = ({ bindTimeoutSeconds = 600 }: VolumeBindingArgs = {}, handle: Handle): Plugin => {
  const listers = volumeListers(handle);
  /** Volumes that are meant for a claim by an attempt that is not written yet: their names, and the claims' uids. */
  const assumed = new Map<string, string>();
  const decide = (cycle: Cycle, node: NodeInfo) => decideFor(cycle.state.get(name) as Claims, node, listers, assumed);
  return {
    name,
    preFilter(cycle) {
      const uses = claimsOf(cycle.pod);
      if (uses.length === 0) return 'skip';
      const claims = sort(cycle.pod, uses, listers);
      if ('reason' in claims) return claims;
      cycle.state.set(name, claims);
      return undefined;
    },
    filter(cycle, node) {
      const decision = decide(cycle, node);
      return 'reason' in decision ? decision : undefined;
    },
    reserve(cycle, node) {
      if (cycle.state.get(name) === undefined) return undefined;
      const decision = decide(cycle, node);
      if ('reason' in decision) return decision;
      cycle.state.set(`${name}Decision`, decision);
      for (const { claim, volume } of decision.binds) assumed.set(volume.metadata.name!, claim.metadata.uid!);
      return undefined;
    },
    unreserve(cycle) {
      const decision = cycle.state.get(`${name}Decision`) as Decision | undefined;
      for (const { volume } of decision?.binds ?? []) assumed.delete(volume.metadata.name!);
    },
    async preBind(cycle, node, signal) {
      const decision = cycle.state.get(`${name}Decision`) as Decision | undefined;
      if (decision === undefined || decision.binds.length + decision.provisions.length === 0) return;
      try {
        await write(handle, decision, node.name, signal);
        const claims = [...decision.binds.map(({ claim }) => claim), ...decision.provisions];
        await allBound(handle, claims, bindTimeoutSeconds * 1000, node.name, signal);
      } finally {
        for (const { volume } of decision.binds) assumed.delete(volume.metadata.name!);
      }
    },
    events: ['NodeAdd', 'NodeUpdate', 'PersistentVolume', 'PersistentVolumeClaim', 'StorageClass', 'CSINode'],
    helps: (pod, event, _old, object) =>
      event !== 'PersistentVolumeClaim' ||
      object === undefined ||
      (object.metadata.namespace === pod.metadata.namespace &&
        claimsOf(pod).some((use) => use.name === object.metadata.name)),
  };
};

function sort(pod: Pod, uses: readonly ClaimUse[], { claims, classes }: VolumeListers): Claims | Rejection {
  const bound: PersistentVolumeClaim[] = [];
  const delayed: PersistentVolumeClaim[] = [];
  const refuse = (reason: string): Rejection => ({ reason, unresolvable: true });
  for (const use of uses) {
    const claim = claims.get(`${pod.metadata.namespace}/${use.name}`);
    if (claim === undefined) {
      if (use.ephemeral)
        return refuse(`waiting for ephemeral volume controller to create the persistentvolumeclaim "${use.name}"`);
      return refuse(`persistentvolumeclaim "${use.name}" not found`);
    }
    if (use.ephemeral && !claim.metadata.ownerReferences?.some((one) => one.uid === pod.metadata.uid))
      return refuse(
        `PVC ${pod.metadata.namespace}/${use.name} was not created for pod ${pod.metadata.namespace}/${pod.metadata.name} (pod is not owner)`,
      );
    if (claim.metadata.deletionTimestamp) return refuse(`persistentvolumeclaim "${use.name}" is being deleted`);
    if (claim.status?.phase === 'Lost')
      return refuse(
        `persistentvolumeclaim "${use.name}" bound to non-existent persistentvolume "${claim.spec.volumeName}"`,
      );
    if (isBound(claim)) bound.push(claim);
    else if (!claim.spec.volumeName && classes.get(classNameOf(claim))?.volumeBindingMode === 'WaitForFirstConsumer')
      delayed.push(claim);
    else return refuse('pod has unbound immediate PersistentVolumeClaims');
  }
  return { bound, delayed };
}

function decideFor(
  { bound, delayed }: Claims,
  node: NodeInfo,
  listers: VolumeListers,
  assumed: ReadonlyMap<string, string>,
): Decision | Rejection {
  for (const { spec } of bound) {
    const volume = listers.volumes.get(spec.volumeName!);
    if (volume === undefined) return gone;
    if (!reaches(volume, node)) return elsewhere;
  }
  const binds: Decision['binds'][number][] = [];
  const provisions: PersistentVolumeClaim[] = [];
  for (const claim of delayed) {
    const chosen = claim.metadata.annotations?.[selectedNode];
    if (chosen !== undefined) {
      if (chosen !== node.name) return unmatched;
      provisions.push(claim);
      continue;
    }
    const taken = new Set(binds.map(({ volume }) => volume.metadata.name));
    const volume = smallest(claim, node, listers, (one) => {
      const holder = assumed.get(one.metadata.name!);
      return !taken.has(one.metadata.name) && (holder === undefined || holder === claim.metadata.uid);
    });
    if (volume !== undefined) binds.push({ claim, volume });
    else if (provisionable(listers.classes.get(classNameOf(claim)), node)) provisions.push(claim);
    else return unmatched;
  }
  return { binds, provisions };
}

function reaches({ spec }: PersistentVolume, { node }: NodeInfo): boolean {
  const required = spec.nodeAffinity?.required;
  return required === undefined || matchesNodeSelector(required, node);
}

/** The smallest volume that the claim can have and the node can reach; one that is kept for the claim goes before. */
function smallest(
  claim: PersistentVolumeClaim,
  node: NodeInfo,
  { volumes }: VolumeListers,
  free: (volume: PersistentVolume) => boolean,
): PersistentVolume | undefined {
  const { namespace, name: claimName, uid } = claim.metadata;
  const selector = claim.spec.selector && labelSelectorAsSelector(claim.spec.selector as LabelSelector);
  const wanted = quantityValue(claim.spec.resources?.requests?.storage ?? '0');
  let best: PersistentVolume | undefined;
  for (const volume of volumes.list()) {
    const { spec, status, metadata } = volume;
    if ((spec.storageClassName ?? '') !== classNameOf(claim) || !free(volume) || !reaches(volume, node)) continue;
    if ((spec.volumeMode ?? 'Filesystem') !== (claim.spec.volumeMode ?? 'Filesystem')) continue;
    if (!claim.spec.accessModes?.every((mode) => spec.accessModes?.includes(mode))) continue;
    const size = quantityValue(spec.capacity?.storage ?? '0');
    if (size < wanted || metadata.deletionTimestamp) continue;
    const { claimRef } = spec;
    if (claimRef !== undefined) {
      const ours = claimRef.namespace === namespace && claimRef.name === claimName;
      if (!ours || (claimRef.uid && claimRef.uid !== uid)) continue;
      return volume;
    }
    if (status?.phase !== 'Available' || selector?.matches(metadata.labels) === false) continue;
    if (best === undefined || size < quantityValue(best.spec.capacity?.storage ?? '0')) best = volume;
  }
  return best;
}

function provisionable(storageClass: StorageClass | undefined, { labels }: NodeInfo): boolean {
  if (storageClass === undefined || !storageClass.provisioner || storageClass.provisioner === noProvisioner)
    return false;
  const terms = storageClass.allowedTopologies ?? [];
  return (
    terms.length === 0 ||
    terms.some(({ matchLabelExpressions = [] }) =>
      matchLabelExpressions.every(({ key, values }) => labels[key] !== undefined && values.includes(labels[key])),
    )
  );
}

async function write({ client }: Handle, { binds, provisions }: Decision, node: string, signal: AbortSignal) {
  const volumes = binds.map(({ claim, volume }) => {
    const { namespace, name: claimName, uid, resourceVersion } = claim.metadata;
    const claimRef = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      namespace,
      name: claimName,
      uid,
      resourceVersion,
    };
    const body = {
      metadata: {
        resourceVersion: volume.metadata.resourceVersion,
        annotations: { 'pv.kubernetes.io/bound-by-controller': 'yes' },
      },
      spec: { claimRef },
    };
    return client.patch(persistentVolumes, { name: volume.metadata.name! }, { type: 'merge', body }, { signal });
  });
  const claims = provisions.map(({ metadata }) => {
    const body = { metadata: { uid: metadata.uid, annotations: { [selectedNode]: node } } };
    const ref = { name: metadata.name!, namespace: metadata.namespace! };
    return client.patch(persistentVolumeClaims, ref, { type: 'merge', body }, { signal });
  });
  await Promise.all([...volumes, ...claims]);
}

/** Rejects when the time is over, a claim is gone, or its provisioner asks for another node. */
function allBound(
  handle: Handle,
  claims: readonly PersistentVolumeClaim[],
  milliseconds: number,
  node: string,
  signal: AbortSignal,
): Promise<void> {
  const informer = handle.informer(persistentVolumeClaims);
  return new Promise((resolve, reject) => {
    const stops: (() => void)[] = [];
    const end = (error?: Error) => {
      for (const stop of stops) stop();
      if (error === undefined) resolve();
      else reject(error);
    };
    const look = () => {
      let waiting = false;
      for (const { metadata } of claims) {
        const now = informer.lister.get(`${metadata.namespace}/${metadata.name}`);
        if (now === undefined || now.metadata.uid !== metadata.uid)
          return end(new Error(`persistentvolumeclaim "${metadata.name}" is gone`));
        if (isBound(now)) continue;
        waiting = true;
        const chosen = now.metadata.annotations?.[selectedNode];
        if (written.has(metadata.uid!) && chosen !== undefined && chosen !== node)
          return end(new Error(`persistentvolumeclaim "${metadata.name}" is meant for node "${chosen}" by now`));
        if (written.has(metadata.uid!) && chosen === undefined)
          return end(new Error(`no volume could be made for persistentvolumeclaim "${metadata.name}" on the node`));
        if (chosen === node) written.add(metadata.uid!);
      }
      if (!waiting) end();
    };
    const written = new Set<string>();
    const timer = handle.clock.after(milliseconds, () =>
      end(new Error(`the pod's volumes were not bound within ${milliseconds / 1000} s`)),
    );
    stops.push(() => timer.cancel());
    const aborted = () => end(new Error('stopping'));
    signal.addEventListener('abort', aborted, { once: true });
    stops.push(() => signal.removeEventListener('abort', aborted));
    // telling what is there looks at once, before there is anything to stop
    let adding = true;
    const changed = () => {
      if (!adding) look();
    };
    stops.push(informer.addHandler({ onAdd: changed, onUpdate: changed, onDelete: changed }));
    adding = false;
    look();
  });
}
