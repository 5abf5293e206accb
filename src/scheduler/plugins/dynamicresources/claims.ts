/** Which claims a pod names, as far as they are there. Pure. */
import type { Pod, ResourceClaim } from '../../../api/index.ts';

/** The pod's claims, or why it has to wait for them. */
export function claimsOf(
  pod: Pod,
  find: (key: string) => ResourceClaim | undefined,
): readonly ResourceClaim[] | { reason: string } {
  const { namespace, name: podName, uid } = pod.metadata;
  const found: ResourceClaim[] = [];
  for (const { name, resourceClaimName, resourceClaimTemplateName } of pod.spec.resourceClaims ?? []) {
    const told = pod.status?.resourceClaimStatuses?.find((one) => one.name === name);
    // a template that asks for no claim at all is told by a status without a name
    if (resourceClaimTemplateName && told && !told.resourceClaimName) continue;
    const claimName = resourceClaimName ?? told?.resourceClaimName;
    if (!claimName) return { reason: `pod "${namespace}/${podName}": ResourceClaim not created yet` };
    const claim = find(`${namespace}/${claimName}`);
    if (claim === undefined) return { reason: `resourceclaim "${claimName}" not found` };
    if (claim.metadata.deletionTimestamp) return { reason: `resourceclaim "${claimName}" is being deleted` };
    if (resourceClaimTemplateName && !claim.metadata.ownerReferences?.some((one) => one.controller && one.uid === uid))
      return {
        reason: `ResourceClaim ${namespace}/${claimName} was not created for pod ${namespace}/${podName} (pod is not owner)`,
      };
    found.push(claim);
  }
  return found;
}
