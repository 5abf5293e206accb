import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodes } from './kinds.ts';
import { ready, startWorld } from './testkit/world.ts';

const web = { name: 'web', image: 'web:1' };

test('a pod goes from its sandbox to Ready, and the API is told', async () => {
  await using world = await startWorld();
  world.run({ containers: [web] });
  await world.until('Ready', ready);
  const status = world.pod()?.status;
  assert.equal(status.phase, 'Running');
  assert.equal(status.qosClass, 'BestEffort');
  for (const { reason, message } of status.conditions) assert.deepEqual([reason, message], [undefined, undefined]);
  assert.match(status.podIP, /^127\./);
  assert.equal(status.containerStatuses[0].restartCount, 0);
  assert.deepEqual(
    world.events.map((line) => line.split(':')[0]),
    ['Normal Pulling', 'Normal Pulled', 'Normal Created', 'Normal Started'],
  );
  assert.deepEqual([...world.runtime.configs.values()][0]?.command, ['/bin/run', 'default']);
});

test('the node is registered and says Ready', async () => {
  await using world = await startWorld();
  const node = world.api.read(nodes, 'node');
  assert.equal(node?.status.conditions.find(({ type }: { type: string }) => type === 'Ready').status, 'True');
  assert.equal(node?.metadata.labels?.['kubernetes.io/hostname'], 'node');
});

test('a pod that claims devices does not run without them, and is told why', async () => {
  await using world = await startWorld();
  world.run({ containers: [web], resourceClaims: [{ name: 'gpu', resourceClaimName: 'mine' }] });
  await world.until('told', () =>
    world.events.some((line) => line.startsWith('Warning FailedPrepareDynamicResources')),
  );
  assert.equal(world.runtime.configs.size, 0);
  assert.notEqual(world.pod()?.status?.phase, 'Running');
});
