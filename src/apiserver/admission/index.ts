/**
 * What is done to and asked of an object between its arrival and its storing, beyond its kind's own rules. The order is this list, which is
 * upstream's: first all that change, then all that only refuse.
 */
import type { Admission, AdmissionRequest, AdmissionStep } from '../registry/context.ts';
import type { Clock } from '../../machinery/index.ts';
import type { WebhookClient } from '../webhooks/index.ts';
import {
  certificateApproval,
  certificateRequester,
  certificateSigning,
  certificateSubjectRestriction,
  clusterTrustBundleAttest,
} from './certificates.ts';
import { persistentVolumeClaimResize } from './claimresize.ts';
import type { AdmissionCounts, Phase, StepSeries } from './counts.ts';
import { defaultIngressClass } from './defaultingressclass.ts';
import { deviceAdminAccess } from './deviceadminaccess.ts';
import { nodeRestriction } from './noderestriction.ts';
import { podGroupWorkloadExists } from './podgroup.ts';
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
  readonly counts: AdmissionCounts;
}

/** For one server: some steps remember what they wait for. */
export function admissionSteps(means: AdmissionMeans): AdmissionStep[] {
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
    podGroupWorkloadExists,
    deviceAdminAccess,
    rbacEscalation,
    policyExpressions,
    mutatingPolicies(),
    mutatingWebhooks(means),
    validatingPolicies(means.counts),
    validatingWebhooks(means),
    // the last, so that nothing is counted that is refused
    resourceQuota(),
  ];
}

/** The steps in order; for each resource and operation, only those that look at it. */
export function admissionOf(list: readonly AdmissionStep[], counts: AdmissionCounts, clock: Clock): Admission {
  const chosen = new Map<string, Chosen>();
  const stepsFor = ({ call, operation }: AdmissionRequest): Chosen => {
    const { kind } = call.served;
    const key = `${operation} ${kind.group}/${kind.resource}`;
    let found = chosen.get(key);
    if (found === undefined) {
      found = choose(list, operation, `${kind.group}/${kind.resource}`, counts);
      chosen.set(key, found);
    }
    return found;
  };
  return {
    async admit(request) {
      const { admit } = stepsFor(request);
      const round = { wanted: false, again: false };
      await run(admit, clock, (step) => step.admit!(request, round));
      if (!round.wanted) return;
      round.again = true;
      await run(admit, clock, (step) => step.admit!(request, round));
    },
    validate: (request) => run(stepsFor(request).validate, clock, (step) => step.validate!(request)),
  };
}

/** The steps of a phase, and where each is counted. */
interface ChosenPhase {
  readonly series: StepSeries;
  readonly steps: readonly { readonly step: AdmissionStep; readonly series: StepSeries }[];
}

type Chosen = Readonly<Record<Phase, ChosenPhase>>;

function choose(
  list: readonly AdmissionStep[],
  operation: AdmissionRequest['operation'],
  resource: string,
  counts: AdmissionCounts,
): Chosen {
  const some = list.filter(
    (step) => step.operations.includes(operation) && (step.resources?.includes(resource) ?? true),
  );
  const phaseOf = (phase: Phase): ChosenPhase => ({
    series: counts.phase(phase, operation),
    steps: some
      .filter((step) => step[phase])
      .map((step) => ({ step, series: counts.step(step.name, phase, operation) })),
  });
  return { admit: phaseOf('admit'), validate: phaseOf('validate') };
}

async function run(
  { steps, series: whole }: ChosenPhase,
  clock: Clock,
  perform: (step: AdmissionStep) => void | Promise<void>,
): Promise<void> {
  const began = clock.monotonic();
  let before = began;
  for (const { step, series } of steps) {
    try {
      const pending = perform(step);
      if (pending !== undefined) await pending;
    } catch (error) {
      const now = clock.monotonic();
      series.refused().observe((now - before) / 1000);
      whole.refused().observe((now - began) / 1000);
      throw error;
    }
    const now = clock.monotonic();
    series.passed.observe((now - before) / 1000);
    before = now;
  }
  whole.passed.observe((before - began) / 1000);
}

export type { Admission, AdmissionRequest, AdmissionStep };
export { AdmissionCounts } from './counts.ts';
