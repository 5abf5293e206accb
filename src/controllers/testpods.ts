/** For tests: what a node agent would report of pods, without a node agent. */
import { type Deployment, type Pod, pods, serviceAccounts } from '../api/index.ts';
import type { Client } from '../client/index.ts';
import { formatTime } from '../machinery/index.ts';

/** Reports pods as running and ready, each with an address of its own. Returns how many were not so before. */
export async function bringUp(client: Client, now: number, which: (pod: Pod) => boolean = () => true): Promise<number> {
  const { items } = await client.list<Pod>(pods);
  const fresh = items.filter(
    (pod) => pod.status?.phase === 'Pending' && pod.metadata.deletionTimestamp === undefined && which(pod),
  );
  for (const pod of fresh) await report(client, pod, { phase: 'Running', ready: true, ip: addressOf(pod), now });
  return fresh.length;
}

export interface Reported {
  phase: 'Running' | 'Succeeded' | 'Failed';
  ready: boolean;
  ip?: string;
  /** Milliseconds since the epoch. */
  now: number;
  exitCode?: number;
}

export async function report(client: Client, pod: Pod, { phase, ready, ip, now, exitCode }: Reported): Promise<Pod> {
  const time = formatTime(now);
  const condition = { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: time };
  const ended = exitCode === undefined ? {} : { terminated: { exitCode, finishedAt: time } };
  const containerStatuses = pod.spec.containers.map(({ name, image = '' }) => ({
    name,
    image,
    imageID: image,
    ready,
    restartCount: 0,
    state: exitCode === undefined ? { running: { startedAt: time } } : ended,
  }));
  const podIP = ip ?? pod.status?.podIP;
  const body = {
    status: {
      phase,
      conditions: [condition],
      containerStatuses,
      startTime: time,
      ...(podIP && { podIP, podIPs: [{ ip: podIP }] }),
    },
  };
  const ref = { name: pod.metadata.name!, namespace: pod.metadata.namespace! };
  return client.patch<Pod>(pods, ref, { type: 'merge', body }, { subresource: 'status' });
}

/** The same pod has the same address, always. */
function addressOf({ metadata }: Pod): string {
  const sum = [...metadata.uid!].reduce((total, letter) => (total * 31 + letter.charCodeAt(0)) % 60_000, 7);
  return `10.244.${Math.floor(sum / 250)}.${(sum % 250) + 2}`;
}

export function deployment(name: string, spec: Partial<Deployment['spec']> & { image?: string } = {}): Deployment {
  const { image = 'web:1', ...rest } = spec;
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'web', image, ports: [{ name: 'http', containerPort: 8080 }] }] },
      },
      ...rest,
    },
  };
}

/** Whether pods can be made in the default namespace: the account that they run as is there. */
export async function takesPods(client: Client): Promise<boolean> {
  return (await client.list(serviceAccounts, { namespace: 'default' })).items.length > 0;
}
