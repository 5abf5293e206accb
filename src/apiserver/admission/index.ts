/**
 * What is done to and asked of an object between its arrival and its storing, beyond its kind's own rules. The order is this list, which is
 * upstream's: first all that change, then all that only refuse.
 */
import type { Admission, AdmissionRequest, AdmissionStep } from '../registry/context.ts';
import type { WebhookClient } from '../webhooks/index.ts';
import {
  certificateApproval,
  certificateRequester,
  certificateSigning,
  certificateSubjectRestriction,
  clusterTrustBundleAttest,
} from './certificates.ts';
import { persistentVolumeClaimResize } from './claimresize.ts';
import { defaultIngressClass } from './defaultingressclass.ts';
import { nodeRestriction } from './noderestriction.ts';
import { podTopologyLabels } from './podtopologylabels.ts';
import { storageObjectInUseProtection } from './storageprotection.ts';
import { defaultTolerationSeconds } from './defaulttolerationseconds.ts';
import { limitRanger } from './limitranger.ts';
import { namespaceLifecycle } from './namespacelifecycle.ts';
import { policyExpressions } from './policies/expressions.ts';
import { mutatingPolicies } from './policies/mutating.ts';
import { validatingPolicies } from './policies/validating.ts';
import { podSecurity } from './podsecurity/index.ts';
import { priority } from './priority.ts';
import { resourceQuota } from './resourcequota.ts';
import { runtimeClass } from './runtimeclass.ts';
import { serviceAccount } from './serviceaccount.ts';
import { storageClass } from './storageclass.ts';
import { taintNodes } from './taintnodes.ts';
import { mutatingWebhooks } from './webhooks/mutating.ts';
import { validatingWebhooks } from './webhooks/validating.ts';
import { rbacEscalation } from './rbacescalation.ts';

/** What steps reach beyond the server with. */
export interface AdmissionMeans {
  readonly webhooks: WebhookClient;
}

/** For one server: some steps remember what they wait for. */
export function admissionSteps({ webhooks }: AdmissionMeans): AdmissionStep[] {
  return [
    namespaceLifecycle,
    limitRanger,
    serviceAccount,
    nodeRestriction,
    taintNodes,
    podSecurity,
    priority,
    defaultTolerationSeconds,
    storageClass,
    storageObjectInUseProtection,
    persistentVolumeClaimResize,
    runtimeClass,
    certificateRequester,
    certificateApproval,
    certificateSigning,
    clusterTrustBundleAttest,
    certificateSubjectRestriction,
    defaultIngressClass,
    podTopologyLabels,
    rbacEscalation,
    policyExpressions,
    mutatingPolicies(),
    mutatingWebhooks(webhooks),
    validatingPolicies(),
    validatingWebhooks(webhooks),
    // the last, so that nothing is counted that is refused
    resourceQuota(),
  ];
}

/** The steps in order; for each resource and operation, only those that look at it. */
export function admissionOf(list: readonly AdmissionStep[]): Admission {
  const chosen = new Map<string, Chosen>();
  const stepsFor = ({ call, operation }: AdmissionRequest): Chosen => {
    const { kind } = call.served;
    const key = `${operation} ${kind.group}/${kind.resource}`;
    let found = chosen.get(key);
    if (found === undefined) {
      found = choose(list, operation, `${kind.group}/${kind.resource}`);
      chosen.set(key, found);
    }
    return found;
  };
  return {
    async admit(request) {
      const { changing } = stepsFor(request);
      const round = { wanted: false, again: false };
      await run(changing, (step) => step.admit!(request, round));
      if (!round.wanted) return;
      round.again = true;
      await run(changing, (step) => step.admit!(request, round));
    },
    validate: (request) => run(stepsFor(request).refusing, (step) => step.validate!(request)),
  };
}

interface Chosen {
  readonly changing: readonly AdmissionStep[];
  readonly refusing: readonly AdmissionStep[];
}

function choose(list: readonly AdmissionStep[], operation: AdmissionRequest['operation'], resource: string): Chosen {
  const some = list.filter(
    (step) => step.operations.includes(operation) && (step.resources?.includes(resource) ?? true),
  );
  return { changing: some.filter((step) => step.admit), refusing: some.filter((step) => step.validate) };
}

async function run(
  steps: readonly AdmissionStep[],
  perform: (step: AdmissionStep) => void | Promise<void>,
): Promise<void> {
  for (const step of steps) {
    const pending = perform(step);
    if (pending !== undefined) await pending;
  }
}

export type { Admission, AdmissionRequest, AdmissionStep };
