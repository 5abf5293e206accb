/** The taints that say how a node is. Pure. */
import type { Node, Taint } from '../../api/index.ts';
import { readyOf } from './conditions.ts';

const notReady = 'node.kubernetes.io/not-ready';
const unreachable = 'node.kubernetes.io/unreachable';
const unschedulable = 'node.kubernetes.io/unschedulable';
const pressures: Record<string, string> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
};
/** Nobody else's: what is not wanted goes. */
const ours = new Set([
  ...[notReady, unreachable, unschedulable, ...Object.values(pressures)].map((key) => `${key} NoSchedule`),
  ...[notReady, unreachable].map((key) => `${key} NoExecute`),
]);
const idOf = ({ key, effect }: Taint) => `${key} ${effect}`;

/** What the node's taints should be; undefined when they are. `evicts`: whether its pods may be ended. `now`: RFC 3339. */
export function taintsAfter(node: Node, evicts: boolean, now: string): Taint[] | undefined {
  const before = node.spec?.taints ?? [];
  const wanted = wantedTaints(node, evicts);
  const wantedIds = new Set(wanted.map(idOf));
  const beforeIds = new Set(before.map(idOf));
  const kept = before.filter((taint) => !ours.has(idOf(taint)) || wantedIds.has(idOf(taint)));
  const added = wanted.filter((taint) => !beforeIds.has(idOf(taint)));
  if (kept.length === before.length && added.length === 0) return undefined;
  return [...kept, ...added.map((taint) => (taint.effect === 'NoExecute' ? { ...taint, timeAdded: now } : taint))];
}

function wantedTaints(node: Node, evicts: boolean): Taint[] {
  const taints: Taint[] = [];
  const ready = readyOf(node)?.status;
  if (ready !== undefined && ready !== 'True') {
    const key = ready === 'False' ? notReady : unreachable;
    taints.push({ key, effect: 'NoSchedule' });
    if (evicts) taints.push({ key, effect: 'NoExecute' });
  }
  for (const { type, status } of node.status?.conditions ?? [])
    if (status === 'True' && pressures[type]) taints.push({ key: pressures[type], effect: 'NoSchedule' });
  if (node.spec?.unschedulable) taints.push({ key: unschedulable, effect: 'NoSchedule' });
  return taints;
}
