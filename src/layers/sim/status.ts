/** What a simulated node says of itself and of its pods. */
import type { ContainerState, ContainerStatus, Node, Pod, PodStatus } from '../../api/index.ts';

export interface NodeShape {
  name: string;
  address: string;
  capacity: Record<string, string>;
  labels?: Record<string, string>;
  taints?: { key: string; value?: string; effect: string }[];
}

export function nodeOf(shape: NodeShape, time: string): Node {
  const { name, address, capacity } = shape;
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'beta.kubernetes.io/arch': 'amd64',
        'beta.kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/os': 'linux',
        'kubernetes.io/hostname': name,
        type: 'sim',
        ...shape.labels,
      },
    },
    spec: shape.taints ? { taints: shape.taints } : {},
    status: {
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: name },
      ],
      capacity,
      allocatable: capacity,
      conditions: readyConditions(time),
      nodeInfo: {
        architecture: 'amd64',
        bootID: name,
        containerRuntimeVersion: 'sim://1',
        kernelVersion: 'sim',
        kubeProxyVersion: '',
        kubeletVersion: 'v1.36.0',
        machineID: name,
        operatingSystem: 'linux',
        osImage: 'simulated',
        systemUUID: name,
      },
    },
  } as Node;
}

const good: [string, string, string, string][] = [
  ['MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  ['DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  ['PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
  ['Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'],
];

export function readyConditions(time: string): NonNullable<Node['status']>['conditions'] {
  return good.map(([type, status, reason, message]) => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: time,
    lastTransitionTime: time,
  }));
}

/** `restarts`: how often its containers were started again. */
export function runningStatus(
  pod: Pod,
  at: { time: string; address: string; hostAddress: string; restarts: number },
): PodStatus {
  return {
    ...pod.status,
    phase: 'Running',
    startTime: pod.status?.startTime ?? at.time,
    hostIP: at.hostAddress,
    hostIPs: [{ ip: at.hostAddress }],
    podIP: at.address,
    podIPs: [{ ip: at.address }],
    conditions: conditionsOf(pod, at.time, true),
    initContainerStatuses: statusesOf(pod.spec.initContainers, at.restarts, {
      terminated: { exitCode: 0, reason: 'Completed', startedAt: at.time, finishedAt: at.time },
    }),
    containerStatuses: statusesOf(pod.spec.containers, at.restarts, { running: { startedAt: at.time } }),
  };
}

export function endedStatus(pod: Pod, at: { time: string; exitCode: number }): PodStatus {
  const { time, exitCode } = at;
  const terminated = { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', finishedAt: time };
  const containerStatuses = (pod.status?.containerStatuses ?? []).map((status) => ({
    ...status,
    ready: false,
    started: false,
    state: { terminated: { ...terminated, startedAt: status.state?.running?.startedAt ?? time } },
  }));
  return {
    ...pod.status,
    phase: exitCode === 0 ? 'Succeeded' : 'Failed',
    conditions: conditionsOf(pod, time, false),
    containerStatuses,
  };
}

function statusesOf(
  containers: Pod['spec']['containers'] | undefined,
  restartCount: number,
  state: ContainerState,
): ContainerStatus[] | undefined {
  return containers?.map(({ name, image = '' }) => ({
    name,
    image,
    imageID: image,
    ready: true,
    started: state.running !== undefined,
    restartCount,
    state,
  }));
}

function conditionsOf(pod: Pod, time: string, ready: boolean): PodStatus['conditions'] {
  const known = new Map(pod.status?.conditions?.map((condition) => [condition.type, condition]));
  const set = (type: string, status: 'True' | 'False') => {
    const before = known.get(type);
    const reason = ready ? {} : { reason: 'PodCompleted' };
    if (before?.status !== status) known.set(type, { type, status, lastTransitionTime: time, ...reason });
  };
  set('PodReadyToStartContainers', ready ? 'True' : 'False');
  set('Initialized', 'True');
  set('Ready', ready ? 'True' : 'False');
  set('ContainersReady', ready ? 'True' : 'False');
  return [...known.values()];
}
