/** How a cluster stands, in numbers. */
import {
  type DaemonSet,
  daemonSets,
  type Deployment,
  deployments,
  type Job,
  jobs,
  type Node,
  nodes,
  type Pod,
  pods,
  type StatefulSet,
  statefulSets,
} from '../api/index.ts';
import type { ClusterCount } from '../cli/index.ts';
import type { Client } from '../client/index.ts';
import type { KubeObject, Resource } from '../machinery/index.ts';

const pageSize = 500;

interface Conditioned {
  status?: { conditions?: readonly { type: string; status: string }[] };
}

const is = ({ status }: Conditioned, type: string) =>
  status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;

export async function countCluster(client: Client): Promise<Omit<ClusterCount, 'milliseconds'>> {
  const phases: Record<string, number> = {};
  const of = { nodes: 0, ready: 0, pods: 0, placed: 0, podsReady: 0 };
  for await (const node of all<Node>(client, nodes)) {
    of.nodes++;
    if (is(node, 'Ready')) of.ready++;
  }
  for await (const pod of all<Pod>(client, pods)) {
    of.pods++;
    if (pod.spec.nodeName) of.placed++;
    if (is(pod, 'Ready')) of.podsReady++;
    const phase = pod.metadata.deletionTimestamp ? 'Terminating' : (pod.status?.phase ?? 'Pending');
    phases[phase] = (phases[phase] ?? 0) + 1;
  }
  const done = async <T extends KubeObject>(resource: Resource<T>, isDone: (object: T) => boolean) => {
    const count = { all: 0, done: 0 };
    for await (const object of all<T>(client, resource)) {
      count.all++;
      if (isDone(object)) count.done++;
    }
    return count;
  };
  return {
    nodes: { all: of.nodes, ready: of.ready },
    pods: { all: of.pods, placed: of.placed, ready: of.podsReady, phases },
    workloads: {
      Deployment: await done<Deployment>(
        deployments,
        ({ spec, status }) => (status?.availableReplicas ?? 0) >= (spec.replicas ?? 1),
      ),
      StatefulSet: await done<StatefulSet>(
        statefulSets,
        ({ spec, status }) => (status?.readyReplicas ?? 0) >= (spec.replicas ?? 1),
      ),
      DaemonSet: await done<DaemonSet>(
        daemonSets,
        ({ status }) => (status?.numberReady ?? 0) >= (status?.desiredNumberScheduled ?? 0),
      ),
      Job: await done<Job>(jobs, (job) => is(job as Conditioned, 'Complete')),
    },
  };
}

async function* all<T extends KubeObject>(client: Client, resource: Resource<T>): AsyncIterable<T> {
  let next: string | undefined;
  do {
    const page = await client.list<T>(resource, { limit: pageSize, ...(next && { continue: next }) });
    yield* page.items;
    next = page.metadata.continue;
  } while (next);
}
