/** Each rule, broken on purpose: a simulation that finds nothing must be one that could. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { AnyObject } from '../../machinery/index.ts';
import { seededRandom } from '../../machinery/index.ts';
import type { Store, StoreEvent } from '../../store/index.ts';
import { VirtualClock } from '../virtualclock.ts';
import { StoredState } from './cluster.ts';
import { Faults, profiles } from './faults.ts';
import { Rules } from './rules.ts';

class Written {
  readonly clock = new VirtualClock();
  readonly rules: Rules;
  #write: (event: StoreEvent) => void = () => {};

  constructor() {
    const state = new StoredState();
    this.rules = new Rules(state, new Faults(profiles[0]!, this.clock, seededRandom(1)), () => this.clock.now());
    const store = {
      watch: ({ onEvents }: { onEvents(events: StoreEvent[]): void }) =>
        void (this.#write = (event) => onEvents([event])),
    };
    state.follow(store as unknown as Store, (changed) => this.rules.check(changed));
  }

  put(resource: string, object: AnyObject): void {
    const { namespace, name } = object.metadata;
    const key = `/registry/${resource}/${namespace ? `${namespace}/` : ''}${name}`;
    this.#write({ key, value: Buffer.from(JSON.stringify(object)) } as unknown as StoreEvent);
  }
}

const namespace = 'default';
const meta = (name: string, more: object = {}) => ({ name, namespace, uid: `uid-of-${name}`, ...more });
const owned = (kind: string, name: string) => ({
  ownerReferences: [{ apiVersion: 'v1', kind, name, uid: `uid-of-${name}`, controller: true }],
});
const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
const asking = (cpu: string, memory = '1Gi') => [{ name: 'c', resources: { requests: { cpu, memory } } }];

function pod(name: string, more: AnyObject | object = {}, spec: object = {}, status: object = ready): AnyObject {
  return {
    metadata: meta(name, { labels: { app: 'a' }, ...more }),
    spec: { containers: asking('100m'), ...spec },
    status,
  } as AnyObject;
}

const node = {
  metadata: { name: 'n', uid: 'n' },
  status: { allocatable: { cpu: '1', memory: '2Gi', pods: '3' } },
} as AnyObject;
const budget = {
  metadata: meta('b'),
  spec: { selector: { matchLabels: { app: 'a' } } },
  status: { desiredHealthy: 2 },
} as AnyObject;
const evicted = (name: string) =>
  pod(
    name,
    { deletionTimestamp: '2026-01-01T00:00:00Z' },
    {},
    {
      ...ready,
      conditions: [...ready.conditions, { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }],
    },
  );

const broken: [string, (to: Written) => void, RegExp][] = [
  [
    'more pods than a ReplicaSet asks for',
    (to) => {
      to.put('apps/replicasets', { metadata: meta('rs'), spec: { replicas: 1 } } as AnyObject);
      for (const name of ['a', 'b']) to.put('core/pods', pod(name, owned('ReplicaSet', 'rs')));
    },
    /default\/b is pod 2 of ReplicaSet rs, which allows 1/,
  ],
  [
    'more pods than a Deployment and its surge allow, in two ReplicaSets',
    (to) => {
      const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } };
      to.put('apps/deployments', { metadata: meta('d'), spec: { replicas: 1, strategy } } as AnyObject);
      for (const rs of ['old', 'new'])
        to.put('apps/replicasets', {
          metadata: meta(rs, owned('Deployment', 'd')),
          spec: { replicas: 2 },
        } as AnyObject);
      for (const [i, rs] of ['old', 'old', 'new'].entries()) to.put('core/pods', pod(`p${i}`, owned('ReplicaSet', rs)));
    },
    /default\/p2 is pod 3 of Deployment d, which allows 2 with its surge/,
  ],
  [
    'a second pod of a DaemonSet on a node',
    (to) => {
      to.put('apps/daemonsets', { metadata: meta('ds'), spec: {} } as AnyObject);
      for (const name of ['a', 'b']) to.put('core/pods', pod(name, owned('DaemonSet', 'ds'), { nodeName: 'n' }));
    },
    /default\/b is pod 2 of DaemonSet ds for node n/,
  ],
  ...(
    [
      ['processors', asking('600m', '1Mi'), /node n is given 1200 of its 1000 thousandths of cpu/],
      ['memory', asking('1m', '1.5Gi'), /thousandths of memory/],
    ] as const
  ).map(([what, containers, why]): [string, (to: Written) => void, RegExp] => [
    `a node with too few ${what}`,
    (to) => {
      to.put('core/nodes', node);
      for (const name of ['a', 'b']) to.put('core/pods', pod(name, {}, { containers, nodeName: 'n' }));
    },
    why,
  ]),
  [
    'a node with too many pods',
    (to) => {
      to.put('core/nodes', node);
      const spec = { containers: asking('1m', '1Mi'), nodeName: 'n' };
      for (const name of ['a', 'b', 'c', 'd']) to.put('core/pods', pod(name, {}, spec));
    },
    /node n is given 4 pods/,
  ],
  [
    'an index of a Job that two pods complete',
    (to) => {
      const of = { ...owned('Job', 'j'), annotations: { 'batch.kubernetes.io/job-completion-index': '3' } };
      for (const name of ['a', 'b']) to.put('core/pods', pod(name, of, {}, { phase: 'Succeeded' }));
    },
    /index 3 of Job j was completed 2 times/,
  ],
  [
    'an ordinal of a StatefulSet on two nodes',
    (to) => {
      const one = pod('db-0', owned('StatefulSet', 'db'));
      const other = pod('db-0', { ...owned('StatefulSet', 'db'), uid: 'another' });
      to.rules.observer.started!('n', one as never, '10.0.0.1');
      to.rules.observer.started!('m', other as never, '10.0.1.1');
    },
    /default\/db-0 of a StatefulSet runs on m while it still runs on n/,
  ],
  [
    'an address that two pods have',
    (to) => {
      to.rules.observer.started!('n', pod('a') as never, '10.0.0.1');
      to.rules.observer.started!('n', pod('b') as never, '10.0.0.1');
    },
    /b has the address 10\.0\.0\.1 of another that runs/,
  ],
  [
    'evictions beyond a disruption budget',
    (to) => {
      for (const name of ['a', 'b', 'c']) to.put('core/pods', pod(name));
      to.put('policy/poddisruptionbudgets', budget);
      for (const name of ['a', 'b']) to.put('core/pods', evicted(name));
    },
    /b was evicted against budget b: it keeps 2, and had 2/,
  ],
];

for (const [what, breakIt, why] of broken)
  test(`found: ${what}`, () => {
    const written = new Written();
    breakIt(written);
    assert.equal(written.rules.violations.length, 1, written.rules.violations.join('\n'));
    assert.match(written.rules.violations[0]!, why);
  });

test('nothing is found where nothing is broken: an eviction within its budget, a pod that moved, a surge', () => {
  const written = new Written();
  for (const name of ['a', 'b', 'c']) written.put('core/pods', pod(name));
  written.put('policy/poddisruptionbudgets', budget);
  written.put('core/pods', evicted('a'));
  const { observer } = written.rules;
  const first = pod('db-0', owned('StatefulSet', 'db')) as never;
  observer.started!('n', first, '10.0.0.1');
  observer.ended!('n', first);
  observer.started!('m', pod('db-0', { ...owned('StatefulSet', 'db'), uid: 'next' }) as never, '10.0.0.1');
  assert.deepEqual(written.rules.violations, []);
});
