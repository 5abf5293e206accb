/** What a Job's pod failure policy says of a pod that failed. Pure. */
import type { ContainerStatus, Job, Pod, PodFailurePolicyRule } from '../../api/index.ts';

export interface Verdict {
  action: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count';
  message?: string;
}

/** The first rule that applies decides. */
export function verdictOn(job: Job, pod: Pod): Verdict {
  const rules = job.spec.podFailurePolicy?.rules ?? [];
  for (const [i, rule] of rules.entries()) {
    const why = applies(rule, pod);
    if (why === undefined) continue;
    const message = `${why} matching ${rule.action} rule at index ${i}`;
    return { action: rule.action, message };
  }
  return { action: 'Count' };
}

function applies(
  { onExitCodes, onPodConditions }: PodFailurePolicyRule,
  { metadata, status }: Pod,
): string | undefined {
  const name = `${metadata.namespace}/${metadata.name}`;
  if (onExitCodes) {
    const all: ContainerStatus[] = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
    const { containerName, operator, values } = onExitCodes;
    const found = all.find(({ name: container, state }) => {
      const code = state?.terminated?.exitCode ?? 0;
      return (
        code !== 0 && (!containerName || containerName === container) && values.includes(code) === (operator === 'In')
      );
    });
    return (
      found && `Container ${found.name} for pod ${name} failed with exit code ${found.state!.terminated!.exitCode}`
    );
  }
  for (const pattern of onPodConditions ?? []) {
    const found = status?.conditions?.find(
      ({ type, status: is }) => type === pattern.type && is === (pattern.status || 'True'),
    );
    if (found) return `Pod ${name} has condition ${found.type}`;
  }
  return undefined;
}
