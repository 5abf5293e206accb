/** Whether this node can run the pod at all; asked once, before anything is made for it. */
import type { Pod } from '../kinds.ts';
import { podRequests, quantityValue } from '../resources.ts';
import type { Step, Work } from '../work.ts';

export interface Refusal {
  reason: string;
  message: string;
}

interface NodeFacts {
  labels: Record<string, string>;
  allocatable: Record<string, string>;
  others: readonly Pod[];
  os: string;
}

/** Undefined: it may run. Pure. */
export function refusePod(pod: Pod, node: NodeFacts): Refusal | undefined {
  return refuseOs(pod, node) ?? refuseSelector(pod, node) ?? refusePorts(pod, node) ?? refuseResources(pod, node);
}

function refuseOs(pod: Pod, node: NodeFacts): Refusal | undefined {
  const wanted = pod.spec?.os?.name;
  if (!wanted || wanted === node.os || node.os !== 'windows') return undefined;
  return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" };
}

function refuseSelector(pod: Pod, node: NodeFacts): Refusal | undefined {
  for (const [name, value] of Object.entries(pod.spec?.nodeSelector ?? {})) {
    if (node.labels[name] !== value) {
      return {
        reason: 'NodeAffinity',
        message: `Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector`,
      };
    }
  }
  return undefined;
}

function hostPortsOf(pod: Pod): string[] {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  return containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, hostIP = '', protocol = 'TCP' }) =>
      hostPort ? [`${protocol}/${hostPort}/${hostIP === '0.0.0.0' ? '' : hostIP}`] : [],
    ),
  );
}

function refusePorts(pod: Pod, { others }: NodeFacts): Refusal | undefined {
  const taken = others.flatMap(hostPortsOf);
  for (const wanted of hostPortsOf(pod)) {
    const [protocol, port, ip] = wanted.split('/');
    const clash = taken.some((each) => {
      const [otherProtocol, otherPort, otherIp] = each.split('/');
      return protocol === otherProtocol && port === otherPort && (ip === otherIp || ip === '' || otherIp === '');
    });
    if (clash) {
      return {
        reason: 'NodePorts',
        message: `Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports`,
      };
    }
  }
  return undefined;
}

function refuseResources(pod: Pod, { others, allocatable }: NodeFacts): Refusal | undefined {
  const limit = quantityValue(allocatable.pods);
  if (limit > 0 && others.length + 1 > limit) {
    return outOf('pods', 1, others.length, limit);
  }
  const wanted = podRequests(pod);
  const used: Record<string, number> = {};
  for (const other of others) {
    const requests = podRequests(other);
    for (const name in requests) used[name] = (used[name] ?? 0) + (requests[name] as number);
  }
  for (const name in wanted) {
    const unit = name === 'cpu' ? 1000 : 1;
    const [want, have, all] = [wanted[name] ?? 0, used[name] ?? 0, quantityValue(allocatable[name])].map((each) =>
      Math.round(each * unit),
    ) as [number, number, number];
    // what this agent does not provide, such as a resource that somebody wrote into the Node's status, the scheduler has counted
    if (want > 0 && allocatable[name] !== undefined && want + have > all) return outOf(name, want, have, all);
  }
  return undefined;
}

function outOf(name: string, want: number, used: number, capacity: number): Refusal {
  return {
    reason: `OutOf${name}`,
    message: `Pod was rejected: Node didn't have enough resource: ${name}, requested: ${want}, used: ${used}, capacity: ${capacity}`,
  };
}

export const admissionStep: Step = {
  name: 'admission',
  async run(work: Work) {
    if (work.admitted) return 'go';
    const ran = work.truth.sandboxes.length > 0 || (work.pod.status?.phase ?? 'Pending') !== 'Pending';
    const refusal = ran
      ? undefined
      : refusePod(work.pod, {
          labels: work.shared.nodeLabels(),
          allocatable: work.shared.allocatable(),
          others: work.shared.otherPods(work.uid),
          os: process.platform === 'win32' ? 'windows' : process.platform,
        });
    if (refusal) {
      work.event('Warning', refusal.reason, refusal.message);
      work.fail(refusal.reason, refusal.message);
      return 'wait';
    }
    work.admitted = true;
    return 'go';
  },
};
