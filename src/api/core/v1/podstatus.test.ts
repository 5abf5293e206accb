import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pods, type Pod, serviceAccounts } from '../../index.ts';
import { startCluster } from '../../../testing/index.ts';

const web = { name: 'web', namespace: 'default' };

async function started(spec: object = {}) {
  const cluster = await startCluster({ controllers: false, scheduler: false });
  const containers = [{ name: 'c', image: 'web:1' }];
  const { client } = cluster;
  await client.create(serviceAccounts, { metadata: { name: 'default', namespace: 'default' } });
  await client.create(pods, { metadata: web, spec: { containers, ...spec } } as Pod);
  const say = (status: object) =>
    client.patch<Pod>(pods, web, { type: 'merge', body: { status } }, { subresource: 'status' });
  return { cluster, say };
}

test('either of a pod’s address fields gives the other', async () => {
  const { cluster, say } = await started();
  await using _ = cluster;
  assert.deepEqual((await say({ podIP: '10.0.0.7' })).status?.podIPs, [{ ip: '10.0.0.7' }]);
  assert.equal((await say({ podIPs: [{ ip: '10.0.0.8' }, { ip: 'fd00::8' }] })).status?.podIP, '10.0.0.8');
});

test('what is no address is refused, and what was said before stays', async () => {
  const { cluster, say } = await started();
  await using _ = cluster;
  await say({ podIPs: [{ ip: '10.0.0.7' }] });
  await assert.rejects(say({ podIPs: [{ ip: '10.0.0.777' }] }), /status\.podIPs\[0\]\.ip: Invalid value.*valid IP/);
  await assert.rejects(say({ podIPs: [{ ip: '10.0.0.7' }, { ip: '10.0.0.8' }] }), /no more than one IP for each/);
  await assert.rejects(say({ qosClass: 'Guaranteed' }), /status\.qosClass: Invalid value.*immutable/);
});

test('a container that is not started again stays ended', async () => {
  const { cluster, say } = await started({ restartPolicy: 'OnFailure' });
  await using _ = cluster;
  const status = (state: object) => ({
    containerStatuses: [{ name: 'c', image: 'web:1', imageID: '', ready: false, restartCount: 0, state }],
  });
  const running = { running: { startedAt: '2026-01-01T00:00:00Z' } };
  await say(status({ terminated: { exitCode: 1 } }));
  await say(status(running));
  await say(status({ terminated: { exitCode: 0 } }));
  await assert.rejects(say(status(running)), /containerStatuses\[0\]\.state: Forbidden/);
});
