import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { httpsClient, type HttpsClient, parseKubeconfig } from '../../client/index.ts';
import { type AnyObject, systemClock } from '../../machinery/index.ts';
import { type Cluster, startCluster } from '../../testing/index.ts';
import { discover, getOrNone, historyOf, kindCalled, relatedTo, thingOf, timelineOf, waitsOf } from './index.ts';

describe('why', () => {
  let cluster: Cluster;
  let client: HttpsClient;
  before(async () => {
    cluster = await startCluster({ nodes: 1, clock: systemClock });
    const { kubeconfig } = await cluster.listen();
    client = httpsClient({ ...parseKubeconfig(kubeconfig), clock: systemClock });
  });
  after(async () => {
    client.close();
    await cluster[Symbol.asyncDispose]();
  });

  const explain = async (word: string, name: string, podLimit = 3) => {
    const kinds = await discover(client);
    const kind = kindCalled(kinds, word);
    const object = await getOrNone(client, kind, 'default', name);
    assert.ok(object, `${word}/${name}`);
    const { things, more } = await relatedTo(client, kinds, thingOf(kind, object), podLimit);
    const { steps, events } = await timelineOf(client, things);
    return {
      steps,
      more,
      waits: waitsOf(things, events),
      told: steps.map(({ object: of, what }) => `${of.split('/')[0]}: ${what}`),
    };
  };
  const deploy = async (name: string, spec: object, replicas = 1) => {
    const kind = kindCalled(await discover(client), 'deploy');
    const labels = { app: name };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'image:1' }], ...spec } };
    await client.create<AnyObject>(
      kind,
      {
        metadata: { name, namespace: 'default' },
        spec: { replicas, selector: { matchLabels: labels }, template },
      } as never,
      { fieldManager: 'a-person' },
    );
    return kind;
  };

  test('from what somebody made to a ready pod, in the order in which it came about, by whom', async () => {
    const kind = await deploy('web', {});
    await cluster.eventually(async () => {
      const { status } = await client.get(kind, { namespace: 'default', name: 'web' });
      return status?.availableReplicas === 1;
    });
    const { steps, told, waits } = await explain('deployment', 'web');
    const places = [
      'deployment: created: 1 replica, image:1',
      'replicaset: created: 1 replica, image:1',
      'pod: created: image:1',
      'pod: bound to node node-0',
      'pod: container c runs',
      'pod: ready',
      'replicaset: 1 of 1 ready',
      'deployment: 1 of 1 ready',
    ].map((one) => told.indexOf(one));
    assert.ok(!places.includes(-1), told.join('\n'));
    assert.deepEqual(
      places,
      places.toSorted((a, b) => a - b),
      told.join('\n'),
    );
    const by = (what: string) => steps.find((one) => one.what.startsWith(what))?.who;
    assert.deepEqual([by('created'), by('bound'), by('ready')], ['a-person', 'default-scheduler', 'kubelet']);
    assert.ok(
      steps.every(({ coarse }) => !coarse),
      'the server knows every time to the millisecond',
    );
    assert.deepEqual(waits, []);
  });

  test('what a pod waits for, and a deployment with it', async () => {
    await deploy('picky', { nodeSelector: { disk: 'fast' } });
    await cluster.eventually(async () => {
      const { waits, told } = await explain('deploy', 'picky');
      const [forDeployment, , forPod] = [waits[0], waits[1], waits.at(-1)];
      assert.match(forDeployment?.what ?? '', /^waits for 1 of its 1 pods to become ready/);
      assert.match(forPod?.what ?? '', /^waits for a node: 0\/1 nodes are available: .*affinity\/selector/);
      assert.ok(
        told.some((one) => one.startsWith('pod: not scheduled: 0/1 nodes')),
        told.join('\n'),
      );
      return true;
    });
  });

  test('a change is told with its values; those of a secret are not', async () => {
    const kinds = await discover(client);
    const secrets = kindCalled(kinds, 'secrets');
    const ref = { namespace: 'default', name: 'hidden' };
    await client.create(secrets, { metadata: ref, data: { key: 'b2xk' } } as never);
    await client.patch(secrets, ref, { type: 'merge', body: { data: { key: 'bmV3' } } }, { fieldManager: 'ann' });
    const { steps } = await explain('secret', 'hidden');
    assert.deepEqual(steps.map(({ what, who }) => [what, who]).at(-1), ['changed: data.key', 'ann']);
    const deploys = kindCalled(kinds, 'deployments.apps');
    const scaled = { type: 'merge', body: { spec: { replicas: 4 } } } as const;
    await client.patch(deploys, { namespace: 'default', name: 'picky' }, scaled);
    const { told, more } = await explain('deploy', 'picky', 1);
    assert.ok(told.includes('deployment: changed: spec.replicas 1 → 4'), told.join('\n'));
    await cluster.eventually(async () => (await explain('deploy', 'picky', 1)).more === 3);
    assert.ok(more <= 3);
  });

  test('what is gone is remembered', async () => {
    const kind = kindCalled(await discover(client), 'cm');
    const ref = { namespace: 'default', name: 'short-lived' };
    await client.create(kind, { metadata: ref } as never);
    await client.delete(kind, ref);
    const { versions, whole } = await historyOf(client, { kind, ...ref, object: undefined });
    assert.deepEqual([versions.length, versions.at(-1)?.deleted, whole], [2, true, true]);
  });
});
