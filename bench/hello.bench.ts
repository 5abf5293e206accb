/**
 * A Deployment and a Service applied, to the first HTTP answer at the Service's node port: real containers, image present.
 * In network namespaces of its own, as the tests of the same kind. `--trace` tells what happened when.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Deployment, deployments, endpointSlices, pods, services, type Service } from '../src/api/index.ts';
import { type Client, httpsClient, loadKubeconfig } from '../src/client/index.ts';
import { type Resource, systemClock } from '../src/machinery/index.ts';
import { busyboxArchive } from '../test/testkit/busybox.ts';
import { startGlass } from '../test/testkit/glass.ts';
import { insideCommand } from '../test/testkit/inside.ts';
import { report } from './report.ts';

const runs = 12;
const marker = 'GLASS_BENCH_INSIDE';
const namespace = 'default';

if (process.env[marker] === undefined) {
  const [program, ...args] = insideCommand([fileURLToPath(import.meta.url), ...process.argv.slice(2)]);
  execFileSync(program!, args, { env: { ...process.env, [marker]: '1' }, stdio: 'inherit' });
} else {
  await measure();
}

async function measure(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'glass-hello-'));
  const figures: number[] = [];
  try {
    await using glass = await startGlass({ runtime: 'oci' });
    await glass.run('image', 'import', busyboxArchive(scratch, 'busybox:hello'));
    const client = httpsClient({ ...loadKubeconfig(glass.kubeconfig), clock: systemClock });
    // the first ones fill caches and compile
    for (let run = -3; run < runs; run++) {
      const took = await once(client, `hello${run + 3}`);
      if (run >= 0) figures.push(took);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  report({
    name: 'hello',
    what: 'apply of a Deployment (1 replica, readiness probe) and a Service over HTTPS to the first HTTP answer, runtime oci',
    unit: 'ms',
    figures,
    goal: 'under 300 ms',
    met: (median) => median < 300,
  });
}

async function once(client: Client, name: string): Promise<number> {
  const started = performance.now();
  const traced = process.argv.includes('--trace') ? trace(client, name, started) : undefined;
  const manager = { fieldManager: 'bench', force: true };
  const [service] = await Promise.all([
    client.apply(services, serviceOf(name), manager),
    client.apply(deployments, deploymentOf(name), manager),
  ]);
  const port = service.spec.ports![0]!.nodePort!;
  while (!(await answers(port))) await systemClock.sleep(2);
  const took = performance.now() - started;
  if (traced) process.stderr.write(`${name} ${took.toFixed(0).padStart(5)} ms  answered\n`);
  traced?.();
  await client.delete(deployments, { namespace, name });
  await client.delete(services, { namespace, name });
  while ((await client.list(pods, { namespace })).items.length > 0) await systemClock.sleep(20);
  return took;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const agent = new Agent({ keepAlive: false });
    const request = get({ host: '127.0.0.1', port, agent, timeout: 2000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}

/** Tells every change of the pod and of its endpoints, in milliseconds since the apply. */
function trace(client: Client, name: string, started: number): () => void {
  const stop = new AbortController();
  const tell = (what: string) =>
    process.stderr.write(`${name} ${(performance.now() - started).toFixed(0).padStart(5)} ms  ${what}\n`);
  const follow = async (resource: Resource<any>, selector: object, told: (object: any) => string) => {
    try {
      for await (const event of client.watch(resource, { namespace, ...selector, signal: stop.signal }))
        if (event.type !== 'BOOKMARK') tell(`${resource.kind} ${event.type} ${told(event.object)}`);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
  };
  void follow(pods, { labelSelector: `app=${name}` }, ({ spec, status }) => {
    const state = Object.keys(status.containerStatuses?.[0]?.state ?? {}).join();
    const held = status.conditions?.filter((one: { status: string }) => one.status === 'True');
    return `${spec.nodeName ?? 'no node'} ${status.phase} ${state} ${held?.map((one: { type: string }) => one.type)}`;
  });
  void follow(endpointSlices, { labelSelector: `kubernetes.io/service-name=${name}` }, ({ endpoints }) =>
    JSON.stringify(endpoints?.map((one: { conditions: object }) => one.conditions)),
  );
  return () => stop.abort();
}

function deploymentOf(name: string): Deployment {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: 'web',
              image: 'busybox:hello',
              command: ['sh', '-c', 'echo hello >/www/index.html; exec httpd -f -p 8080 -h /www'],
              ports: [{ name: 'http', containerPort: 8080 }],
              readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  } as Deployment;
}

function serviceOf(name: string): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { type: 'NodePort', selector: { app: name }, ports: [{ port: 80, targetPort: 'http' }] },
  } as Service;
}
