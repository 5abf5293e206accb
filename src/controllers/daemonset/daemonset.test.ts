import assert from 'node:assert/strict';
import test from 'node:test';
import { type DaemonSet, daemonSets, type Node, nodes, type Pod, pods } from '../../api/index.ts';
import { type Cluster, settle, startCluster } from '../../testing/index.ts';
import { bringUp, report } from '../testpods.ts';
import { belongs, nodeOf } from './nodes.ts';
import { planFor } from './plan.ts';

const labels = { app: 'agent' };
const setOf = (podSpec: object = {}, rollingUpdate: object = {}): DaemonSet => ({
  metadata: { name: 'agent', namespace: 'default' },
  spec: {
    selector: { matchLabels: labels },
    updateStrategy: { type: 'RollingUpdate', rollingUpdate },
    template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x:1' }], ...podSpec } },
  },
});
const nodeCalled = (name: string, spec: Node['spec'] = {}, own: Record<string, string> = {}): Node => ({
  metadata: { name, labels: own },
  spec,
});

test('where a pod belongs', () => {
  const tainted = (key: string, effect: 'NoSchedule' | 'NoExecute') => nodeCalled('n', { taints: [{ key, effect }] });
  const required = (matchExpressions: object[]) => ({
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } },
    },
  });
  for (const [what, podSpec, node, runs, stays] of [
    ['anywhere', {}, nodeCalled('n'), true, true],
    ['by its selector', { nodeSelector: { disk: 'ssd' } }, nodeCalled('n'), false, false],
    ['by its selector, there', { nodeSelector: { disk: 'ssd' } }, nodeCalled('n', {}, { disk: 'ssd' }), true, true],
    [
      'by its affinity',
      required([{ key: 'cores', operator: 'Gt', values: ['4'] }]),
      nodeCalled('n', {}, { cores: '8' }),
      true,
      true,
    ],
    [
      'not by its affinity',
      required([{ key: 'cores', operator: 'Gt', values: ['4'] }]),
      nodeCalled('n', {}, { cores: '2' }),
      false,
      false,
    ],
    ['a taint keeps new ones away', {}, tainted('mine', 'NoSchedule'), false, true],
    ['another ends those that are there', {}, tainted('mine', 'NoExecute'), false, false],
    [
      'unless tolerated',
      { tolerations: [{ key: 'mine', operator: 'Exists' }] },
      tainted('mine', 'NoExecute'),
      true,
      true,
    ],
    ['a node that is not ready', {}, tainted('node.kubernetes.io/not-ready', 'NoExecute'), true, true],
    ['a cordoned node', {}, tainted('node.kubernetes.io/unschedulable', 'NoSchedule'), true, true],
  ] as [string, object, Node, boolean, boolean][])
    assert.deepEqual(belongs(setOf(podSpec), node), { runs, stays }, what);
});

test('what a set does next', () => {
  /** `a:new`, `b:old`, `c:oldbad`, `d:failed`, `e:going`. */
  const podsOf = (states: string[]): Pod[] =>
    states.map((state) => {
      const [node, how] = state.split(':') as [string, string];
      return {
        metadata: {
          name: `${node}-${how}`,
          labels: { 'controller-revision-hash': how.startsWith('new') ? 'h2' : 'h1' },
          ...(how === 'going' && { deletionTimestamp: 'x' }),
        },
        spec: { nodeName: node, containers: [] },
        status: {
          phase: how === 'failed' ? 'Failed' : 'Running',
          conditions: [{ type: 'Ready', status: how.endsWith('bad') ? 'False' : 'True' }],
        },
      } as Pod;
    });
  for (const [what, rolling, on, states, expected] of [
    ['one each', {}, 'a b', [], '+a +b'],
    ['nothing more', {}, 'a b', ['a:new', 'b:new'], ''],
    ['not beside one that is ending', {}, 'a', ['a:going'], ''],
    ['failed ones go', {}, 'a', ['a:failed'], '-a-failed'],
    ['nodes that are gone', {}, 'a', ['a:new', 'z:new'], '-z-new'],
    ['old ones one at a time', {}, 'a b', ['a:old', 'b:old'], '-a-old'],
    ['and not while another is missing', {}, 'a b', ['a:newbad', 'b:old'], ''],
    ['what does not work goes at once', {}, 'a b c', ['a:oldbad', 'b:oldbad', 'c:old'], '-a-oldbad -b-oldbad'],
    ['as many as allowed', { maxUnavailable: '50%' }, 'a b c d', ['a:old', 'b:old', 'c:old', 'd:old'], '-a-old -b-old'],
    ['beside the old one', { maxSurge: 1, maxUnavailable: 0 }, 'a b', ['a:old', 'b:old'], '+a'],
    ['which waits for it', { maxSurge: 1, maxUnavailable: 0 }, 'a b', ['a:old', 'a:newbad', 'b:old'], ''],
    ['and goes then', { maxSurge: 1, maxUnavailable: 0 }, 'a b', ['a:old', 'a:new', 'b:old'], '-a-old +b'],
  ] as [string, object, string, string[], string][]) {
    const plan = planFor(
      setOf({}, rolling),
      on.split(' ').map((name) => nodeCalled(name)),
      podsOf(states),
      'h2',
      0,
    );
    const told = [...plan.delete.map(({ metadata }) => `-${metadata.name}`), ...plan.create.map((node) => `+${node}`)];
    assert.deepEqual(told.toSorted(), expected.split(' ').filter(Boolean).toSorted(), what);
  }
});

const at = { name: 'agent', namespace: 'default' };
async function until(cluster: Cluster, check: (set: DaemonSet) => boolean): Promise<DaemonSet> {
  return cluster.eventually(async () => {
    await bringUp(cluster.client, cluster.clock.now());
    // nodes here give no sign of life: in little time, before they are missed
    await settle();
    const set: DaemonSet = await cluster.client.get(daemonSets, at);
    return check(set) ? set : undefined;
  });
}
const where = async ({ client }: Cluster) => (await client.list<Pod>(pods)).items.map(nodeOf).toSorted().join(' ');

test('pods follow the nodes, a release reaches each, and what fails is made again', async () => {
  await using cluster = await startCluster({ scheduler: false });
  const { client } = cluster;
  for (const name of ['a', 'b']) await client.create(nodes, nodeCalled(name));
  await client.create(daemonSets, setOf());
  const first = await until(cluster, ({ status }) => status?.numberAvailable === 2);
  assert.deepEqual(
    [first.status!.desiredNumberScheduled, first.status!.currentNumberScheduled, first.status!.updatedNumberScheduled],
    [2, 2, 2],
  );
  await client.create(nodes, nodeCalled('c'));
  await until(cluster, ({ status }) => status?.numberAvailable === 3);
  assert.equal(await where(cluster), 'a b c');
  await client.patch(daemonSets, at, {
    type: 'strategic',
    body: { spec: { template: { spec: { containers: [{ name: 'c', image: 'x:2' }] } } } },
  });
  await until(
    cluster,
    ({ status, metadata }) =>
      status?.observedGeneration === metadata.generation &&
      status?.updatedNumberScheduled === 3 &&
      status.numberAvailable === 3,
  );
  const running = (await client.list<Pod>(pods)).items;
  assert.deepEqual(
    running.map(({ spec }) => spec.containers[0]!.image),
    ['x:2', 'x:2', 'x:2'],
  );
  await report(client, running[0]!, { phase: 'Failed', ready: false, now: cluster.clock.now() });
  await until(cluster, ({ status }) => status?.numberAvailable === 2);
  await until(cluster, ({ status }) => status?.numberAvailable === 3);
  await client.patch(
    nodes,
    { name: 'b' },
    { type: 'merge', body: { spec: { taints: [{ key: 'mine', effect: 'NoExecute' }] } } },
  );
  await until(cluster, ({ status }) => status?.desiredNumberScheduled === 2);
  await cluster.eventually(async () => (await where(cluster)) === 'a c');
});
