/** What must hold after every single write, whatever goes wrong. */
import { type AnyObject, quantityMilliValue } from '../../machinery/index.ts';
import type { Observer } from '../../layers/sim/index.ts';
import { Budgets } from './budgets.ts';
import { type Changed, isActive, ownerOf, type StoredState } from './cluster.ts';
import type { Faults } from './faults.ts';

/** Milliseconds in which a controller may still act on what it was told before. */
const memory = 120_000;

/** What an owner allowed lately: the most of each moment counts. */
class Bounds {
  readonly #past = new Map<string, { until: number; most: number }[]>();

  set(uid: string, most: number, now: number): void {
    const past = this.#past.get(uid) ?? [];
    const last = past.at(-1);
    if (last !== undefined && last.most === most) return;
    if (last !== undefined) last.until = now;
    past.push({ until: Number.POSITIVE_INFINITY, most });
    this.#past.set(uid, past);
  }

  most(uid: string, now: number): number | undefined {
    const past = this.#past.get(uid)?.filter(({ until }) => until >= now - memory);
    return past && Math.max(...past.map(({ most }) => most));
  }
}

export class Rules {
  readonly violations: string[] = [];
  readonly #state: StoredState;
  readonly #faults: Faults;
  readonly #now: () => number;
  readonly #bounds = new Bounds();
  /** Which node runs what is named so, by `namespace/name`. */
  readonly #running = new Map<string, { node: string; uid: string }>();
  /** The pods that completed an index of a Job, by `job uid/index`. */
  readonly #completed = new Map<string, Set<string>>();

  readonly #budgets: Budgets;
  /** Which pod has an address, by the address. */
  readonly #addresses = new Map<string, string>();

  constructor(state: StoredState, faults: Faults, now: () => number) {
    this.#budgets = new Budgets(state, memory);
    this.#state = state;
    this.#faults = faults;
    this.#now = now;
  }

  violated(what: string): void {
    this.violations.push(what);
  }

  check({ resource, key, before, after }: Changed): void {
    if (
      resource === 'apps/replicasets' ||
      resource === 'apps/statefulsets' ||
      resource === 'core/replicationcontrollers'
    )
      this.#bound(after, after?.spec.replicas ?? 1);
    if (resource === 'apps/deployments') this.#bound(after, after && replicasAndSurge(after));
    if (resource === 'batch/jobs') this.#bound(after, after?.spec.parallelism ?? 1);
    if (resource === 'core/pods' || resource === 'policy/poddisruptionbudgets')
      for (const broken of this.#budgets.check(before, after, this.#now())) this.violated(broken);
    if (resource !== 'core/pods' || after === undefined) return;
    if (before === undefined) this.#notTooMany(key, after);
    if (before === undefined) this.#oncePerNode(key, after);
    if (after.spec.nodeName && !before?.spec.nodeName) this.#notOvercommitted(after.spec.nodeName);
    if (after.status?.phase === 'Succeeded' && before?.status?.phase !== 'Succeeded') this.#completedOnce(after);
  }

  #bound(owner: AnyObject | undefined, most: number | undefined): void {
    if (owner !== undefined) this.#bounds.set(owner.metadata.uid!, most!, this.#now());
  }

  /** No pod beyond what its owner, and its owner's owner, allow; an answer that was lost excuses one. */
  #notTooMany(key: string, pod: AnyObject): void {
    const owner = ownerOf(pod);
    if (owner === undefined) return;
    const excuse = this.#faults.lostWithin(memory);
    const actives = [...this.#state.of('core/pods')].filter(isActive);
    const own = actives.filter((one) => ownerOf(one)?.uid === owner.uid).length;
    const most = this.#bounds.most(owner.uid, this.#now());
    if (most !== undefined && own > most + excuse)
      this.violated(`${key} is pod ${own} of ${owner.kind} ${owner.name}, which allows ${most}`);
    if (owner.kind !== 'ReplicaSet') return;
    const set = this.#state.get('apps/replicasets', `${pod.metadata.namespace}/${owner.name}`);
    const deployment = set && ownerOf(set);
    if (deployment === undefined) return;
    const sets = new Set(
      [...this.#state.of('apps/replicasets')]
        .filter((one) => ownerOf(one)?.uid === deployment.uid)
        .map(({ metadata }) => metadata.uid),
    );
    const all = actives.filter((one) => sets.has(ownerOf(one)?.uid)).length;
    const allowed = this.#bounds.most(deployment.uid, this.#now());
    if (allowed !== undefined && all > allowed + excuse)
      this.violated(`${key} is pod ${all} of Deployment ${deployment.name}, which allows ${allowed} with its surge`);
  }

  #notOvercommitted(name: string): void {
    const node = this.#state.get('core/nodes', name);
    if (node === undefined || this.#faults.lostWithin(memory) > 0) return;
    const here = [...this.#state.of('core/pods')].filter(
      ({ spec, status }) => spec.nodeName === name && status?.phase !== 'Succeeded' && status?.phase !== 'Failed',
    );
    const { allocatable } = node.status;
    for (const resource of ['cpu', 'memory']) {
      const asked = here.reduce((total, { spec }) => total + requestOf(spec, resource), 0);
      const room = amount(allocatable[resource] ?? '0');
      if (asked > room) this.violated(`node ${name} is given ${asked} of its ${room} thousandths of ${resource}`);
    }
    if (here.length > Number(allocatable.pods)) this.violated(`node ${name} is given ${here.length} pods`);
  }

  /** A DaemonSet has a pod for each node, and only while it rolls with a surge a second one. */
  #oncePerNode(key: string, pod: AnyObject): void {
    const owner = ownerOf(pod);
    if (owner?.kind !== 'DaemonSet') return;
    const set = this.#state.get('apps/daemonsets', `${pod.metadata.namespace}/${owner.name}`);
    const surge = set?.spec.updateStrategy?.rollingUpdate?.maxSurge;
    const most = (surge && surge !== '0%' ? 2 : 1) + this.#faults.lostWithin(memory);
    const node = targetOf(pod);
    const same = [...this.#state.of('core/pods')].filter(
      (one) => isActive(one) && ownerOf(one)?.uid === owner.uid && targetOf(one) === node,
    );
    if (node !== undefined && same.length > most)
      this.violated(`${key} is pod ${same.length} of DaemonSet ${owner.name} for node ${node}`);
  }

  #completedOnce(pod: AnyObject): void {
    const index = pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index'];
    const owner = ownerOf(pod);
    if (index === undefined || owner === undefined) return;
    const id = `${owner.uid}/${index}`;
    const by = this.#completed.get(id) ?? new Set();
    this.#completed.set(id, by.add(pod.metadata.uid!));
    if (by.size > 1 + this.#faults.lostWithin(Number.POSITIVE_INFINITY))
      this.violated(`index ${index} of Job ${owner.name} was completed ${by.size} times`);
  }

  /** Sees what nobody sees through the API: what really runs where. */
  readonly observer: Observer = {
    started: (node, pod, address) => {
      const has = this.#addresses.get(address);
      if (has !== undefined && has !== pod.metadata.uid)
        this.violated(`${pod.metadata.name} has the address ${address} of another that runs`);
      this.#addresses.set(address, pod.metadata.uid!);
      if (ownerOf(pod as AnyObject)?.kind !== 'StatefulSet') return;
      const id = `${pod.metadata.namespace}/${pod.metadata.name}`;
      const other = this.#running.get(id);
      if (other !== undefined && other.uid !== pod.metadata.uid)
        this.violated(`${id} of a StatefulSet runs on ${node} while it still runs on ${other.node}`);
      this.#running.set(id, { node, uid: pod.metadata.uid! });
    },
    ended: (_, pod) => {
      for (const [address, uid] of this.#addresses) if (uid === pod.metadata.uid) this.#addresses.delete(address);
      const id = `${pod.metadata.namespace}/${pod.metadata.name}`;
      if (this.#running.get(id)?.uid === pod.metadata.uid) this.#running.delete(id);
    },
  };
}

function replicasAndSurge({ spec }: AnyObject): number {
  const replicas = spec.replicas ?? 1;
  const surge = spec.strategy?.rollingUpdate?.maxSurge;
  if (spec.strategy?.type !== 'RollingUpdate' || surge === undefined) return replicas;
  return replicas + (typeof surge === 'number' ? surge : Math.ceil((replicas * Number.parseInt(surge, 10)) / 100));
}

/** The node that a DaemonSet's pod is for, whether it is there yet or not. */
function targetOf({ spec }: AnyObject): string | undefined {
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return spec.nodeName ?? terms?.[0]?.matchFields?.[0]?.values?.[0];
}

function requestOf(spec: AnyObject, resource: string): number {
  return (spec.containers as AnyObject[]).reduce(
    (total, { resources }) => total + amount(resources?.requests?.[resource] ?? '0'),
    0,
  );
}

/** In thousandths: of cores, and of bytes. */
const amount = quantityMilliValue;
