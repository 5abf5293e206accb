/**
 * Nodes that are not heard of. After 40 s without a sign, by lease or by status, a node's conditions become Unknown and its pods count as not
 * ready; taints keep new pods away, and after what each pod tolerates it is ended. When no node at all is ready it is more likely that the
 * news does not get through than that all have failed: then nothing is ended.
 */
import { type Lease, leases, type Node, nodes, type Pod, pods } from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import { formatTime } from '../../machinery/index.ts';
import { markPodsNotReady, readyOf, unknownConditions } from './conditions.ts';
import { taintsAfter } from './taints.ts';

export { taintEviction } from './eviction.ts';

const grace = 40_000;
/** A node that has just been made may take longer to give its first sign. */
const startupGrace = 60_000;
const leaseNamespace = 'kube-node-lease';

export function nodeLifecycle(): Controller<Node> {
  /** When each node was last heard of, by this process's clock: the node's own may be wrong. */
  const heard = new Map<string, number>();
  return {
    name: 'node-lifecycle-controller',
    account: 'node-controller',
    for: nodes,
    watches: [
      {
        resource: leases,
        keys: ({ metadata }) => (metadata.namespace === leaseNamespace ? [metadata.name!] : []),
        // renewals are noted below, and change nothing
        when: (old, lease) => old === undefined || lease === undefined,
      },
      {
        // a pod that comes to a node that is not heard of
        resource: pods,
        keys: ({ spec }: Pod) => (spec.nodeName ? [spec.nodeName] : []),
        when: (old: Pod | undefined, pod: Pod | undefined) => !!pod?.spec.nodeName && !old?.spec.nodeName,
      },
    ],
    start({ informer, clock, events }) {
      const note = (name: string) => heard.set(name, clock.now());
      informer<Lease>(leases).addHandler({
        onUpdate(old, { metadata, spec }) {
          if (metadata.namespace === leaseNamespace && old.spec?.renewTime !== spec?.renewTime) note(metadata.name!);
        },
      });
      informer<Node>(nodes).addHandler({
        onUpdate(old, node) {
          if (readyOf(old)?.lastHeartbeatTime !== readyOf(node)?.lastHeartbeatTime) note(node.metadata.name!);
        },
        onDelete(node) {
          const { name } = node.metadata;
          events.event(node, 'Normal', 'RemovingNode', `Node ${name} event: Removing Node ${name} from Controller`);
        },
      });
    },
    async reconcile(name, context) {
      const node = context.lister(nodes).get(name);
      if (node === undefined) return void heard.delete(name);
      const now = context.clock.now();
      if (!heard.has(name)) {
        heard.set(name, now);
        // one that was there before this process is no news
        if (now - Date.parse(node.metadata.creationTimestamp ?? '') < startupGrace)
          context.events.event(
            node,
            'Normal',
            'RegisteredNode',
            `Node ${name} event: Registered Node ${name} in Controller`,
          );
      }
      const left = heard.get(name)! + (readyOf(node) === undefined ? startupGrace : grace) - now;
      const current = left <= 0 ? await markUnknown(node, context) : node;
      await setTaints(current, context);
      if (readyOf(current)?.status === 'Unknown' || readyOf(current)?.status === 'False')
        await markPodsNotReady(current, context);
      return { requeueAfter: left > 0 ? left : grace };
    },
  };
}

async function markUnknown(node: Node, { client, clock }: ReconcileContext): Promise<Node> {
  const conditions = unknownConditions(node, formatTime(clock.now()));
  if (conditions === undefined) return node;
  return client.update<Node>(nodes, { ...node, status: { ...node.status, conditions } }, { subresource: 'status' });
}

async function setTaints(node: Node, { client, clock, lister, events }: ReconcileContext): Promise<void> {
  const others = lister<Node>(nodes).list();
  const someReady = others.some((one) => readyOf(one)?.status === 'True');
  const taints = taintsAfter(node, someReady, formatTime(clock.now()));
  if (taints === undefined) return;
  await client.update<Node>(nodes, { ...node, spec: { ...node.spec, taints } });
  const { status } = readyOf(node) ?? {};
  // one that never said anything has not become so
  if (status === undefined || status === 'True') return;
  events.event(node, 'Normal', 'NodeNotReady', `Node ${node.metadata.name} status is now: NodeNotReady`);
}
