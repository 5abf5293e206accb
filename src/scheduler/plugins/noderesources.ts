import type { Node, Pod } from '../../api/index.ts';
import { maxScore, type Plugin, type Rejection } from '../framework.ts';
import type { Handle } from '../handle.ts';
import type { NodeInfo } from '../nodeinfo.ts';
import { amountsOf, requestOf, type Request } from '../resources.ts';

export interface ResourceSpec {
  name: string;
  /** Absent: 1. */
  weight?: number;
}

export interface FitArgs {
  /** Extended resources that others look after; a group is what stands before the slash. */
  ignoredResources?: readonly string[];
  ignoredResourceGroups?: readonly string[];
  scoringStrategy?: {
    type?: 'LeastAllocated' | 'MostAllocated' | 'RequestedToCapacityRatio';
    resources?: readonly ResourceSpec[];
    requestedToCapacityRatio?: { shape?: readonly { utilization: number; score: number }[] };
  };
}

const cpuAndMemory: readonly ResourceSpec[] = [{ name: 'cpu' }, { name: 'memory' }];

/** By their reasons: rejections are many and alike. */
const rejections = new Map<string, Rejection>();

function rejectionFor(reasons: readonly string[], unresolvable: boolean): Rejection {
  const key = `${unresolvable}|${reasons.join('|')}`;
  let known = rejections.get(key);
  if (known === undefined) {
    known = { reason: reasons.join(', '), reasons, unresolvable };
    rejections.set(key, known);
  }
  return known;
}

/** What is too little, and whether even the empty node has too little of it. */
function lacking(request: Request, node: NodeInfo, ignored: (resource: string) => boolean): Rejection | undefined {
  const full = node.pods.size + 1 > node.maxPods;
  const { cpu, memory, storage, scalars } = request;
  if (
    !full &&
    cpu <= node.cpu - node.usedCpu &&
    memory <= node.memory - node.usedMemory &&
    storage <= node.storage - node.usedStorage &&
    scalars.length === 0
  )
    return undefined;
  const reasons: string[] = full ? ['Too many pods'] : [];
  let impossible = false;
  const check = (resource: string, wanted: number, capacity: number, used: number) => {
    if (wanted === 0 || wanted <= capacity - used) return;
    reasons.push(`Insufficient ${resource}`);
    if (wanted > capacity) impossible = true;
  };
  check('cpu', cpu, node.cpu, node.usedCpu);
  check('memory', memory, node.memory, node.usedMemory);
  check('ephemeral-storage', storage, node.storage, node.usedStorage);
  for (const [resource, amount] of scalars)
    if (!ignored(resource)) check(resource, amount, node.scalars[resource] ?? 0, node.usedScalars[resource] ?? 0);
  return reasons.length === 0 ? undefined : rejectionFor(reasons, impossible);
}

/** Room enough if the node were empty. */
function couldFit(pod: Pod, node: Node): boolean {
  const { cpu = 0, memory = 0, pods = 0, ...others } = amountsOf(node.status?.allocatable);
  const request = requestOf(pod);
  return (
    pods > 0 &&
    request.cpu <= cpu &&
    request.memory <= memory &&
    request.storage <= (others['ephemeral-storage'] ?? 0) &&
    request.scalars.every(([resource, amount]) => amount <= (others[resource] ?? 0))
  );
}

export const nodeResourcesFit = (args: FitArgs = {}, handle?: Handle): Plugin => {
  const { ignoredResources = [], ignoredResourceGroups = [] } = args;
  const ignored = (resource: string) =>
    ignoredResources.includes(resource) || ignoredResourceGroups.includes(resource.split('/')[0]!);
  return {
    name: 'NodeResourcesFit',
    weight: 1,
    local: true,
    filter: ({ pod }, node) => lacking(requestOf(pod), node, ignored),
    score: scorer(args.scoringStrategy),
    events: ['NodeAdd', 'NodeUpdate', 'PodDelete', 'PodUpdate', 'SelfUpdate'],
    helps(pod, event, old, object) {
      if (event === 'NodeAdd' || event === 'NodeUpdate') return couldFit(pod, object as Node);
      // who has made room somewhere waits for just that room
      const promised = event === 'PodDelete' ? handle?.snapshot.nominatedNode(pod.metadata.uid!) : undefined;
      const freed = (old as Pod | undefined)?.spec.nodeName;
      return promised === undefined || freed === undefined || freed === promised;
    },
  };
};

function scorer(strategy: FitArgs['scoringStrategy'] = {}): NonNullable<Plugin['score']> {
  const { type = 'LeastAllocated', resources = cpuAndMemory } = strategy;
  const shape = strategy.requestedToCapacityRatio?.shape ?? [];
  const ratio = type === 'RequestedToCapacityRatio';
  const each =
    type === 'LeastAllocated'
      ? (used: number, capacity: number) =>
          used > capacity ? 0 : Math.floor(((capacity - used) * maxScore) / capacity)
      : type === 'MostAllocated'
        ? (used: number, capacity: number) => Math.floor((Math.min(used, capacity) * maxScore) / capacity)
        : (used: number, capacity: number) =>
            onShape(shape, used > capacity ? 100 : Math.floor((used * 100) / capacity));
  return ({ pod }, node) => {
    const request = requestOf(pod);
    let sum = 0;
    let weights = 0;
    for (const { name, weight = 1 } of resources) {
      const capacity = capacityOf(node, name);
      const wanted = wantedOf(request, name, true);
      if (capacity === 0 || (wanted === 0 && isScalar(name))) continue;
      const score = each(usedOf(node, name, true) + wanted, capacity);
      if (ratio && score <= 0) continue;
      sum += score * weight;
      weights += weight;
    }
    return weights === 0 ? 0 : ratio ? Math.round(sum / weights) : Math.floor(sum / weights);
  };
}

/** Scores are given as 0 … 10. */
function onShape(shape: readonly { utilization: number; score: number }[], utilization: number): number {
  const scale = maxScore / 10;
  for (const [i, point] of shape.entries()) {
    if (utilization > point.utilization) continue;
    const before = shape[i - 1];
    if (before === undefined) return point.score * scale;
    const share = (utilization - before.utilization) / (point.utilization - before.utilization);
    return Math.trunc((before.score + (point.score - before.score) * share) * scale);
  }
  return (shape.at(-1)?.score ?? 0) * scale;
}

/** The closer the shares of CPU and memory in use are to each other with the pod than without it, the better. */
export const nodeResourcesBalancedAllocation = ({
  resources = cpuAndMemory,
}: {
  resources?: readonly ResourceSpec[];
} = {}): Plugin => ({
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  local: true,
  preScore: ({ pod }) => resources.some(({ name }) => wantedOf(requestOf(pod), name, false) > 0),
  score({ pod }, node) {
    const request = requestOf(pod);
    const half = maxScore / 2;
    const before = balance(resources, request, node, 0);
    const after = balance(resources, request, node, 1);
    return half + Math.trunc((half + after - before) / 2);
  },
});

function balance(resources: readonly ResourceSpec[], request: Request, node: NodeInfo, with_: 0 | 1): number {
  let count = 0;
  let [sum, squares, first] = [0, 0, 0];
  for (const { name } of resources) {
    const capacity = capacityOf(node, name);
    const wanted = wantedOf(request, name, false);
    if (capacity === 0 || (wanted === 0 && isScalar(name))) continue;
    const share = Math.min(1, (usedOf(node, name, false) + with_ * wanted) / capacity);
    if (count++ === 0) first = share;
    sum += share;
    squares += share * share;
  }
  const deviation =
    count < 2
      ? 0
      : count === 2
        ? Math.abs(first - (sum - first)) / 2
        : Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2));
  return Math.floor((1 - deviation) * maxScore);
}

function isScalar(resource: string): boolean {
  return resource !== 'cpu' && resource !== 'memory' && resource !== 'ephemeral-storage';
}

function capacityOf(node: NodeInfo, resource: string): number {
  if (resource === 'cpu') return node.cpu;
  if (resource === 'memory') return node.memory;
  return resource === 'ephemeral-storage' ? node.storage : (node.scalars[resource] ?? 0);
}

/** `assumed`: pods that ask for nothing count as if they asked for a little. */
function usedOf(node: NodeInfo, resource: string, assumed: boolean): number {
  if (resource === 'cpu') return assumed ? node.nonZeroCpu : node.usedCpu;
  if (resource === 'memory') return assumed ? node.nonZeroMemory : node.usedMemory;
  return resource === 'ephemeral-storage' ? node.usedStorage : (node.usedScalars[resource] ?? 0);
}

function wantedOf(request: Request, resource: string, assumed: boolean): number {
  if (resource === 'cpu') return assumed ? request.nonZeroCpu : request.cpu;
  if (resource === 'memory') return assumed ? request.nonZeroMemory : request.memory;
  if (resource === 'ephemeral-storage') return request.storage;
  return request.scalars.find(([name]) => name === resource)?.[1] ?? 0;
}
