/** `glass status`: what runs, and what is wrong. */
import { nodes, type Pod, pods } from '../../api/index.ts';
import { Failure } from '../errors.ts';
import { placesOf } from '../places.ts';
import type { Platform } from '../platform.ts';
import { out, table } from '../print.ts';
import { readRun } from '../runfile.ts';

export async function status(platform: Platform, flags: { dataDir?: string; output?: string }): Promise<void> {
  const places = placesOf(flags.dataDir);
  const run = readRun(places);
  if (run === undefined) throw new Failure(`nothing runs from ${places.root}: start it with "glass up"`);
  const client = await platform.connect(places.kubeconfig);
  const [nodeList, podList] = await Promise.all([client.list(nodes), client.list(pods)]);
  const ready = nodeList.items.filter((node) =>
    node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  );
  const wrong = podList.items.flatMap((pod) => problemOf(pod));
  const found = {
    running: true,
    pid: run.pid,
    server: `https://127.0.0.1:${run.port}`,
    runtime: run.runtime,
    startedAt: run.startedAt,
    nodes: { ready: ready.length, total: nodeList.items.length },
    pods: {
      running: podList.items.filter((pod) => pod.status?.phase === 'Running').length,
      total: podList.items.length,
    },
    problems: wrong,
  };
  if (flags.output === 'json') return out(JSON.stringify(found, null, 2));
  out(
    table([
      ['server', found.server],
      ['process', String(run.pid)],
      ['runtime', run.runtime],
      ['nodes', `${found.nodes.ready}/${found.nodes.total} ready`],
      ['pods', `${found.pods.running}/${found.pods.total} running`],
    ]),
  );
  for (const { pod, problem } of wrong) out(`wrong: ${pod}: ${problem}`);
  if (wrong.length > 0 || ready.length < nodeList.items.length) process.exitCode = 1;
}

function problemOf(pod: Pod): { pod: string; problem: string }[] {
  const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const harmless = new Set(['ContainerCreating', 'PodInitializing']);
  const waiting = statuses.map((one) => one.state?.waiting).find((one) => one?.reason && !harmless.has(one.reason));
  if (waiting) return [{ pod: name, problem: `${waiting.reason}: ${waiting.message ?? ''}` }];
  const unscheduled = pod.status?.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False');
  if (unscheduled) return [{ pod: name, problem: `${unscheduled.reason}: ${unscheduled.message ?? ''}` }];
  return pod.status?.phase === 'Failed' ? [{ pod: name, problem: pod.status.reason ?? 'failed' }] : [];
}
