import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Pod, pods, serviceAccounts } from '../api/index.ts';
import { startCluster } from '../testing/index.ts';

const web = { name: 'web', namespace: 'default' };

test('a pod that was called unready while its node was not heard of is ready again', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const { client } = cluster;
  await cluster.eventually(() => client.get(serviceAccounts, { name: 'default', namespace: 'default' }));
  await client.create<Pod>(pods, { metadata: web, spec: { containers: [{ name: 'c', image: 'web:1' }] } } as Pod);
  const readiness = (pod: Pod) => pod.status?.conditions?.find(({ type }) => type === 'Ready');
  const isReady = async () => readiness(await client.get<Pod>(pods, web))?.status === 'True';
  await cluster.eventually(isReady);
  const pod = await client.get<Pod>(pods, web);
  readiness(pod)!.status = 'False';
  const told = await client.update<Pod>(pods, pod, { subresource: 'status' });
  assert.equal(readiness(told)?.status, 'False');
  await cluster.eventually(isReady);
});
