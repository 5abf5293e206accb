import { podDisruptionBudgets, pods as podResource, type Pod, type PodDisruptionBudget } from '../../api/index.ts';
import {
  formatTime,
  isStatusError,
  labelSelectorAsSelector,
  type LabelSelector,
  type Selector,
} from '../../machinery/index.ts';
import { messageOf, reasonsOf } from '../cycle.ts';
import type { Cycle, Plugin, Rejection } from '../framework.ts';
import type { Handle } from '../handle.ts';
import type { NodeInfo } from '../nodeinfo.ts';

export interface DefaultPreemptionArgs {
  /** Of the nodes where eviction may help, so many are looked at closely: in percent, but not fewer than the absolute number. */
  minCandidateNodesPercentage?: number;
  minCandidateNodesAbsolute?: number;
}

interface Candidate {
  readonly node: NodeInfo;
  /** The most important first. */
  readonly victims: readonly Pod[];
  readonly violations: number;
}

interface Budget {
  readonly namespace: string;
  readonly selector: Selector;
  readonly budget: PodDisruptionBudget;
}

const notHelpful: Rejection = { reason: 'Preemption is not helpful for scheduling', unresolvable: true };
const noVictims: Rejection = { reason: 'No preemption victims found for incoming pod', unresolvable: true };

/** Makes room for a pod by evicting less important ones, as few and as unimportant as can be. */
export const defaultPreemption = (args: DefaultPreemptionArgs = {}, handle: Handle): Plugin => {
  const { minCandidateNodesPercentage = 10, minCandidateNodesAbsolute = 100 } = args;
  const allBudgets = handle.watch(podDisruptionBudgets);
  return {
    name: 'DefaultPreemption',
    postFilter(cycle, rejections) {
      const { pod, snapshot } = cycle;
      const refused = ineligible(cycle, rejections);
      if (refused !== undefined) return { message: `preemption: ${refused}` };
      const potential: NodeInfo[] = [];
      for (const [node, rejection] of rejections) if (!rejection.unresolvable) potential.push(node);
      const budgets = allBudgets.list().map(compile);
      const wanted = Math.max(
        Math.floor((potential.length * minCandidateNodesPercentage) / 100),
        minCandidateNodesAbsolute,
      );
      const { candidates, told } = dryRun(cycle, potential, wanted, budgets, handle);
      if (candidates.length > 0) {
        const best = pick(candidates);
        return { nominatedNode: best.node.name, evicted: best.victims, work: () => evict(best, pod, handle) };
      }
      const rest = snapshot.size - told.length;
      const all = reasonsOf(told);
      if (rest > 0) all.set(notHelpful.reason, (all.get(notHelpful.reason) ?? 0) + rest);
      return { message: `preemption: ${messageOf(snapshot.size, all)}`, nominatedNode: '' };
    },
    events: [],
  };
};

function ineligible({ pod, snapshot }: Cycle, rejections: ReadonlyMap<NodeInfo, Rejection>): string | undefined {
  if (pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  const name = snapshot.nominatedNode(pod.metadata.uid!) ?? pod.status?.nominatedNodeName;
  const node = name ? snapshot.get(name) : undefined;
  if (node === undefined || rejections.get(node)?.unresolvable) return undefined;
  for (const other of node.pods.values())
    if (isLess(other, pod) && isLeavingForAnother(other))
      return 'not eligible due to a terminating pod on the nominated node.';
  return undefined;
}

function isLess(other: Pod, pod: Pod): boolean {
  return (other.spec.priority ?? 0) < (pod.spec.priority ?? 0);
}

function isLeavingForAnother({ metadata, status }: Pod): boolean {
  if (metadata.deletionTimestamp === undefined) return false;
  const condition = status?.conditions?.find((one) => one.type === 'DisruptionTarget');
  return condition?.status === 'True' && condition.reason === 'PreemptionByScheduler';
}

function compile(budget: PodDisruptionBudget): Budget {
  return {
    namespace: budget.metadata.namespace!,
    selector: labelSelectorAsSelector(budget.spec.selector as LabelSelector | undefined),
    budget,
  };
}

/** What a node gives does not change while the node does not, for pods that are alike: it is worked out once. */
type Remembered = Map<NodeInfo, { generation: number; found: Candidate | Rejection }>;

function dryRun(
  cycle: Cycle,
  potential: readonly NodeInfo[],
  wanted: number,
  budgets: readonly Budget[],
  { random }: Handle,
): { candidates: Candidate[]; told: Rejection[] } {
  const told: Rejection[] = [];
  const fine: Candidate[] = [];
  const violating: Candidate[] = [];
  if ((cycle.pod.spec.priority ?? 0) <= cycle.snapshot.leastPriority)
    return { candidates: [], told: potential.map(() => noVictims) };
  const fits = cycle.state.get('fits') as ((node: NodeInfo) => Rejection | undefined) | undefined;
  if (fits === undefined) return { candidates: [], told };
  const local = cycle.state.get('localOnly') === true && budgets.length === 0;
  const remembered = ((cycle.shared.get('DefaultPreemption') as Remembered | undefined) ?? new Map()) as Remembered;
  if (local) cycle.shared.set('DefaultPreemption', remembered);
  const offset = Math.floor(random.next() * potential.length);
  for (let i = 0; i < potential.length; i++) {
    const node = potential[(offset + i) % potential.length]!;
    const keep = local && node.nominated.length === 0;
    const known = keep ? remembered.get(node) : undefined;
    const found =
      known !== undefined && known.generation === node.generation
        ? known.found
        : cycle.snapshot.trial(node, () => victimsOn(cycle, node, budgets, fits));
    if (keep) remembered.set(node, { generation: node.generation, found });
    if ('reason' in found) {
      told.push(found);
      continue;
    }
    (found.violations === 0 ? fine : violating).push(found);
    if (fine.length > 0 && fine.length + violating.length >= wanted) break;
  }
  return { candidates: [...fine, ...violating], told };
}

/** Takes away all that are less important, then lets come back whoever leaves room enough, the most important first. */
function victimsOn(
  { pod, snapshot }: Cycle,
  node: NodeInfo,
  budgets: readonly Budget[],
  fits: (node: NodeInfo) => Rejection | undefined,
): Candidate | Rejection {
  const less = [...node.pods.values()].filter((other) => isLess(other, pod));
  if (less.length === 0) return noVictims;
  for (const other of less) snapshot.displace(other, node);
  const rejection = fits(node);
  if (rejection !== undefined) {
    for (const other of less) snapshot.place(other, node);
    return rejection;
  }
  const [protectedOnes, others] = splitByBudgets(less.sort(byImportance), budgets);
  const victims: Pod[] = [];
  let violations = 0;
  for (const [list, violates] of [
    [protectedOnes, true],
    [others, false],
  ] as const)
    for (const other of list) {
      snapshot.place(other, node);
      if (fits(node) === undefined) continue;
      snapshot.displace(other, node);
      victims.push(other);
      if (violates) violations++;
    }
  for (const other of victims) snapshot.place(other, node);
  return { node, victims: victims.sort(byImportance), violations };
}

function startOf({ status, metadata }: Pod): string {
  return status?.startTime ?? metadata.creationTimestamp ?? '';
}

function byImportance(a: Pod, b: Pod): number {
  const priority = (b.spec.priority ?? 0) - (a.spec.priority ?? 0);
  if (priority !== 0) return priority;
  const [since, other] = [startOf(a), startOf(b)];
  return since < other ? -1 : since > other ? 1 : 0;
}

/** Those whose eviction would break a budget that the ones before them have used up, and the rest. */
function splitByBudgets(list: readonly Pod[], budgets: readonly Budget[]): [Pod[], Pod[]] {
  const left = budgets.map(({ budget }) => budget.status?.disruptionsAllowed ?? 0);
  const protectedOnes: Pod[] = [];
  const others: Pod[] = [];
  for (const pod of list) {
    let violates = false;
    for (const [i, { namespace, selector, budget }] of budgets.entries()) {
      if (namespace !== pod.metadata.namespace || selector.empty || !selector.matches(pod.metadata.labels)) continue;
      if (Object.keys(pod.metadata.labels ?? {}).length === 0) continue;
      if (budget.status?.disruptedPods?.[pod.metadata.name!] !== undefined) continue;
      if (--left[i]! < 0) violates = true;
    }
    (violates ? protectedOnes : others).push(pod);
  }
  return [protectedOnes, others];
}

const offsetOfPriorities = 2 ** 31;

/** Fewest broken budgets, least important victims, fewest of them, those that began last. */
function pick(candidates: readonly Candidate[]): Candidate {
  const criteria: ((candidate: Candidate) => number | string)[] = [
    ({ violations }) => violations,
    ({ victims }) => victims[0]?.spec.priority ?? 0,
    ({ victims }) => victims.reduce((sum, pod) => sum + (pod.spec.priority ?? 0) + offsetOfPriorities, 0),
    ({ victims }) => victims.length,
  ];
  let left = candidates;
  for (const criterion of criteria) {
    const values = left.map(criterion);
    const least = values.reduce((a, b) => (b < a ? b : a));
    left = left.filter((_, i) => values[i] === least);
    if (left.length === 1) return left[0]!;
  }
  return left.reduce((a, b) => (earliestStart(b) > earliestStart(a) ? b : a));
}

/** Of the most important victims. */
function earliestStart({ victims }: Candidate): string {
  const top = victims[0]?.spec.priority ?? 0;
  return victims
    .filter((pod) => (pod.spec.priority ?? 0) === top)
    .reduce((first, pod) => {
      const start = startOf(pod);
      return first === '' || start < first ? start : first;
    }, '');
}

async function evict({ node, victims }: Candidate, pod: Pod, handle: Handle): Promise<void> {
  const { snapshot } = handle;
  // whoever was to come here and is less important looks elsewhere
  const pushed = node.nominated.filter((one) => one.metadata.uid !== pod.metadata.uid && isLess(one, pod));
  for (const one of pushed) snapshot.nominate(one, undefined);
  await Promise.all([
    ...victims.map((victim) => evictOne(victim, node, pod, handle)),
    ...pushed.map((one) => patchStatus(one, { nominatedNodeName: null }, handle)),
  ]);
}

async function evictOne(victim: Pod, node: NodeInfo, pod: Pod, handle: Handle): Promise<void> {
  const { metadata } = victim;
  const ref = { name: metadata.name!, namespace: metadata.namespace! };
  if (metadata.deletionTimestamp !== undefined) return;
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'PreemptionByScheduler',
    message: `${pod.spec.schedulerName}: preempting to accommodate a higher priority pod`,
    observedGeneration: metadata.generation,
    lastTransitionTime: formatTime(handle.clock.now()),
  };
  await patchStatus(victim, { conditions: [condition] }, handle);
  try {
    await handle.client.delete(podResource, ref, { preconditions: { uid: metadata.uid } });
  } catch (error) {
    if (isStatusError(error, 'NotFound', 'Conflict')) return;
    throw error;
  }
  handle.event(victim, 'Normal', 'Preempted', `Preempted by pod ${pod.metadata.uid} on node ${node.name}`);
}

async function patchStatus({ metadata }: Pod, status: object, { client }: Handle): Promise<void> {
  const ref = { name: metadata.name!, namespace: metadata.namespace! };
  try {
    const body = { metadata: { uid: metadata.uid }, status };
    await client.patch(podResource, ref, { type: 'strategic', body }, { subresource: 'status' });
  } catch (error) {
    if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
  }
}
