/** docs/walk.md, performed: one apply, from the wire to a running program and back, with real containers. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { AppsV1Api, CoreV1Api, KubeConfig, type V1Deployment } from '@kubernetes/client-node';
import { busyboxArchive } from '../testkit/busybox.ts';
import { eventually, type Glass, root, startGlass } from '../testkit/glass.ts';
import { inside, onPath } from '../testkit/inside.ts';

const execute = promisify(execFile);
const namespace = 'default';
const labels = { app: 'walk' };

const deployment: V1Deployment = {
  metadata: { name: 'walk', namespace },
  spec: {
    replicas: 2,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'web',
            image: 'busybox:walk',
            command: ['sh', '-c', 'echo "made by $(hostname)" | tee /www/index.html; exec httpd -f -p 8080 -h /www'],
            ports: [{ name: 'http', containerPort: 8080 }],
            readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
};

inside(import.meta.url, ['crun', 'busybox'], 180, () => {
  describe('one apply, walked', () => {
    let glass: Glass;
    let apps: AppsV1Api;
    let core: CoreV1Api;
    const scratch = mkdtempSync(join(tmpdir(), 'glass-walk-'));

    before(async () => {
      glass = await startGlass({ runtime: 'oci' });
      await glass.run('image', 'import', busyboxArchive(scratch, 'busybox:walk'));
      const config = new KubeConfig();
      config.loadFromFile(glass.kubeconfig);
      apps = config.makeApiClient(AppsV1Api);
      core = config.makeApiClient(CoreV1Api);
      await core.createNamespacedService({
        namespace,
        body: {
          metadata: { name: 'walk', namespace },
          spec: { selector: labels, type: 'NodePort', ports: [{ port: 80, targetPort: 'http' }] },
        },
      });
      await apps.createNamespacedDeployment({ namespace, body: deployment });
    });
    after(async () => {
      await glass?.[Symbol.asyncDispose]();
      rmSync(scratch, { recursive: true, force: true });
    });

    const pods = async () => (await core.listNamespacedPod({ namespace, labelSelector: 'app=walk' })).items;
    const available = () =>
      eventually(async () => {
        const { status } = await apps.readNamespacedDeployment({ namespace, name: 'walk' });
        return status?.availableReplicas === 2 && status.updatedReplicas === 2 && status.replicas === 2;
      });
    const urls = async () => {
      const { spec } = await core.readNamespacedService({ namespace, name: 'walk' });
      return { cluster: `http://${spec!.clusterIP}`, node: `http://127.0.0.1:${spec!.ports![0]!.nodePort}` };
    };

    test('a Deployment becomes pods that run, and the status comes back', async () => {
      await available();
      const found = await pods();
      assert.equal(found.length, 2);
      for (const pod of found) {
        assert.equal(pod.status?.phase, 'Running');
        assert.match(pod.status?.podIP ?? '', /^10\.244\.0\.\d+$/);
        assert.equal(pod.metadata?.ownerReferences?.[0]?.kind, 'ReplicaSet');
      }
    });

    test('its Service answers at the cluster IP and at the node port, from both pods', async () => {
      const { cluster, node } = await urls();
      const answers = new Set<string>();
      await eventually(async () => {
        answers.add((await (await fetch(cluster)).text()).trim());
        return answers.size === 2;
      });
      assert.deepEqual([...answers].sort(), (await pods()).map((pod) => `made by ${pod.metadata!.name}`).sort());
      assert.match(await (await fetch(node)).text(), /^made by walk-/);
    });

    test('it is found by its name, and its log can be read', async () => {
      const [pod] = await pods();
      const log = await core.readNamespacedPodLog({ namespace, name: pod!.metadata!.name! });
      assert.equal(log.trim(), `made by ${pod!.metadata!.name}`);
      const looked = await lookup('walk.default.svc.cluster.local');
      assert.equal(`http://${looked}`, (await urls()).cluster);
    });

    test('kubectl sees the same, and can run a program beside the container’s own', async (t) => {
      if (!onPath('kubectl')) return t.skip('kubectl is not on the PATH');
      const kubectl = async (...args: string[]) =>
        (await execute('kubectl', ['--kubeconfig', glass.kubeconfig, ...args])).stdout;
      assert.match(await kubectl('get', 'deployment', 'walk'), /walk\s+2\/2\s+2\s+2/);
      const [pod] = await pods();
      const name = pod!.metadata!.name!;
      assert.equal((await kubectl('exec', name, '--', 'hostname')).trim(), name);
      await assert.rejects(kubectl('exec', name, '--', 'sh', '-c', 'exit 3'), { code: 3 });
    });

    test('a killed server is back with the same containers, neither doubled nor lost', async () => {
      const before = identities(await pods());
      const { cluster } = await urls();
      await glass.kill('SIGKILL');
      assert.match(await (await fetch(cluster)).text(), /^made by walk-/, 'programs go on while the server is away');
      await glass.again();
      const config = new KubeConfig();
      config.loadFromFile(glass.kubeconfig);
      apps = config.makeApiClient(AppsV1Api);
      core = config.makeApiClient(CoreV1Api);
      await available();
      assert.deepEqual(identities(await pods()), before);
      assert.match(await (await fetch(cluster)).text(), /^made by walk-/);
    });

    test('deleting the Deployment ends all that came of it', async () => {
      await apps.deleteNamespacedDeployment({ namespace, name: 'walk' });
      await eventually(async () => (await pods()).length === 0);
      assert.equal((await apps.listNamespacedReplicaSet({ namespace })).items.length, 0);
    });
  });

  test('docs/walk.md names files that are there', () => {
    const text = readFileSync(join(root, 'docs/walk.md'), 'utf8');
    const named = [...text.matchAll(/`(src\/[\w./-]+)`/g)].map(([, path]) => path!);
    assert.ok(named.length >= 12);
    for (const path of named) assert.doesNotThrow(() => readFileSync(join(root, path)), path);
  });
});

type Found = Awaited<ReturnType<CoreV1Api['listNamespacedPod']>>['items'];

function identities(pods: Found): unknown {
  return pods
    .map(({ metadata, status }) => ({
      uid: metadata?.uid,
      ip: status?.podIP,
      containers: status?.containerStatuses?.map(({ containerID, restartCount }) => ({ containerID, restartCount })),
    }))
    .sort((a, b) => String(a.uid).localeCompare(String(b.uid)));
}

async function lookup(name: string): Promise<string> {
  const { Resolver } = await import('node:dns/promises');
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  resolver.setServers(['10.244.0.1']);
  return (await resolver.resolve4(name))[0]!;
}
