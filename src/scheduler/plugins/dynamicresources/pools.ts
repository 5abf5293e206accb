/** The devices that a node can reach. Pure. */
import type { Device, NodeSelector, Node, ResourceSlice } from '../../../api/index.ts';
import { matchesNodeSelector } from '../nodeaffinity.ts';

export interface Reachable {
  /** `driver/pool/device`. */
  readonly id: string;
  readonly driver: string;
  readonly pool: string;
  readonly device: Device;
  /** Where a claim that has it can be used; absent: on all nodes. */
  readonly nodeSelector?: NodeSelector;
}

/** Of each pool only the newest generation, and only when all of its slices are known. */
export function completePools(slices: readonly ResourceSlice[]): readonly ResourceSlice[] {
  const pools = new Map<string, ResourceSlice[]>();
  for (const slice of slices) {
    const key = `${slice.spec.driver}/${slice.spec.pool.name}`;
    const others = pools.get(key);
    const newest = others?.[0]?.spec.pool.generation ?? -1;
    if (slice.spec.pool.generation > newest) pools.set(key, [slice]);
    else if (slice.spec.pool.generation === newest) others!.push(slice);
  }
  const complete = [...pools.values()].filter((all) => all.length === all[0]!.spec.pool.resourceSliceCount);
  return complete.flat().toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1));
}

export function reachableFrom(node: Node, slices: readonly ResourceSlice[]): readonly Reachable[] {
  const found: Reachable[] = [];
  for (const { spec } of slices) {
    const { driver, pool, perDeviceNodeSelection } = spec;
    if (!perDeviceNodeSelection && !reaches(spec, node)) continue;
    for (const device of spec.devices ?? []) {
      const where = perDeviceNodeSelection ? device : spec;
      if ((perDeviceNodeSelection && !reaches(device, node)) || isBeyondUs(device)) continue;
      const nodeSelector = where.nodeName ? onlyOn(where.nodeName) : where.nodeSelector;
      found.push({
        id: `${driver}/${pool.name}/${device.name}`,
        driver,
        pool: pool.name,
        device,
        ...(nodeSelector && { nodeSelector }),
      });
    }
  }
  return found;
}

/** Devices that become ready after the choice, or bind what is not local to the node, are not handed out: nobody would wait for them. */
function isBeyondUs({ bindingConditions, bindsToNode }: Device): boolean {
  return !!(bindingConditions?.length || bindsToNode);
}

function reaches(
  { allNodes, nodeName, nodeSelector }: { allNodes?: boolean; nodeName?: string; nodeSelector?: NodeSelector },
  node: Node,
): boolean {
  if (nodeName) return nodeName === node.metadata.name;
  return allNodes === true || (nodeSelector !== undefined && matchesNodeSelector(nodeSelector, node));
}

function onlyOn(name: string): NodeSelector {
  return { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }] };
}
