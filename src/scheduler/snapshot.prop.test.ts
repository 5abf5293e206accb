/** What is counted with every change is what counting anew would give; and nobody is placed where somebody forbids it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Node, Pod } from '../api/index.ts';
import { type Random, seededRandom } from '../machinery/index.ts';
import { Scheduling } from './cycle.ts';
import type { Handle } from './handle.ts';
import { plugins } from './plugins/index.ts';
import { newProfile } from './profile.ts';
import { Snapshot } from './snapshot.ts';

const zones = ['z1', 'z2', 'z3'];
const apps = ['a', 'b'];

/** Plugins that lean on nothing but pods and nodes. */
const names = [
  'NodeUnschedulable',
  'TaintToleration',
  'NodeAffinity',
  'NodePorts',
  'NodeResourcesFit',
  'PodTopologySpread',
  'InterPodAffinity',
  'NodeResourcesBalancedAllocation',
  'ImageLocality',
];

const nobody = { get: () => undefined, list: () => [], size: 0 };
const handle = { watch: () => nobody, informer: () => ({ addHandler: () => {} }) } as unknown as Handle;

function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random.next() * list.length)]!;
}

function nodeOf(name: string, random: Random): Node {
  const zone = pick(random, [...zones, undefined]);
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...(zone && { zone }) } },
    spec: random.next() < 0.1 ? { unschedulable: true } : {},
    status: { allocatable: { cpu: pick(random, ['1', '2', '4']), memory: '8Gi', pods: '6' } },
  } as Node;
}

const selects = (app: string) => ({ matchLabels: { app } });

function podOf(n: number, random: Random): Pod {
  const app = pick(random, apps);
  const topologyKey = pick(random, ['zone', 'kubernetes.io/hostname']);
  const term = { labelSelector: selects(pick(random, apps)), topologyKey };
  const kind = pick(random, ['plain', 'spread', 'far', 'near', 'prefers']);
  const required = { requiredDuringSchedulingIgnoredDuringExecution: [term] };
  const preferred = { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 5, podAffinityTerm: term }] };
  return {
    metadata: { name: `p${n}`, namespace: 'default', uid: `u${n}`, labels: { app } },
    spec: {
      containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: pick(random, ['100m', '500m']) } } }],
      ...(kind === 'spread' && {
        topologySpreadConstraints: [
          { topologyKey, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', labelSelector: selects(app) },
        ],
      }),
      ...(kind === 'far' && { affinity: { podAntiAffinity: required } }),
      ...(kind === 'near' && { affinity: { podAffinity: required } }),
      ...(kind === 'prefers' && { affinity: { podAntiAffinity: preferred } }),
    },
  } as Pod;
}

/** By the rules alone: looks at every pod of the cluster. */
function isAllowed(pod: Pod, node: Node, placed: readonly Pod[], nodes: ReadonlyMap<string, Node>): boolean {
  const labelsAt = (other: Pod) => nodes.get(other.spec.nodeName!)?.metadata.labels ?? {};
  const matches = (one: any, other: Pod) => one.labelSelector.matchLabels.app === other.metadata.labels!.app;
  const together = (one: any, other: Pod) =>
    labelsAt(other)[one.topologyKey] !== undefined &&
    labelsAt(other)[one.topologyKey] === node.metadata.labels![one.topologyKey];
  const terms = (one: Pod, field: 'podAffinity' | 'podAntiAffinity') =>
    one.spec.affinity?.[field]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  const alive = placed.filter((other) => nodes.has(other.spec.nodeName!));
  for (const term of terms(pod, 'podAntiAffinity'))
    if (alive.some((other) => matches(term, other) && together(term, other))) return false;
  for (const other of alive)
    for (const term of terms(other, 'podAntiAffinity')) if (matches(term, pod) && together(term, other)) return false;
  for (const term of terms(pod, 'podAffinity')) {
    if (node.metadata.labels![term.topologyKey] === undefined) return false;
    const someone = alive.some((other) => matches(term, other) && labelsAt(other)[term.topologyKey] !== undefined);
    if (!someone && matches(term, pod)) continue;
    if (!alive.some((other) => matches(term, other) && together(term, other))) return false;
  }
  const here = alive.filter((other) => other.spec.nodeName === node.metadata.name);
  const milli = (one: Pod) => (one.spec.containers[0]!.resources!.requests!.cpu === '100m' ? 100 : 500);
  const used = [...here, pod].reduce((sum, one) => sum + milli(one), 0);
  if (used > Number(node.status!.allocatable!.cpu) * 1000 || here.length + 1 > 6 || node.spec!.unschedulable)
    return false;
  for (const one of pod.spec.topologySpreadConstraints ?? []) {
    const counts = new Map<string, number>();
    for (const { metadata } of nodes.values()) {
      const value = metadata.labels![one.topologyKey];
      if (value !== undefined) counts.set(value, 0);
    }
    for (const other of alive) {
      const value = labelsAt(other)[one.topologyKey];
      if (value !== undefined && matches(one, other)) counts.set(value, counts.get(value)! + 1);
    }
    const value = node.metadata.labels![one.topologyKey];
    if (value === undefined || counts.get(value)! + 1 - Math.min(...counts.values()) > one.maxSkew) return false;
  }
  return true;
}

test('a pod goes to a node that the rules allow, and finds none only when they allow none', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed);
    const snapshot = new Snapshot();
    const scheduling = new Scheduling(snapshot, random);
    const profile = newProfile(
      'default-scheduler',
      names.map((name) => plugins[name]!({}, handle)),
    );
    const nodes = new Map<string, Node>();
    const placed = new Map<string, Pod>();
    const setNode = (name: string) => {
      const node = nodeOf(name, random);
      nodes.set(name, node);
      snapshot.setNode(node);
    };
    for (let n = 0; n < 5; n++) setNode(`n${n}`);
    for (let step = 0; step < 80; step++) {
      const what = random.next();
      if (what < 0.06) setNode(`n${Math.floor(random.next() * 8)}`);
      else if (what < 0.1 && nodes.size > 2) {
        const name = pick(random, [...nodes.keys()]);
        nodes.delete(name);
        snapshot.removeNode(name);
      } else if (what < 0.3 && placed.size > 0) {
        const uid = pick(random, [...placed.keys()]);
        placed.delete(uid);
        snapshot.removePod(uid);
      } else {
        const pod = podOf(step, random);
        const all = [...placed.values()];
        const allowed = [...nodes.values()].filter((node) => isAllowed(pod, node, all, nodes));
        const choice = scheduling.choose(pod, profile);
        const where = `seed ${seed}, step ${step}`;
        if ('message' in choice) {
          assert.deepEqual(
            allowed.map((node) => node.metadata.name),
            [],
            `${where}: ${choice.message}`,
          );
          continue;
        }
        assert.ok(
          allowed.some((node) => node.metadata.name === choice.node.name),
          `${where}: ${choice.node.name} is not allowed`,
        );
        const assumed = { ...pod, spec: { ...pod.spec, nodeName: choice.node.name } };
        placed.set(pod.metadata.uid!, assumed);
        snapshot.setPod(assumed);
      }
    }
  }
});
