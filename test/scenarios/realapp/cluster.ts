/** What the test asks of its cluster, through the stock client library. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  AppsV1Api,
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  loadAllYaml,
  type V1Deployment,
  type V1Pod,
} from '@kubernetes/client-node';
import { eventually, type Glass } from '../../testkit/glass.ts';
import { type Installed, installedArchive } from '../../testkit/installed.ts';

const execute = promisify(execFile);
export const namespace = 'shop';

/** The servers, as Debian has them. `redis-check-rdb` is the server under another name, without a service that starts. */
export function importImages(glass: Glass, scratch: string): Promise<unknown> {
  const images: Installed[] = [
    {
      name: 'shop/redis:7',
      programs: { '/usr/bin/redis-check-rdb': '/usr/bin/redis-server', '/usr/bin/redis-cli': '/usr/bin/redis-cli' },
      config: { Cmd: ['redis-server'] },
    },
    { name: 'shop/webdis:0.1', programs: { '/usr/bin/webdis': '/usr/bin/webdis' }, config: { Cmd: ['webdis'] } },
    {
      name: 'shop/memcached:1.6',
      programs: { '/usr/bin/memcached': '/usr/bin/memcached' },
      config: { Entrypoint: ['/usr/bin/memcached'] },
    },
    {
      name: 'shop/nginx:1.22',
      programs: { '/usr/sbin/nginx': '/usr/sbin/nginx' },
      config: { Cmd: ['nginx', '-e', 'stderr', '-g', 'daemon off;'], StopSignal: 'SIGQUIT' },
    },
  ];
  const archives = images.map((image, index) => installedArchive(join(scratch, String(index)), image));
  return Promise.all(archives.map((archive) => glass.run('image', 'import', archive)));
}

export interface Cluster {
  apps: AppsV1Api;
  core: CoreV1Api;
  objects: KubernetesObjectApi;
}

export function clientOf(glass: Glass): Cluster {
  const config = new KubeConfig();
  config.loadFromFile(glass.kubeconfig);
  return {
    apps: config.makeApiClient(AppsV1Api),
    core: config.makeApiClient(CoreV1Api),
    objects: KubernetesObjectApi.makeApiClient(config),
  };
}

export async function createAll({ objects }: Cluster): Promise<void> {
  const text = readFileSync(new URL('app.yaml', import.meta.url), 'utf8');
  for (const object of loadAllYaml(text)) await objects.create(object);
}

export async function podsOf({ core }: Cluster, app?: string): Promise<V1Pod[]> {
  const { items } = await core.listNamespacedPod({ namespace, labelSelector: app && `app=${app}` });
  return items.toSorted((a, b) => a.metadata!.name!.localeCompare(b.metadata!.name!));
}

/** Waits until the Deployment is rolled out, as `kubectl rollout status` would see it, and nothing of before is left. */
export async function rolledOut(cluster: Cluster, name: string, seconds = 40): Promise<V1Deployment> {
  return eventually(async () => {
    const deployment = await cluster.apps.readNamespacedDeployment({ namespace, name });
    const { spec, status, metadata } = deployment;
    const wanted = spec!.replicas;
    const seen = [status?.replicas, status?.updatedReplicas, status?.availableReplicas];
    if (status?.observedGeneration !== metadata!.generation || seen.some((count) => count !== wanted)) return undefined;
    return (await podsOf(cluster, name)).length === wanted ? deployment : undefined;
  }, seconds).catch(async (error: Error) => {
    throw new Error(`${name} is not rolled out: ${error.message}\n${await complaints(cluster)}`);
  });
}

/** What a person would look at first. */
async function complaints(cluster: Cluster): Promise<string> {
  const { items } = await cluster.core.listNamespacedEvent({ namespace });
  const events = items.map(({ involvedObject, reason, message }) => `${involvedObject.name}: ${reason} ${message}`);
  const pods = (await podsOf(cluster)).map(({ metadata, status }) => `${metadata!.name}: ${JSON.stringify(status)}`);
  return [...pods, ...events].join('\n');
}

/** What stays the same while a pod and its containers live. */
export function identities(pods: readonly V1Pod[]): unknown {
  return pods.map(({ metadata, status }) => ({
    name: metadata!.name,
    uid: metadata!.uid,
    ip: status?.podIP,
    containers: [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].map(
      ({ name, containerID, restartCount }) => ({ name, containerID, restartCount }),
    ),
  }));
}

export function clusterDns(): Resolver {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  resolver.setServers(['10.244.0.1']);
  return resolver;
}

export async function kubectl(glass: Glass, ...args: string[]): Promise<string> {
  const { stdout } = await execute('kubectl', ['--kubeconfig', glass.kubeconfig, '-n', namespace, ...args], {
    timeout: 20_000,
    maxBuffer: 1 << 26,
  });
  return stdout;
}

/** Sends lines to a server and resolves with what it answers, up to the first answer that matches. */
export function talk(host: string, port: number, lines: string, until: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, host, () => socket.write(lines));
    socket.setTimeout(5000, () => socket.destroy(new Error(`${host}:${port} said only ${JSON.stringify(answer)}`)));
    socket.on('data', (chunk) => {
      answer += String(chunk);
      if (until.test(answer)) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}
