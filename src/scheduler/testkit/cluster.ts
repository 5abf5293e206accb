/** What the scheduler's tests share: nodes without agents, pods, and what became of them. */
import { type Node, nodes, type Pod, pods } from '../../api/index.ts';
import { type Cluster, startCluster } from '../../testing/index.ts';

export type { Cluster };

const namespace = 'default';

export function node(
  name: string,
  more: { labels?: object; taints?: object[]; allocatable?: object; unschedulable?: boolean } = {},
): Node {
  const { labels, taints, unschedulable, allocatable } = more;
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    spec: { taints, unschedulable },
    status: {
      allocatable: { cpu: '4', memory: '8Gi', pods: '10', ...allocatable },
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
    },
  } as Node;
}

export function pod(name: string, spec: object = {}, labels: Record<string, string> = {}): Pod {
  return {
    metadata: { name, namespace, labels },
    spec: { containers: [{ name: 'c', image: 'x' }], ...spec },
  } as Pod;
}

export function labelled(name: string, spec: object): { metadata: { name: string; namespace: string }; spec: object } {
  return { metadata: { name, namespace }, spec };
}

export const asking = (cpu: string): object => ({
  containers: [{ name: 'c', image: 'x', resources: { requests: { cpu } } }],
});

export async function start(...list: Node[]): Promise<Cluster> {
  const cluster = await startCluster();
  for (const one of list) await cluster.client.create(nodes, one);
  return cluster;
}

export const place = (cluster: Cluster, name: string) =>
  cluster.eventually(async () => (await cluster.client.get(pods, { namespace, name })).spec.nodeName || false);

export const reason = (cluster: Cluster, name: string) =>
  cluster.eventually(async () => {
    const { status } = await cluster.client.get(pods, { namespace, name });
    const condition = status?.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False');
    return condition?.message || false;
  });
