/** A pod that claims devices must not run without them, and no driver can register with this agent: it says so, and keeps waiting. */
import type { Pod } from '../kinds.ts';
import type { Step } from '../work.ts';

const backoffKey = 'resource claims';

/** Claims that the pod has; a template that asks for none is told by a status without a name. Pure. */
export function claimsOf({ spec, status }: Pod): readonly string[] {
  return (spec?.resourceClaims ?? [])
    .filter(({ name, resourceClaimTemplateName }) => {
      const told = status?.resourceClaimStatuses?.find((one) => one.name === name);
      return !(resourceClaimTemplateName && told && !told.resourceClaimName);
    })
    .map(({ name }) => name);
}

export const claimsStep: Step = {
  name: 'claims',
  async run(work) {
    const claims = claimsOf(work.pod);
    // what runs already was let in before this agent came
    if (claims.length === 0 || work.truth.sandboxes.length > 0) return 'go';
    const { clock } = work.shared.context;
    const until = work.volumeBackoff.untilSinceUpdate(backoffKey);
    if (until === undefined) {
      const message = `Failed to prepare dynamic resources: claims ${claims.join(', ')}: DRA drivers cannot register with this node; use a node whose agent can, or take spec.resourceClaims out of the pod`;
      work.event('Warning', 'FailedPrepareDynamicResources', message);
      work.volumeBackoff.next(backoffKey, clock.now());
    }
    work.wakeAt(until ?? clock.now() + work.volumeBackoff.get(backoffKey));
    return 'wait';
  },
};
