import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { seededRandom, type AnyObject } from '../machinery/index.ts';
import { startKubelet } from './kubelet.ts';
import { configMaps, pods } from './kinds.ts';
import { ociRuntime } from './runtime/oci/setup.ts';
import {
  busyboxImages,
  eventually,
  isolatedNetwork,
  realClock,
  testImage,
  whyNoOci,
} from './runtime/testkit/fixture.ts';
import { testApi } from './testkit/api.ts';
import { ready } from './testkit/world.ts';
import { unmountAll } from './volumes/mount.ts';

/** The driver leaves the group above all pods; this one is the test's own. */
async function removeGroups(name: string): Promise<void> {
  const remove = async (path: string): Promise<void> => {
    for (const entry of await readdir(path, { withFileTypes: true }).catch(() => [])) {
      if (entry.isDirectory()) await remove(join(path, entry.name));
    }
    await rmdir(path).catch(() => {});
  };
  await remove(join('/sys/fs/cgroup', name));
  for (const controller of await readdir('/sys/fs/cgroup').catch(() => []))
    await remove(join('/sys/fs/cgroup', controller, name));
}

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

test('real containers: volumes, probes, a restart of the agent in between, and a clean end', {
  timeout: 60_000,
}, async (t) => {
  const why = whyNoOci();
  if (why) return t.skip(why);
  const directory = await mkdtemp(join(tmpdir(), 'kubelet-oci-'));
  const images = busyboxImages(directory);
  const network = isolatedNetwork(directory);
  const parts = { clock: realClock, random: seededRandom(process.pid), images };
  const start = async () => {
    const runtime = await ociRuntime({
      ...parts,
      directory: join(directory, 'oci'),
      network,
      cgroupParent: `/kubelet-test-${process.pid}`,
    });
    await runtime.start();
    const kubelet = await startKubelet({
      ...parts,
      client: api,
      runtime,
      log: quiet,
      nodeName: 'node',
      directory: join(directory, 'node'),
      recorder: { event() {} },
    });
    return { runtime, kubelet };
  };
  const api = testApi(() => Date.now());
  let agent = await start();
  const pod = () => api.read(pods, 'web', 'default');
  const logs = async () => {
    const [found] = (await agent.runtime.listContainers()).filter(({ metadata }) => metadata.name === 'main');
    return found ? readFile(found.logPath, 'utf8') : '';
  };
  try {
    api.put(configMaps, { metadata: { name: 'settings', namespace: 'default' }, data: { greeting: 'hello' } });
    const mounts = [
      { name: 'scratch', mountPath: '/scratch' },
      { name: 'settings', mountPath: '/settings' },
    ];
    const sh = (script: string): AnyObject =>
      ({
        image: testImage,
        imagePullPolicy: 'IfNotPresent',
        command: ['sh', '-c', script],
        volumeMounts: mounts,
      }) as never;
    api.put(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web', namespace: 'default', generation: 1 },
      spec: {
        nodeName: 'node',
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 1,
        volumes: [
          { name: 'scratch', emptyDir: {} },
          { name: 'settings', configMap: { name: 'settings' } },
        ],
        initContainers: [{ name: 'init', ...sh('cp /settings/greeting /scratch/made') }],
        containers: [
          {
            name: 'main',
            ...sh('echo "$GREETING $(cat /scratch/made) $POD"; trap "exit 0" TERM; while true; do sleep 1; done'),
            env: [
              { name: 'GREETING', valueFrom: { configMapKeyRef: { name: 'settings', key: 'greeting' } } },
              { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            ],
            readinessProbe: { exec: { command: ['test', '-f', '/scratch/made'] }, periodSeconds: 1 },
          },
        ],
      },
      status: { phase: 'Pending' },
    });
    await eventually(() => ready(pod()), `Ready (${JSON.stringify(pod()?.status)})`, 20_000);
    await eventually(async () => (await logs()).includes('hello hello web'), 'the first line of its log');
    const id = pod()?.status.containerStatuses[0].containerID;
    await agent.kubelet.stop();
    await agent.runtime.close();
    agent = await start();
    await eventually(() => ready(pod()));
    assert.equal(pod()?.status.containerStatuses[0].containerID, id, 'the same container, found again');
    api.deleteGracefully(pods, 'web', 'default', 1);
    await eventually(() => pod() === undefined, 'the pod gone');
    await eventually(async () => (await agent.runtime.listPodSandboxes()).length === 0, 'the sandbox gone');
    assert.deepEqual(await agent.runtime.listContainers(), []);
  } finally {
    for (const { id } of await agent.runtime.listPodSandboxes()) {
      await agent.runtime.stopPodSandbox(id);
      await agent.runtime.removePodSandbox(id);
    }
    await agent.kubelet.stop();
    await agent.runtime.close();
    await removeGroups(`kubelet-test-${process.pid}`);
    await unmountAll(directory);
    await rm(directory, { recursive: true, force: true });
  }
});
