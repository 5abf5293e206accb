/** What nodes and the scheduler may say of a pod. */
import { cause, type StatusCause } from '../../../machinery/index.ts';
import type { ContainerStatus, Pod, PodSpec, PodStatus } from '../../gen/types.ts';
import { immutable, ipAddress, isIpv4, nonNegative } from '../../rules.ts';

/** `podIP` is the first of `podIPs`, whichever of them a writer fills in. */
export function pairAddresses(status: PodStatus | undefined): void {
  if (status === undefined) return;
  if (status.podIP && !status.podIPs?.length) status.podIPs = [{ ip: status.podIP }];
  else if (status.podIPs?.length) status.podIP = status.podIPs[0]!.ip;
  if (status.hostIP && !status.hostIPs?.length) status.hostIPs = [{ ip: status.hostIP }];
  else if (status.hostIPs?.length) status.hostIP = status.hostIPs[0]!.ip;
}

export function validatePodStatus({ spec, status = {} }: Pod, { status: old = {} }: Pod): StatusCause[] {
  return [
    ...addresses('status.podIPs', status.podIPs, old.podIPs),
    ...addresses('status.hostIPs', status.hostIPs, old.hostIPs),
    ...nonNegative('status.observedGeneration', status.observedGeneration),
    ...immutable('status.qosClass', status.qosClass, old.qosClass),
    ...ended('status.containerStatuses', spec, status.containerStatuses, old.containerStatuses),
  ];
}

type Address = { ip?: string };

/** What was there before may stay, whatever it is. */
function addresses(field: string, list: Address[] = [], before: Address[] = []): StatusCause[] {
  const known = new Set(before.map(({ ip }) => ip));
  const causes = list.flatMap(({ ip = '' }, i) => (known.has(ip) ? [] : ipAddress(`${field}[${i}].ip`, ip)));
  const families = new Set(list.map(({ ip = '' }) => isIpv4(ip)));
  if (causes.length === 0 && families.size < list.length)
    causes.push(cause.invalid(field, list, 'may specify no more than one IP for each IP family'));
  return causes;
}

/** A container that has ended and is not to be started again stays ended. */
function ended(
  field: string,
  spec: PodSpec,
  statuses: ContainerStatus[] = [],
  before: ContainerStatus[] = [],
): StatusCause[] {
  return before.flatMap(({ name, state }, i) => {
    const now = statuses.find((status) => status.name === name);
    if (!state?.terminated || now === undefined || now.state?.terminated) return [];
    if (mayStartAgain(spec, name, state.terminated.exitCode)) return [];
    return [cause.forbidden(`${field}[${i}].state`, 'may not be transitioned to non-terminated state')];
  });
}

function mayStartAgain(spec: PodSpec, name: string, exitCode: number): boolean {
  if (
    spec.containers.some((container) =>
      container.restartPolicyRules?.some(({ action }) => action === 'RestartAllContainers'),
    )
  )
    return true;
  const container = spec.containers.find((one) => one.name === name);
  if (container?.restartPolicyRules?.length) return true;
  const policy = container?.restartPolicy ?? spec.restartPolicy ?? 'Always';
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}
