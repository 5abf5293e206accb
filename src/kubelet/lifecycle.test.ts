import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { AnyObject } from '../machinery/index.ts';
import { configMaps, pods } from './kinds.ts';
import { settle } from './testkit/clock.ts';
import { ready, startWorld } from './testkit/world.ts';

const web = { name: 'web', image: 'web:1' };
const container = (pod: AnyObject | undefined, index = 0) => pod?.status?.containerStatuses?.[index];
const restarts = (count: number) => (pod: AnyObject | undefined) =>
  container(pod)?.restartCount === count && container(pod)?.state.running !== undefined;

test('a container that ends runs again, then waits ten seconds, then twenty', async () => {
  await using world = await startWorld();
  world.run({ containers: [web] });
  await world.until('Ready', ready);
  world.runtime.exit('web', 1);
  await world.until('a first restart at once', restarts(1));
  assert.equal(container(world.pod()).lastState.terminated.exitCode, 1);
  world.runtime.exit('web', 1);
  await world.until('a wait', (pod) => container(pod)?.state.waiting?.reason === 'CrashLoopBackOff');
  assert.match(
    container(world.pod()).state.waiting.message,
    /^back-off 10s restarting failed container=web pod=web_default\(/,
  );
  await world.clock.advance(9_000);
  assert.equal(container(world.pod()).restartCount, 1);
  await world.clock.advance(1_001);
  await world.until('a second restart', restarts(2));
  world.runtime.exit('web', 1);
  await world.until('a longer wait', (pod) => container(pod)?.state.waiting?.message.startsWith('back-off 20s'));
  await world.clock.advance(20_001);
  await world.until('a third restart', restarts(3));
  assert.equal(
    (await world.runtime.listContainers()).length,
    2,
    'one ended container is kept beside the one that runs',
  );
});

test('a pod that never restarts ends as Succeeded or Failed, as its containers did', async () => {
  for (const [code, phase] of [
    [0, 'Succeeded'],
    [3, 'Failed'],
  ] as const) {
    await using world = await startWorld();
    world.run({ restartPolicy: 'Never', containers: [web] });
    await world.until('Ready', ready);
    world.runtime.exit('web', code);
    await world.until(phase, (pod) => pod?.status.phase === phase);
    assert.equal(container(world.pod()).state.terminated.exitCode, code);
    await world.until('the sandbox stopped', () => world.runtime.calls.includes('stop sandbox'));
  }
});

test('init containers run one after the other, a sidecar goes on, and the application comes last', async () => {
  await using world = await startWorld();
  world.run({
    initContainers: [
      { name: 'first', image: 'a:1' },
      { name: 'side', image: 'a:1', restartPolicy: 'Always' },
      { name: 'second', image: 'a:1' },
    ],
    containers: [web],
  });
  await world.until('first runs', () => world.runtime.calls.includes('start first'));
  await settle();
  assert.equal(container(world.pod()).state.waiting.reason, 'PodInitializing');
  assert.ok(!world.runtime.calls.includes('start side'));
  world.runtime.exit('first', 0);
  await world.until('second runs', () => world.runtime.calls.includes('start second'));
  assert.equal(world.pod()?.status.phase, 'Pending');
  world.runtime.exit('second', 0);
  await world.until('Ready', ready);
  assert.deepEqual(
    world.runtime.calls.filter((call) => call.startsWith('start')),
    ['start first', 'start side', 'start second', 'start web'],
  );
  world.runtime.exit('side', 1);
  await world.until('the sidecar runs again', (pod) => pod?.status.initContainerStatuses[1].restartCount === 1);
  assert.equal(world.pod()?.status.phase, 'Running');
});

test('an init container that fails ends a pod that never restarts', async () => {
  await using world = await startWorld();
  world.run({ restartPolicy: 'Never', initContainers: [{ name: 'first', image: 'a:1' }], containers: [web] });
  await world.until('first runs', () => world.runtime.calls.includes('start first'));
  world.runtime.exit('first', 2);
  await world.until('Failed', (pod) => pod?.status.phase === 'Failed');
  assert.ok(!world.runtime.calls.includes('start web'));
});

test('sidecars are ended once the application is done', async () => {
  await using world = await startWorld();
  world.run({
    restartPolicy: 'Never',
    initContainers: [{ name: 'side', image: 'a:1', restartPolicy: 'Always' }],
    containers: [web],
  });
  await world.until('Ready', ready);
  world.runtime.exit('web', 0);
  await world.until('Succeeded', (pod) => pod?.status.phase === 'Succeeded');
  assert.ok(world.runtime.calls.some((call) => call.startsWith('stop side')));
});

test('a deleted pod is stopped within its grace, and then leaves the API and the runtime', async () => {
  await using world = await startWorld();
  world.run({ containers: [web] });
  await world.until('Ready', ready);
  world.api.deleteGracefully(pods, 'web', 'default', 12);
  await world.until('gone', (pod) => pod === undefined);
  await world.until('nothing left', () => world.runtime.calls.includes('stop sandbox'));
  assert.ok(world.runtime.calls.includes('stop web 12000'));
  await settle(50);
  assert.deepEqual(await world.runtime.listPodSandboxes(), []);
  assert.deepEqual(await world.runtime.listContainers(), []);
});

test('preStop runs first, inside the grace, and what it took is not given again', async () => {
  await using world = await startWorld();
  world.run({ containers: [{ ...web, lifecycle: { preStop: { sleep: { seconds: 4 } } } }] });
  await world.until('Ready', ready);
  world.api.deleteGracefully(pods, 'web', 'default', 10);
  await world.until('the stop begins', () => world.events.includes('Normal Killing: Stopping container web'));
  await settle(20);
  assert.ok(!world.runtime.calls.some((call) => call.startsWith('stop web')));
  await world.clock.advance(4_000);
  await world.until('gone', (pod) => pod === undefined);
  assert.ok(world.runtime.calls.includes('stop web 6000'));
});

test('a shorter grace cuts a stop short', async () => {
  await using world = await startWorld();
  world.runtime.slowStop = 60_000;
  world.run({ containers: [web] });
  await world.until('Ready', ready);
  world.api.deleteGracefully(pods, 'web', 'default', 30);
  await world.until('it stops', () => world.runtime.calls.includes('stop web 30000'));
  world.api.deleteGracefully(pods, 'web', 'default', 1);
  await world.until('it stops faster', () => world.runtime.calls.includes('stop web 1000'));
  await world.clock.advance(1_001);
  await world.until('ended', () => world.events.length > 0 && world.runtime.calls.includes('stop web 1000'));
});

test('an image that cannot be pulled is tried again later and later', async () => {
  await using world = await startWorld();
  world.images.failing.set('web:1', 'no such host');
  world.run({ containers: [web] });
  await world.until('ErrImagePull', (pod) => container(pod)?.state.waiting.reason === 'ErrImagePull');
  assert.equal(container(world.pod()).state.waiting.message, 'no such host');
  const { pulls } = world.images;
  await world.clock.advance(5_000);
  assert.equal(world.images.pulls, pulls);
  await world.clock.advance(5_001);
  await world.until('a second pull', () => world.images.pulls === pulls + 1);
  world.images.failing.clear();
  await world.clock.advance(20_001);
  await world.until('Ready', ready);
});

test('an image volume keeps its containers waiting until it is pulled, and goes with the pod', async () => {
  await using world = await startWorld();
  world.images.failing.set('data:1', 'no such host');
  const volumeMounts = [{ name: 'data', mountPath: '/data' }];
  world.run({ containers: [{ ...web, volumeMounts }], volumes: [{ name: 'data', image: { reference: 'data:1' } }] });
  await world.until('ErrImagePull', (pod) => container(pod)?.state.waiting.reason === 'ErrImagePull');
  assert.deepEqual([...world.images.roots], []);
  world.images.failing.clear();
  await world.clock.advance(10_001);
  await world.until('Ready', ready);
  const [root] = world.images.roots;
  assert.equal(root, `volume-${world.pod()!.metadata.uid}-data`);
  world.api.deleteGracefully(pods, 'web', 'default', 1);
  await world.clock.advance(2_000);
  await world.until('no root filesystem left', () => world.images.roots.size === 0);
});

test('an image that may not be pulled and is not there says so', async () => {
  await using world = await startWorld();
  world.run({ containers: [{ ...web, imagePullPolicy: 'Never' }] });
  await world.until('ErrImageNeverPull', (pod) => container(pod)?.state.waiting.reason === 'ErrImageNeverPull');
});

test('a missing ConfigMap is told, and the container starts once it is there', async () => {
  await using world = await startWorld();
  world.run({
    containers: [{ ...web, env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a' } } }] }],
  });
  await world.until('the reason', (pod) => container(pod)?.state.waiting.reason === 'CreateContainerConfigError');
  assert.equal(container(world.pod()).state.waiting.message, 'configmap "settings" not found');
  world.api.put(configMaps, { metadata: { name: 'settings', namespace: 'default' }, data: { a: '1' } });
  await world.until('Ready', ready);
  const [config] = world.runtime.configs.values();
  assert.deepEqual(
    config?.env.find(({ name }) => name === 'A'),
    { name: 'A', value: '1' },
  );
});

test('a ConfigMap volume follows its ConfigMap', async () => {
  await using world = await startWorld();
  world.run({
    volumes: [{ name: 'v', configMap: { name: 'settings' } }],
    containers: [{ ...web, volumeMounts: [{ name: 'v', mountPath: '/etc/v' }] }],
  });
  await world.until('FailedMount', () => world.events.some((line) => line.includes('FailedMount')));
  assert.ok(
    world.events.includes(
      'Warning FailedMount: MountVolume.SetUp failed for volume "v" : configmap "settings" not found',
    ),
  );
  world.api.put(configMaps, { metadata: { name: 'settings', namespace: 'default' }, data: { a: '1' } });
  await world.until('Ready', ready);
  const [config] = world.runtime.configs.values();
  const file = `${config?.mounts[0]?.hostPath}/a`;
  assert.equal(await readFile(file, 'utf8'), '1');
  world.api.put(configMaps, { metadata: { name: 'settings', namespace: 'default' }, data: { a: '2' } });
  const deadline = performance.now() + 5000;
  while ((await readFile(file, 'utf8')) !== '2') {
    assert.ok(performance.now() < deadline, 'the file follows');
    await settle(1);
  }
});

test('a new agent finds what runs and starts nothing twice', async () => {
  await using world = await startWorld();
  world.run({ containers: [web] });
  await world.until('Ready', ready);
  await world.restart();
  await settle(100);
  assert.equal(world.runtime.calls.filter((call) => call === 'start web').length, 1);
  assert.ok(ready(world.pod()));
  world.runtime.exit('web', 1);
  await world.until('a restart', restarts(1));
});

test('a pod that was deleted while the agent was away is ended and removed', async () => {
  await using world = await startWorld();
  world.run({ containers: [web] });
  await world.until('Ready', ready);
  await world.kubelet.stop();
  world.api.drop(pods, 'web', 'default');
  await world.restart();
  const deadline = performance.now() + 5000;
  while ((await world.runtime.listPodSandboxes()).length > 0) {
    assert.ok(performance.now() < deadline, 'the sandbox goes');
    await settle(1);
  }
});

test('a changed image replaces the container', async () => {
  await using world = await startWorld();
  const pod = world.run({ containers: [web] });
  await world.until('Ready', ready);
  world.api.put(pods, {
    ...world.pod(),
    metadata: { ...pod.metadata, generation: 2 },
    spec: { ...pod.spec, containers: [{ ...web, image: 'web:2' }] },
  });
  await world.until('the new one', (now) => container(now)?.image === 'web:2' && ready(now));
  assert.equal(container(world.pod()).restartCount, 1);
  assert.ok(world.events.includes('Normal Killing: Container web definition changed, will be restarted'));
});

test('a liveness probe that fails three times restarts the container', async () => {
  await using world = await startWorld();
  let code = 0;
  world.runtime.onExec = async () => code;
  world.run({
    containers: [{ ...web, livenessProbe: { exec: { command: ['check'] }, periodSeconds: 5, failureThreshold: 3 } }],
  });
  await world.until('Ready', ready);
  await world.clock.advance(1);
  code = 1;
  await world.clock.advance(11_000);
  assert.equal(container(world.pod()).restartCount, 0);
  await world.clock.advance(5_000);
  await world.until('a restart', restarts(1));
  assert.ok(world.events.includes('Normal Killing: Container web failed liveness probe, will be restarted'));
});

test('readiness comes and goes with its probe, and waits for the startup probe', async () => {
  await using world = await startWorld();
  let up = 1;
  let serving = 1;
  world.runtime.onExec = async ([command]) => (command === 'up' ? up : serving);
  world.run({
    containers: [
      {
        ...web,
        startupProbe: { exec: { command: ['up'] }, periodSeconds: 1, failureThreshold: 30 },
        readinessProbe: { exec: { command: ['serving'] }, periodSeconds: 1 },
      },
    ],
  });
  await world.until('it runs', (pod) => container(pod)?.state.running !== undefined);
  serving = 0;
  await world.clock.advance(3_000);
  assert.equal(container(world.pod()).started, false);
  assert.equal(container(world.pod()).ready, false);
  up = 0;
  await world.clock.advance(2_000);
  await world.until('Ready', ready);
  serving = 1;
  await world.clock.advance(3_500);
  await world.until('not Ready', (pod) => !ready(pod));
  assert.equal(container(world.pod()).restartCount, 0);
});

test('a pod that does not fit is refused', async () => {
  await using world = await startWorld();
  world.run({ containers: [{ ...web, resources: { requests: { cpu: '5' } } }] });
  await world.until('Failed', (pod) => pod?.status.phase === 'Failed');
  assert.equal(world.pod()?.status.reason, 'OutOfcpu');
  assert.match(world.pod()?.status.message, /requested: 5000, used: 0, capacity: 4000/);
});

test('a pod that is active for too long fails', async () => {
  await using world = await startWorld();
  world.run({ activeDeadlineSeconds: 60, containers: [web] });
  await world.until('Ready', ready);
  await world.clock.advance(60_001);
  await world.until('Failed', (pod) => pod?.status.phase === 'Failed');
  assert.equal(world.pod()?.status.reason, 'DeadlineExceeded');
});

test('a sandbox that died is made again, and its containers with it', async () => {
  await using world = await startWorld();
  world.run({ containers: [web] });
  await world.until('Ready', ready);
  const [sandbox] = await world.runtime.listPodSandboxes();
  await world.runtime.stopPodSandbox(sandbox?.id ?? '');
  await world.until('a restart', restarts(1));
  assert.ok(world.events.includes('Normal SandboxChanged: Pod sandbox changed, it will be killed and re-created.'));
});

test('a program that cannot be started is told as RunContainerError', async () => {
  await using world = await startWorld();
  world.runtime.failStart = 'web';
  world.run({ containers: [web] });
  await world.until('the reason', (pod) => container(pod)?.state.waiting?.reason === 'RunContainerError');
  assert.equal(container(world.pod()).state.waiting.message, 'no such program');
});

test('a container whose postStart hook fails is ended and tried again', async () => {
  await using world = await startWorld();
  let code = 1;
  world.runtime.onExec = async () => code;
  world.run({ containers: [{ ...web, lifecycle: { postStart: { exec: { command: ['prepare'] } } } }] });
  await world.until('the event', () => world.events.includes('Warning FailedPostStartHook: PostStartHook failed'));
  code = 0;
  await world.clock.advance(30_000);
  await world.until('Ready', ready);
});

test('new limits reach a running container in place', async () => {
  await using world = await startWorld();
  const given: unknown[] = [];
  world.runtime.updateContainerResources = async (_id, resources) => void given.push(resources.memoryLimit);
  const limited = (memory: string) => ({ ...web, resources: { limits: { memory } } });
  const pod = world.run({ containers: [limited('64Mi')] });
  await world.until('Ready', ready);
  world.api.put(pods, {
    ...world.pod(),
    metadata: pod.metadata,
    spec: { ...pod.spec, containers: [limited('128Mi')] },
  });
  await world.until('the new limit', () => given.length > 0);
  assert.deepEqual(given, [128 * 1024 * 1024]);
  assert.equal(container(world.pod()).restartCount, 0);
});

test('a projected token is renewed before it ends', async () => {
  await using world = await startWorld();
  const serviceAccountToken = { path: 'token', expirationSeconds: 600 };
  world.run({
    volumes: [{ name: 't', projected: { sources: [{ serviceAccountToken }] } }],
    containers: [{ ...web, volumeMounts: [{ name: 't', mountPath: '/token' }] }],
  });
  await world.until('Ready', ready);
  const [config] = world.runtime.configs.values();
  const file = `${config?.mounts[0]?.hostPath}/token`;
  const first = await readFile(file, 'utf8');
  await world.clock.advance(470_000);
  assert.equal(await readFile(file, 'utf8'), first);
  await world.clock.advance(11_000);
  const deadline = performance.now() + 5000;
  while ((await readFile(file, 'utf8')) === first) {
    assert.ok(performance.now() < deadline, 'a new token comes');
    await settle(1);
  }
});

test('hundreds of probes that succeed write no status', async () => {
  await using world = await startWorld();
  world.run({ containers: [{ ...web, readinessProbe: { exec: { command: ['a'] }, periodSeconds: 1 } }] });
  await world.until('it runs', (pod) => container(pod)?.state.running !== undefined);
  await world.clock.advance(1);
  await world.until('Ready', ready);
  const before = world.api.statusPatches;
  await world.clock.advance(60_000);
  assert.equal(world.api.statusPatches, before);
});
