import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { configMaps, type Node, nodes, type Pod, pods, secrets, serviceAccounts } from '../../../api/index.ts';
import type { Client } from '../../../client/index.ts';
import { type Cluster, startCluster } from '../../../testing/index.ts';

const at = (name: string) => ({ name, namespace: 'default' });
const forbidden = { reason: 'Forbidden' };

describe('a node and what is not its own', () => {
  let cluster: Cluster;
  let admin: Client;
  let one: Client;
  let two: Client;
  before(async () => {
    cluster = await startCluster({ controllers: false, scheduler: false });
    admin = cluster.client;
    one = cluster.clientFor({ name: 'system:node:one', groups: ['system:nodes'] });
    two = cluster.clientFor({ name: 'system:node:two', groups: ['system:nodes'] });
    await admin.create(serviceAccounts, { metadata: at('default') });
    for (const name of ['a', 'b']) await admin.create(secrets, { metadata: at(name) });
    await admin.create(configMaps, { metadata: at('c') });
    await admin.create<Pod>(pods, {
      metadata: at('p'),
      spec: {
        automountServiceAccountToken: false,
        containers: [{ name: 'c', image: 'i', envFrom: [{ configMapRef: { name: 'c' } }] }],
        volumes: [{ name: 'v', secret: { secretName: 'a' } }],
      },
    });
  });
  after(() => cluster[Symbol.asyncDispose]());

  test('it reads what its pods refer to, from the moment that they are its own until they are gone', async () => {
    await assert.rejects(one.get(secrets, at('a')), forbidden);
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: at('p'), target: { kind: 'Node', name: 'one' } };
    await admin.create(pods, binding as never, { subresource: 'binding' });
    assert.equal((await one.get(secrets, at('a'))).metadata.name, 'a');
    assert.equal((await one.get(configMaps, at('c'))).metadata.name, 'c');
    assert.equal((await one.list(secrets, { namespace: 'default', fieldSelector: 'metadata.name=a' })).items.length, 1);
    await assert.rejects(one.get(secrets, at('b')), {
      ...forbidden,
      message: /no relationship found|cannot get resource "secrets"/,
    });
    await assert.rejects(one.list(secrets, { namespace: 'default' }), forbidden);
    await assert.rejects(two.get(secrets, at('a')), forbidden);
    assert.equal((await one.get(pods, at('p'))).metadata.name, 'p');
    await assert.rejects(two.get(pods, at('p')), forbidden);
    assert.equal((await one.list(pods, { fieldSelector: 'spec.nodeName=one' })).items.length, 1);
    await assert.rejects(one.list(pods), forbidden);
  });

  test('it reports on its own pods and node only', async () => {
    await one.create<Node>(nodes, { metadata: { name: 'one' } } as Node);
    await assert.rejects(one.create<Node>(nodes, { metadata: { name: 'three' } } as Node), forbidden);
    await admin.create<Node>(nodes, { metadata: { name: 'two' } } as Node);
    const label = (client: Client, node: string, labels: Record<string, string>) =>
      client.patch(nodes, { name: node }, { type: 'merge', body: { metadata: { labels } } });
    await label(one, 'one', { 'topology.kubernetes.io/zone': 'z', mine: 'yes' });
    await assert.rejects(label(one, 'one', { 'node-restriction.kubernetes.io/x': 'y' }), {
      message: /is not allowed to modify labels: node-restriction.kubernetes.io\/x/,
    });
    await assert.rejects(label(one, 'two', { mine: 'yes' }), {
      message: 'nodes "two" is forbidden: node "one" is not allowed to modify node "two"',
    });
    const report = (client: Client) =>
      client.patch<Pod>(
        pods,
        at('p'),
        { type: 'merge', body: { status: { phase: 'Running' } } },
        { subresource: 'status' },
      );
    await report(one);
    await assert.rejects(report(two), {
      message: /node "two" can only update pod status for pods with spec.nodeName set to itself/,
    });
    await assert.rejects(two.delete(pods, at('p')), forbidden);
  });

  test('it gets tokens for its pods only', async () => {
    const { uid } = (await admin.get(pods, at('p'))).metadata;
    const token = (client: Client, ref?: object) =>
      client.create(serviceAccounts, { metadata: at('default'), spec: { boundObjectRef: ref } } as never, {
        subresource: 'token',
      });
    await token(one, { apiVersion: 'v1', kind: 'Pod', name: 'p', uid });
    await assert.rejects(token(one), { message: /node requested token not bound to a pod/ });
    await assert.rejects(token(two, { apiVersion: 'v1', kind: 'Pod', name: 'p', uid }), forbidden);
  });

  test('a pod learns where its node is', async () => {
    await admin.create<Pod>(pods, { metadata: at('q'), spec: { containers: [{ name: 'c', image: 'i' }] } });
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: at('q'), target: { kind: 'Node', name: 'one' } };
    await admin.create(pods, binding as never, { subresource: 'binding' });
    assert.equal((await admin.get(pods, at('q'))).metadata.labels?.['topology.kubernetes.io/zone'], 'z');
  });

  test('when the pod is gone, so is the right', async () => {
    await one.delete(pods, at('p'), { gracePeriodSeconds: 0 });
    await assert.rejects(one.get(secrets, at('a')), forbidden);
  });
});
