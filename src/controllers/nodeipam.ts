/** A range of pod addresses for each node that has none, cut from the cluster's: in order, each once, and again when its node is gone. */
import { type Node, nodes } from '../api/index.ts';
import type { Controller, ReconcileContext } from '../client/index.ts';
import { isStatusError } from '../machinery/index.ts';

export interface NodeCIDRs {
  /** IPv4, as `10.244.0.0/16`. */
  clusterCIDR: string;
  /** Bits of a node's prefix; upstream's default is 24. */
  maskSize?: number;
}

interface Range {
  readonly base: number;
  readonly bits: number;
}

/** Nodes that find nothing left look again so often. */
const retryAfter = 30_000;

export function nodeIpam({ clusterCIDR, maskSize = 24 }: NodeCIDRs): Controller<Node> {
  const cluster = rangeOf(clusterCIDR);
  if (cluster === undefined)
    throw new Error(`clusterCIDR: "${clusterCIDR}" is not an IPv4 range; write it as 10.244.0.0/16`);
  if (maskSize < cluster.bits || maskSize > 30 || maskSize - cluster.bits > 16)
    throw new Error(
      `maskSize: ${maskSize} must lie between the ${cluster.bits} bits of clusterCIDR and 16 more, and leave room for pods; use 24`,
    );
  /** What was given and the cache may not show yet, by the node's uid. */
  const given = new Map<string, string>();
  return {
    name: 'node-ipam-controller',
    account: 'node-controller',
    for: nodes,
    when: (old, node) => node === undefined || old === undefined || !node.spec?.podCIDR,
    // one after the other: a range is nobody else's meanwhile
    concurrency: 1,
    async reconcile(name, context) {
      const all = context.lister<Node>(nodes).list();
      const there = new Set(all.map(({ metadata }) => metadata.uid!));
      for (const uid of given.keys()) if (!there.has(uid)) given.delete(uid);
      const node = context.lister<Node>(nodes).get(name);
      if (node === undefined || node.metadata.deletionTimestamp || node.spec?.podCIDR) return;
      const cidr = given.get(node.metadata.uid!) ?? firstFree(cluster, maskSize, all, given);
      if (cidr === undefined) {
        context.events.event(
          node,
          'Normal',
          'CIDRNotAvailable',
          `Node ${name} status is now: CIDRNotAvailable: no range of /${maskSize} is left in ${clusterCIDR}`,
        );
        return { requeueAfter: retryAfter };
      }
      given.set(node.metadata.uid!, cidr);
      await assign(node, cidr, context);
    },
  };
}

async function assign(node: Node, cidr: string, { client, events }: ReconcileContext): Promise<void> {
  const { uid, resourceVersion, name } = node.metadata;
  const body = { metadata: { uid, resourceVersion }, spec: { podCIDR: cidr, podCIDRs: [cidr] } };
  try {
    await client.patch(nodes, { name: name! }, { type: 'merge', body });
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return;
    if (!isStatusError(error, 'Conflict'))
      events.event(
        node,
        'Normal',
        'CIDRAssignmentFailed',
        `Node ${name} status is now: CIDRAssignmentFailed: ${(error as Error).message}`,
      );
    throw error;
  }
}

function firstFree(
  cluster: Range,
  maskSize: number,
  all: readonly Node[],
  given: ReadonlyMap<string, string>,
): string | undefined {
  const size = 2 ** (32 - maskSize);
  const count = 2 ** (maskSize - cluster.bits);
  const taken = new Set<number>();
  const nodeRanges = all.flatMap(({ spec }) => spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []));
  for (const text of [...nodeRanges, ...given.values()]) {
    const range = rangeOf(text);
    if (range === undefined) continue;
    // a wider one takes several, and one from elsewhere none
    const first = Math.floor((range.base - cluster.base) / size);
    const last = Math.floor((range.base + 2 ** (32 - range.bits) - 1 - cluster.base) / size);
    for (let at = Math.max(0, first); at <= Math.min(last, count - 1); at++) taken.add(at);
  }
  for (let at = 0; at < count; at++) if (!taken.has(at)) return format(cluster.base + at * size, maskSize);
  return undefined;
}

/** Undefined when it is no IPv4 range. */
function rangeOf(text: string): Range | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  if (match === null) return undefined;
  const [a, b, c, d, bits] = match.slice(1).map(Number) as [number, number, number, number, number];
  if ([a, b, c, d].some((part) => part > 255) || bits > 32) return undefined;
  const size = 2 ** (32 - bits);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  return { base: Math.floor(address / size) * size, bits };
}

function format(base: number, bits: number): string {
  return `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.')}/${bits}`;
}
