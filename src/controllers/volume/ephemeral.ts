/** Volumes that live as long as their pod: each gets a claim of its own, which goes with the pod. */
import { type PersistentVolumeClaim, persistentVolumeClaims, type Pod, pods } from '../../api/index.ts';
import type { Controller } from '../../client/index.ts';
import { isStatusError, keyOf } from '../../machinery/index.ts';
import { controllerRef } from '../pods.ts';

export const ephemeralVolumes: Controller<Pod> = {
  name: 'ephemeral-volume-controller',
  for: pods,
  when: (old, pod) => pod !== undefined && old === undefined && hasEphemeral(pod),
  watches: [
    {
      resource: persistentVolumeClaims,
      when: (_old, claim) => claim === undefined,
      keys: ({ metadata }: PersistentVolumeClaim) =>
        (metadata.ownerReferences ?? [])
          .filter((owner) => owner.kind === 'Pod' && owner.controller)
          .map((owner) => `${metadata.namespace}/${owner.name}`),
    },
  ],
  async reconcile(key, { client, lister, events }) {
    const pod = lister(pods).get(key);
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined || !hasEphemeral(pod)) return;
    for (const { name, ephemeral } of pod.spec.volumes ?? []) {
      const template = ephemeral?.volumeClaimTemplate;
      if (template === undefined) continue;
      const claim: PersistentVolumeClaim = {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: {
          name: `${pod.metadata.name}-${name}`,
          namespace: pod.metadata.namespace,
          labels: template.metadata?.labels,
          annotations: template.metadata?.annotations,
          ownerReferences: [controllerRef(pods, pod)],
        },
        spec: template.spec,
      };
      const known = lister(persistentVolumeClaims).get(keyOf(claim));
      if (known !== undefined) {
        if (known.metadata.ownerReferences?.some((owner) => owner.uid === pod.metadata.uid)) continue;
        throw new Error(`PVC ${keyOf(claim)} was not created for pod ${key} (pod is not owner)`);
      }
      await client.create(persistentVolumeClaims, claim).catch((error: unknown) => {
        if (isStatusError(error, 'AlreadyExists')) return;
        const message = `ephemeral volume ${name}: create PVC ${claim.metadata.name}: ${(error as Error).message}`;
        events.event(pod, 'Warning', 'FailedBinding', message);
        throw error;
      });
    }
  },
};

function hasEphemeral({ spec }: Pod): boolean {
  return spec.volumes?.some((volume) => volume.ephemeral !== undefined) ?? false;
}
