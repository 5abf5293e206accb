/** One case, measured on whichever API server and scheduler it is given. */
import { namespaces, nodes, type Pod, pods, priorityClasses, serviceAccounts } from '../../src/api/index.ts';
import type { Client } from '../../src/client/index.ts';
import { type Case, nodeCount, nodeNamed } from './cases.ts';

/** What is measured: an API server, and a scheduler that can be started and stopped beside it. */
export interface Subject extends AsyncDisposable {
  readonly name: string;
  readonly client: Client;
  startScheduler(): Promise<{ stop(): Promise<void> }>;
}

/** Milliseconds that a case may take. */
const longest = 240_000;

/** Pods bound a second, from the first of them to the last. */
export async function measure(subject: Subject, one: Case): Promise<number> {
  const { client } = subject;
  const { before, measured, pod, labels, hopeless = 0 } = one;
  await prepare(client);
  const make = (name: string, spec: object) =>
    client.create(pods, { metadata: { name, namespace: 'bench', labels }, spec } as Pod);
  const first = await subject.startScheduler();
  await inBatches(before, (n) => make(`before-${n}`, pod(n, false)));
  await inBatches(hopeless, (n) => make(`hopeless-${n}`, { containers: tooMuch, priorityClassName: 'high' }));
  await bound(client, 'before-', before);
  await first.stop();
  await inBatches(measured, (n) => make(`measured-${n}`, pod(n, true)));
  const done = bound(client, 'measured-', measured);
  const churn = hopeless > 0 ? setInterval(() => void churnOnce(client).catch(() => {}), 200) : undefined;
  const second = await subject.startScheduler();
  try {
    const { began, ended } = await done;
    return measured / ((ended - began) / 1000);
  } finally {
    clearInterval(churn);
    await second.stop();
  }
}

const tooMuch = [{ name: 'pause', image: 'registry.k8s.io/pause:3.10', resources: { requests: { cpu: '9' } } }];
let churned = 0;

/** A node that comes and goes: wakes those that wait for room. */
async function churnOnce(client: Client): Promise<void> {
  const name = `churn-${churned++}`;
  await client.create(nodes, nodeNamed(name, 0, { cpu: '1' }));
  await client.delete(nodes, { name });
}

async function prepare(client: Client): Promise<void> {
  await client.create(namespaces, { metadata: { name: 'bench' }, spec: {} });
  await client.create(serviceAccounts, { metadata: { name: 'default', namespace: 'bench' } });
  await client.create(priorityClasses, { metadata: { name: 'low' }, value: 0 });
  await client.create(priorityClasses, { metadata: { name: 'high' }, value: 10 });
  await inBatches(nodeCount, (n) => client.create(nodes, nodeNamed(`node-${n}`, n)));
}

async function inBatches(count: number, make: (n: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += 200)
    await Promise.all(Array.from({ length: Math.min(200, count - from) }, (_, i) => make(from + i)));
}

/** When the first and the last of so many pods whose names begin so were seen to have a node. */
async function bound(client: Client, prefix: string, count: number): Promise<{ began: number; ended: number }> {
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(), longest);
  const seen = new Set<string>();
  let began = 0;
  const look = ({ metadata, spec }: Pod) => {
    if (!spec.nodeName || !metadata.name!.startsWith(prefix)) return;
    if (seen.size === 0) began = performance.now();
    seen.add(metadata.name!);
  };
  try {
    const list = await client.list(pods, { namespace: 'bench' });
    list.items.forEach(look);
    const resourceVersion = list.metadata.resourceVersion;
    if (seen.size < count)
      for await (const { object } of client.watch(pods, { namespace: 'bench', resourceVersion, signal: stop.signal })) {
        look(object);
        if (seen.size >= count) break;
      }
  } finally {
    clearTimeout(late);
  }
  if (seen.size < count) throw new Error(`only ${seen.size} of ${count} pods were placed within ${longest} ms`);
  return { began, ended: performance.now() };
}
