/** Host ports without privileges: carried to the pod, or refused by name. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CoreV1Api, KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { busyboxArchive } from '../testkit/busybox.ts';
import { eventually, startGlass } from '../testkit/glass.ts';
import { inside } from '../testkit/inside.ts';

const namespace = 'default';

function web(name: string, hostPort: number): V1Pod {
  return {
    metadata: { name, namespace },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'web',
          image: 'busybox:hostport',
          command: ['sh', '-c', 'echo hello > index.html; exec httpd -f -p $POD_IP:8080 -h .'],
          workingDir: '/www',
          ports: [{ containerPort: 8080, hostPort }],
        },
      ],
    },
  };
}

inside(import.meta.url, ['busybox'], 120, () => {
  test('a host port leads to its pod over a restart; one that is taken is told in an event', async (t) => {
    const scratch = mkdtempSync(join(tmpdir(), 'glass-hostport-'));
    t.after(() => rmSync(scratch, { recursive: true, force: true }));
    const foreign = createServer().listen(0, '127.0.0.1');
    t.after(() => foreign.close());
    await new Promise((resolve) => foreign.once('listening', resolve));
    const taken = (foreign.address() as AddressInfo).port;
    await using glass = await startGlass({ runtime: 'process' });
    await glass.run('image', 'import', busyboxArchive(scratch, 'busybox:hostport'));
    const clientOf = () => {
      const config = new KubeConfig();
      config.loadFromFile(glass.kubeconfig);
      return config.makeApiClient(CoreV1Api);
    };
    const core = clientOf();
    await core.createNamespacedPod({ namespace, body: web('good', 18_080) });
    await core.createNamespacedPod({ namespace, body: web('late', taken) });
    const greeting = () => eventually(async () => (await fetch('http://127.0.0.1:18080/')).text());
    assert.equal(await greeting(), 'hello\n');
    const told = await eventually(async () => {
      const { items } = await core.listNamespacedEvent({ namespace, fieldSelector: 'involvedObject.name=late' });
      return items.find(({ reason }) => reason === 'FailedCreatePodSandBox')?.message;
    });
    assert.match(told, new RegExp(`hostPort ${taken}/TCP: another program of this machine listens at 127.0.0.1`));

    await glass.kill('SIGKILL');
    await assert.rejects(fetch('http://127.0.0.1:18080/'), 'carried by the process itself');
    await glass.again();
    assert.equal(await greeting(), 'hello\n');
    await clientOf().deleteNamespacedPod({ namespace, name: 'good' });
    await eventually(() =>
      fetch('http://127.0.0.1:18080/').then(
        () => false,
        () => true,
      ),
    );
  });
});
