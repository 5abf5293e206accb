/** What a DaemonSet does next. Pure. */
import type { DaemonSet, Node, Pod } from '../../api/index.ts';
import { revisionHashLabel } from '../history.ts';
import { availableIn } from '../pods.ts';
import { belongs, nodeOf } from './nodes.ts';

export interface Plan {
  /** Names of the nodes that get a pod. */
  create: string[];
  delete: Pod[];
  /** Nodes that should run one. */
  desired: number;
}

const isGoing = ({ metadata }: Pod) => metadata.deletionTimestamp !== undefined;
const hasEnded = ({ status }: Pod) => status?.phase === 'Failed' || status?.phase === 'Succeeded';

export function byNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const found = new Map<string, Pod[]>();
  for (const pod of pods) {
    const node = nodeOf(pod);
    if (node !== undefined) found.set(node, [...(found.get(node) ?? []), pod]);
  }
  return found;
}

/** `hash`: of the present template's revision. */
export function planFor(set: DaemonSet, nodes: readonly Node[], pods: readonly Pod[], hash: string, now: number): Plan {
  const places = byNode(pods);
  const plan: Plan = { create: [], delete: [], desired: 0 };
  const running: { node: string; old?: Pod; fresh?: Pod }[] = [];
  const surges = limitOf(set, 'maxSurge', nodes.length) > 0;
  for (const node of nodes) {
    const name = node.metadata.name!;
    const here = places.get(name) ?? [];
    const { runs, stays } = belongs(set, node);
    if (runs) plan.desired++;
    if (!runs && !stays) plan.delete.push(...here.filter((pod) => !isGoing(pod)));
    if (!stays) continue;
    const ended = here.filter((pod) => hasEnded(pod) && !isGoing(pod));
    plan.delete.push(...ended);
    const alive = here
      .filter((pod) => !hasEnded(pod) && !isGoing(pod))
      .toSorted((a, b) => born(a).localeCompare(born(b)));
    const fresh = alive.filter((pod) => pod.metadata.labels?.[revisionHashLabel] === hash);
    const olds = alive.filter((pod) => !fresh.includes(pod));
    // one is enough; two only while one takes the other's place
    const [keptOld, keptFresh] = [olds[0], surges || olds.length === 0 ? fresh[0] : undefined];
    plan.delete.push(...alive.filter((pod) => pod !== keptOld && pod !== keptFresh));
    if (runs && here.length === 0) plan.create.push(name);
    if (runs) running.push({ node: name, old: keptOld, fresh: keptFresh });
  }
  // nodes that are gone; the pods' own collector takes longer
  for (const [name, here] of places)
    if (!nodes.some(({ metadata }) => metadata.name === name)) plan.delete.push(...here.filter((pod) => !isGoing(pod)));
  if (set.spec!.updateStrategy?.type === 'OnDelete') return plan;
  const isAvailable = (pod: Pod) => availableIn(pod, set.spec!.minReadySeconds ?? 0, now) === 0;
  if (surges) surge(plan, running, isAvailable, limitOf(set, 'maxSurge', plan.desired));
  else replace(plan, running, isAvailable, limitOf(set, 'maxUnavailable', plan.desired));
  return plan;
}

type Running = { node: string; old?: Pod; fresh?: Pod };

function born({ metadata }: Pod): string {
  return String(metadata.creationTimestamp);
}

/** Old pods go first; the new one comes when the old one is gone. Those that do not work are missed by nobody. */
function replace(plan: Plan, running: readonly Running[], isAvailable: (pod: Pod) => boolean, most: number): void {
  const unavailable = running.filter(({ old, fresh }) => {
    const pod = old ?? fresh;
    return pod === undefined || !isAvailable(pod);
  }).length;
  const olds = running.flatMap(({ old }) => old ?? []);
  plan.delete.push(...olds.filter((pod) => !isAvailable(pod)));
  plan.delete.push(...olds.filter(isAvailable).slice(0, Math.max(0, most - unavailable)));
}

/** New pods come beside the old ones, which go once the new ones work. */
function surge(plan: Plan, running: readonly Running[], isAvailable: (pod: Pod) => boolean, most: number): void {
  let beside = running.filter(({ old, fresh }) => old && fresh && !isAvailable(fresh)).length;
  for (const { node, old, fresh } of running) {
    if (old === undefined) continue;
    if (fresh !== undefined) {
      if (isAvailable(fresh)) plan.delete.push(old);
    } else if (!isAvailable(old)) {
      plan.create.push(node);
    } else if (beside < most) {
      plan.create.push(node);
      beside++;
    }
  }
}

function limitOf({ spec }: DaemonSet, name: 'maxSurge' | 'maxUnavailable', of: number): number {
  const { rollingUpdate } = spec!.updateStrategy ?? {};
  const value = rollingUpdate?.[name] ?? (name === 'maxUnavailable' ? 1 : 0);
  return typeof value === 'number' ? value : Math.ceil((Number.parseInt(value, 10) * of) / 100);
}
