/** One node as scheduling sees it: what it has, what is taken of it, and by whom; kept up to date pod by pod. */
import type { Node, Pod } from '../api/index.ts';
import { type Amounts, amountsOf, requestOf } from './resources.ts';

export interface HostPort {
  readonly protocol: string;
  readonly ip: string;
  readonly port: number;
}

export class NodeInfo {
  readonly name: string;
  /** Its place in arrays that hold something for every node; another node's after it is gone. */
  readonly slot: number;
  node: Node;
  labels: Readonly<Record<string, string>>;
  /** Changes with every change of the node or of its pods, and is never used twice: what was computed for one stays right for it. */
  generation = 0;
  readonly pods = new Map<string, Pod>();
  cpu = 0;
  memory = 0;
  storage = 0;
  maxPods = 0;
  scalars: Amounts = {};
  usedCpu = 0;
  usedMemory = 0;
  usedStorage = 0;
  readonly usedScalars: Amounts = {};
  nonZeroCpu = 0;
  nonZeroMemory = 0;
  readonly ports: HostPort[] = [];
  /** Pods that are to come here once their victims are gone. */
  nominated: readonly Pod[] = [];

  constructor(node: Node, slot: number) {
    this.name = node.metadata.name!;
    this.slot = slot;
    this.node = node;
    this.labels = {};
    this.setNode(node);
  }

  setNode(node: Node): void {
    this.node = node;
    this.labels = node.metadata.labels ?? {};
    const {
      cpu = 0,
      memory = 0,
      'ephemeral-storage': storage = 0,
      pods = 0,
      ...others
    } = amountsOf(node.status?.allocatable);
    this.cpu = cpu;
    this.memory = memory;
    this.storage = storage;
    this.maxPods = pods;
    this.scalars = others;
  }

  add(pod: Pod): void {
    this.pods.set(pod.metadata.uid!, pod);
    this.#take(pod, 1);
    this.ports.push(...hostPortsOf(pod));
  }

  remove(pod: Pod): void {
    this.pods.delete(pod.metadata.uid!);
    this.#take(pod, -1);
    for (const port of hostPortsOf(pod)) {
      const at = this.ports.findIndex((one) => samePort(one, port));
      if (at >= 0) this.ports.splice(at, 1);
    }
  }

  #take(pod: Pod, sign: 1 | -1): void {
    const request = requestOf(pod);
    this.usedCpu += sign * request.cpu;
    this.usedMemory += sign * request.memory;
    this.usedStorage += sign * request.storage;
    this.nonZeroCpu += sign * request.nonZeroCpu;
    this.nonZeroMemory += sign * request.nonZeroMemory;
    for (const [resource, amount] of request.scalars)
      this.usedScalars[resource] = (this.usedScalars[resource] ?? 0) + sign * amount;
  }
}

function samePort(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol && a.ip === b.ip;
}

const noPorts: readonly HostPort[] = [];

export function hostPortsOf({ spec }: Pod): readonly HostPort[] {
  let held: HostPort[] | undefined;
  const look = (ports: (typeof spec.containers)[number]['ports']) => {
    for (const { hostPort, hostIP, protocol } of ports ?? [])
      if (hostPort) (held ??= []).push({ protocol: protocol ?? 'TCP', ip: hostIP || '0.0.0.0', port: hostPort });
  };
  for (const { ports } of spec.containers) look(ports);
  for (const { ports, restartPolicy } of spec.initContainers ?? []) if (restartPolicy === 'Always') look(ports);
  return held ?? noPorts;
}
