/** What a whole cluster does with what it cannot take: it says so, and goes on with all that it had. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ApiException, CoreV1Api, KubeConfig, type V1Pod, type V1Status } from '@kubernetes/client-node';
import { file, makeImage } from '../../src/layers/images/testing/fixture.ts';
import { startRegistry } from '../../src/layers/images/testing/registry.ts';
import { busyboxArchive } from '../testkit/busybox.ts';
import { eventually, type Glass, startGlass } from '../testkit/glass.ts';
import { inside } from '../testkit/inside.ts';

const namespace = 'default';

function clientOf(glass: Glass): CoreV1Api {
  const config = new KubeConfig();
  config.loadFromFile(glass.kubeconfig);
  return config.makeApiClient(CoreV1Api);
}

function podOf(name: string, image: string, command?: string[]): V1Pod {
  return {
    metadata: { name, namespace },
    spec: { terminationGracePeriodSeconds: 1, restartPolicy: 'Never', containers: [{ name: 'main', image, command }] },
  };
}

inside(import.meta.url, ['crun', 'busybox', 'mount'], 300, () => {
  test('a full disk: writes are refused and say why, nothing is lost, and it goes on once there is room', async (t) => {
    const disk = mkdtempSync(join(tmpdir(), 'glass-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]);
    t.after(() => {
      execFileSync('umount', ['-l', disk]);
      rmSync(disk, { recursive: true });
    });
    await using glass = await startGlass({ runtime: 'sim', within: disk });
    let core = clientOf(glass);
    const create = (name: string) =>
      core.createNamespacedConfigMap({ namespace, body: { metadata: { name }, data: { text: name.repeat(20_000) } } });
    await create('before');
    fill(join(disk, 'ballast'));
    const kept = ['before'];
    let refused: ApiException<V1Status> | undefined;
    for (let i = 0; i < 200 && refused === undefined; i++) {
      await create(`m${i}`).then(
        () => kept.push(`m${i}`),
        (error) => (refused = error),
      );
    }
    assert.equal(refused?.code, 507, String(refused));
    assert.match(String(refused?.body), /no room left on its disk: free some space; what is stored is safe/);
    const names = async () =>
      (await core.listNamespacedConfigMap({ namespace })).items.map((one) => one.metadata!.name!);
    const missing = async () => {
      const found = new Set(await names());
      return kept.filter((name) => !found.has(name));
    };
    assert.deepEqual(await missing(), []);

    await glass.kill('SIGKILL');
    await assert.rejects(glass.again(), /no room|ENOSPC|no space/i);
    rmSync(join(disk, 'ballast'));
    await glass.again();
    core = clientOf(glass);
    assert.deepEqual(await missing(), []);
    await create('after');
    assert.ok((await names()).includes('after'));
  });

  describe('containers', () => {
    let glass: Glass;
    let core: CoreV1Api;
    const scratch = mkdtempSync(join(tmpdir(), 'glass-bad-'));
    before(async () => {
      glass = await startGlass({ runtime: 'oci' });
      core = clientOf(glass);
      await glass.run('image', 'import', busyboxArchive(scratch, 'busybox:bad'));
    });
    after(async () => {
      await glass?.[Symbol.asyncDispose]();
      rmSync(scratch, { recursive: true, force: true });
    });
    const create = (pod: V1Pod) => core.createNamespacedPod({ namespace, body: pod });
    const read = (name: string) => core.readNamespacedPod({ namespace, name });
    const reasonsOf = async (name: string) => {
      const { items } = await core.listNamespacedEvent({ namespace, fieldSelector: `involvedObject.name=${name}` });
      return items.map(({ reason, message }) => `${reason}: ${message}`).join('\n');
    };

    test('an image whose digest does not match is not run, and its pod says so', async () => {
      await using registry = await startRegistry();
      registry.add('app', 'latest', await makeImage([[file('a', 'a'.repeat(5000))]]));
      registry.fault = ({ path }) => (path.includes('/blobs/') ? 'corrupt' : undefined);
      await create(podOf('forged', `${registry.host}/app`));
      const mismatch = /expected sha256:[0-9a-f]{64}, got sha256:[0-9a-f]{64}/;
      await eventually(async () => mismatch.test(await reasonsOf('forged')));
      const waiting = (await read('forged')).status!.containerStatuses![0]!.state!.waiting!;
      assert.match(waiting.reason!, /^(ErrImagePull|ImagePullBackOff)$/);
      assert.match(waiting.message!, mismatch);
      assert.doesNotMatch(await glass.run('image', 'ls'), new RegExp(registry.host));
      await assert.rejects(glass.run('image', 'pull', `${registry.host}/app`), { code: 1, stderr: mismatch });
    });

    test('a container that forks without end is held, and its neighbours do not notice', async () => {
      await create(podOf('quiet', 'busybox:bad', ['sleep', '1000']));
      await create(podOf('forks', 'busybox:bad', ['sh', '-c', 'while :; do sleep 1000 & done']));
      await eventually(async () => {
        const { phase, containerStatuses } = (await read('forks')).status!;
        return phase === 'Failed' && containerStatuses![0]!.state!.terminated!.exitCode !== 0;
      }, 90);
      assert.match(await core.readNamespacedPodLog({ namespace, name: 'forks' }), /can't fork: Resource temporarily/);
      await create(podOf('next', 'busybox:bad', ['true']));
      await eventually(async () => (await read('next')).status!.phase === 'Succeeded');
      const quiet = (await read('quiet')).status!;
      assert.deepEqual([quiet.phase, quiet.containerStatuses![0]!.restartCount], ['Running', 0]);
    });

    test('a program that is not there is named, in the state of its container', async () => {
      await create(podOf('wrong', 'busybox:bad', ['no-such-program']));
      await eventually(async () => /no-such-program/.test(await reasonsOf('wrong')));
      const { state } = (await read('wrong')).status!.containerStatuses![0]!;
      const told = state!.terminated ?? state!.waiting;
      assert.match(told!.reason!, /StartError|RunContainerError/);
      assert.match(told!.message!, /no-such-program/);
    });

    test('a configuration that is not there is named, and the pod runs once it is', async () => {
      const pod = podOf('needs', 'busybox:bad', ['true']);
      pod.spec!.containers[0]!.envFrom = [{ configMapRef: { name: 'settings' } }];
      await create(pod);
      await eventually(async () => {
        const waiting = (await read('needs')).status!.containerStatuses?.[0]?.state?.waiting;
        return (
          waiting?.reason === 'CreateContainerConfigError' && /configmap "settings" not found/.test(waiting.message!)
        );
      });
      await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'settings' }, data: { a: 'b' } } });
      await eventually(async () => (await read('needs')).status!.phase === 'Succeeded');
    });
  });
});

/** Takes all the room there is. */
function fill(path: string): void {
  const descriptor = openSync(path, 'w');
  try {
    for (let size = 1 << 20; size >= 512; size >>= 1) {
      try {
        for (;;) if (writeSync(descriptor, Buffer.alloc(size)) < size) break;
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      }
    }
  } finally {
    closeSync(descriptor);
  }
}
