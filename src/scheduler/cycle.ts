/** One attempt: filter the nodes, score what is left, choose. Pure: it reads the snapshot and draws from the random it is given. */
import type { Pod } from '../api/index.ts';
import type { Random } from '../machinery/index.ts';
import type { Cycle, Plugin, PostFilterResult, Rejection } from './framework.ts';
import type { NodeInfo } from './nodeinfo.ts';
import { type PodClass, PodClasses } from './podclass.ts';
import type { Profile } from './profile.ts';
import type { Snapshot } from './snapshot.ts';

/** `message` as events and conditions tell it; `by`: whose rejections something must change. */
export interface Unschedulable {
  readonly message: string;
  readonly by: readonly Plugin[];
  readonly postFilter?: PostFilterResult;
}

export interface Chosen {
  readonly node: NodeInfo;
  readonly cycle: Cycle;
}

/** Nodes that other programs were asked about: leaves those that they let pass, and adds their scores. */
export interface Outside {
  filter(pod: Pod, nodes: readonly NodeInfo[]): Promise<{ nodes: NodeInfo[]; rejections: Map<NodeInfo, Rejection> }>;
  score(pod: Pod, nodes: readonly NodeInfo[]): Promise<ReadonlyMap<string, number>>;
}

/** As upstream: in a big cluster, enough feasible nodes are enough. `percentage` 0: by the number of nodes. */
function enough(nodes: number, percentage: number): number {
  if (nodes < 100 || percentage >= 100) return nodes;
  const percent = percentage > 0 ? percentage : Math.max(5, 50 - Math.floor(nodes / 125));
  return Math.max(100, Math.floor((nodes * percent) / 100));
}

export class Scheduling {
  readonly #random: Random;
  readonly snapshot: Snapshot;
  readonly #classes = new PodClasses();
  #startAt = 0;
  /** Scratch, as long as the cluster has nodes: an attempt leaves nothing behind to be collected. */
  #found: NodeInfo[] = [];
  #slots = new Int32Array(0);
  #totals = new Float64Array(0);
  #scores = new Float64Array(0);
  #rejected: (Rejection | undefined)[] = [];
  #looked: NodeInfo[] = [];

  constructor(snapshot: Snapshot, random: Random) {
    this.snapshot = snapshot;
    this.#random = random;
  }

  choose(pod: Pod, profile: Profile): Chosen | Unschedulable {
    const begun = this.#begin(pod, profile);
    if ('message' in begun) return begun;
    const { cycle, podClass, among } = begun;
    const nominated = this.#nominated(begun);
    if (nominated !== undefined) return { node: nominated, cycle };
    const count = this.#filter(begun, among, enough(among.length, profile.percentageOfNodesToScore));
    if (count === 0) return this.#nowhere(begun, profile);
    return {
      node:
        count === 1 ? this.snapshot.bySlot[this.#slots[0]!]! : this.#best(cycle, podClass, profile, count, undefined),
      cycle,
    };
  }

  /** The same, where programs outside have a say. */
  async chooseWith(pod: Pod, profile: Profile, outside: Outside): Promise<Chosen | Unschedulable> {
    const begun = this.#begin(pod, profile);
    if ('message' in begun) return begun;
    const { among } = begun;
    this.#makeRoom(among.length);
    const count = this.#filterEach(begun, among, enough(among.length, profile.percentageOfNodesToScore));
    if (count === 0) return this.#nowhere(begun, profile);
    const { nodes, rejections } = await outside.filter(pod, this.#nodes(count).slice());
    if (nodes.length === 0) {
      const others = this.#rejected.slice(0, this.#lookedAt).filter((one) => one !== undefined);
      const message = messageOf(this.snapshot.size, reasonsOf([...rejections.values(), ...others]));
      return { message, by: profile.plugins };
    }
    const scores = await outside.score(pod, nodes);
    // others may have been placed meanwhile
    const fresh = this.#begin(pod, profile);
    if ('message' in fresh) return fresh;
    const left = this.#filter(fresh, nodes, nodes.length);
    if (left === 0) return this.#nowhere(fresh, profile);
    return { node: this.#best(fresh.cycle, fresh.podClass, profile, left, scores), cycle: fresh.cycle };
  }

  #begin(pod: Pod, profile: Profile): Begun | Unschedulable {
    const { snapshot } = this;
    if (snapshot.size === 0) return { message: 'no nodes available to schedule pods', by: profile.plugins };
    const [podClass, cycle] = this.#classes.of(pod, profile, snapshot, (shared) => ({
      pod,
      snapshot,
      state: new Map(),
      shared,
    }));
    if (podClass.rejection !== undefined) return this.#refused(cycle, profile, podClass.rejection);
    let { only } = podClass;
    const limitedBy = [...podClass.limitedBy];
    const filters: Plugin[] = [];
    for (const plugin of profile.otherPlugins) {
      const found = plugin.preFilter?.(cycle);
      if (found === 'skip') continue;
      if (plugin.filter !== undefined) filters.push(plugin);
      if (found === undefined) continue;
      if ('reason' in found) return this.#refused(cycle, profile, { ...found, plugin });
      limitedBy.push(plugin.name);
      const before = only;
      only = before === undefined ? found : new Set([...found].filter((name) => before.has(name)));
    }
    const among = only === undefined ? snapshot.nodes : [...only].flatMap((name) => snapshot.get(name) ?? []);
    return { cycle, podClass, filters, among, limited: only !== undefined, limitedBy };
  }

  /** Where it is to come since it has made room there, if it fits by now. */
  #nominated({ cycle, podClass, filters, among, limited }: Begun): NodeInfo | undefined {
    const name = cycle.pod.status?.nominatedNodeName ?? this.snapshot.nominatedNode(cycle.pod.metadata.uid!);
    const node = name ? this.snapshot.get(name) : undefined;
    if (node === undefined || (limited && !among.includes(node))) return undefined;
    return this.fits(cycle, podClass, filters, node) === undefined ? node : undefined;
  }

  /** Why it does not fit on the node, counting those that are to come there and go before it. */
  fits(cycle: Cycle, podClass: PodClass, filters: readonly Plugin[], node: NodeInfo): Rejection | undefined {
    const { pod, snapshot } = cycle;
    const priority = pod.spec.priority ?? 0;
    const coming = node.nominated.filter(
      (one) =>
        one.metadata.uid !== pod.metadata.uid &&
        (one.spec.priority ?? 0) >= priority &&
        !snapshot.has(one.metadata.uid!),
    );
    if (coming.length > 0) {
      for (const one of coming) snapshot.place(one, node);
      const rejection = podClass.look(cycle, node) ?? rejectionBy(filters, cycle, node);
      for (const one of coming) snapshot.displace(one, node);
      if (rejection !== undefined) return rejection;
    }
    return podClass.verdict(cycle, node) ?? rejectionBy(filters, cycle, node);
  }

  /** Finds nodes that fit, at most `wanted`: fills `#slots`, and when there are none, `#rejected` with why not. */
  #filter(begun: Begun, nodes: readonly NodeInfo[], wanted: number): number {
    this.#makeRoom(nodes.length);
    if (begun.limited || nodes !== this.snapshot.nodes || this.snapshot.hasNominations)
      return this.#filterEach(begun, nodes, wanted);
    const startedAt = this.#startAt;
    const count = this.#filterFast(begun, wanted);
    if (count > 0) return count;
    this.#startAt = startedAt;
    return this.#filterEach(begun, nodes, wanted);
  }

  #makeRoom(nodes: number): void {
    if (this.#slots.length < nodes) this.#slots = new Int32Array(nodes * 2);
  }

  /** Where nothing is to be told of those that do not fit: touches a node only if it has changed, or if more than what is local is asked. */
  #filterFast({ cycle, podClass, filters }: Begun, wanted: number): number {
    const { slots, generations, bySlot } = this.snapshot;
    const { seen, fits } = podClass;
    const found = this.#slots;
    const { length } = slots;
    const start = this.#startAt % length;
    let count = 0;
    let looked = 0;
    for (; looked < length && count < wanted; looked++) {
      const at = start + looked;
      const slot = slots[at < length ? at : at - length]!;
      if (seen[slot] !== generations[slot]) podClass.verdict(cycle, bySlot[slot]!);
      if (fits[slot] === 0) continue;
      if (filters.length > 0 && rejectionBy(filters, cycle, bySlot[slot]!) !== undefined) continue;
      found[count++] = slot;
    }
    this.#startAt = (start + looked) % length;
    return count;
  }

  #filterEach({ cycle, podClass, filters, limited }: Begun, nodes: readonly NodeInfo[], wanted: number): number {
    const start = limited ? 0 : this.#startAt % Math.max(1, nodes.length);
    let count = 0;
    let looked = 0;
    for (; looked < nodes.length && count < wanted; looked++) {
      const at = start + looked;
      const node = nodes[at < nodes.length ? at : at - nodes.length]!;
      const rejection = this.fits(cycle, podClass, filters, node);
      this.#rejected[looked] = rejection;
      this.#looked[looked] = node;
      if (rejection === undefined) this.#slots[count++] = node.slot;
    }
    if (!limited && nodes.length > 0) this.#startAt = (start + looked) % nodes.length;
    this.#lookedAt = looked;
    return count;
  }

  /** The nodes that were found. */
  #nodes(count: number): NodeInfo[] {
    const found = this.#found;
    found.length = count;
    for (let i = 0; i < count; i++) found[i] = this.snapshot.bySlot[this.#slots[i]!]!;
    return found;
  }

  #lookedAt = 0;

  #best(
    cycle: Cycle,
    podClass: PodClass,
    profile: Profile,
    count: number,
    extra: ReadonlyMap<string, number> | undefined,
  ): NodeInfo {
    if (this.#totals.length < count) {
      this.#totals = new Float64Array(count * 2);
      this.#scores = new Float64Array(count * 2);
    }
    const { generations, bySlot } = this.snapshot;
    const [slots, totals, scores] = [this.#slots, this.#totals, this.#scores];
    const { normalized, scoredAt, scores: known } = podClass;
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!;
      totals[i] = scoredAt[slot] === generations[slot] ? known[slot]! : podClass.score(cycle, bySlot[slot]!);
    }
    const others = profile.otherScorers.filter((plugin) => plugin.scores?.(cycle) !== false);
    const nodes = normalized.length + others.length > 0 || extra !== undefined ? this.#nodes(count) : [];
    for (let p = 0; p < normalized.length; p++) {
      for (let i = 0; i < count; i++) scores[i] = podClass.rawScore(p, slots[i]!);
      addNormalized(normalized[p]!, cycle, scores, nodes, count, totals);
    }
    for (const plugin of others) {
      if (plugin.preScore?.(cycle, nodes) === false) continue;
      for (let i = 0; i < count; i++) scores[i] = plugin.score!(cycle, nodes[i]!);
      addNormalized(plugin, cycle, scores, nodes, count, totals);
    }
    if (extra !== undefined) for (let i = 0; i < count; i++) totals[i]! += extra.get(nodes[i]!.name) ?? 0;
    return bySlot[slots[highest(totals, count, this.#random)]!]!;
  }

  #refused(cycle: Cycle, profile: Profile, rejection: Rejection): Unschedulable {
    const message = `0/${this.snapshot.size} nodes are available: ${rejection.reason}.`;
    const by = rejection.plugin === undefined ? [] : [rejection.plugin];
    if (rejection.unresolvable) return withPostFilter(message, by, preemptionOf(profile, cycle, new Map()));
    const all = new Map(this.snapshot.nodes.map((node) => [node, rejection] as const));
    return withPostFilter(message, by, preemptionOf(profile, cycle, all));
  }

  #nowhere({ cycle, podClass, filters, limitedBy }: Begun, profile: Profile): Unschedulable {
    const rejections = new Map<NodeInfo, Rejection>();
    const by = new Set<Plugin>();
    for (let i = 0; i < this.#lookedAt; i++) {
      const rejection = this.#rejected[i]!;
      rejections.set(this.#looked[i]!, rejection);
      if (rejection.plugin !== undefined) by.add(rejection.plugin);
    }
    cycle.state.set('localOnly', filters.length === 0);
    cycle.state.set('fits', (node: NodeInfo) => this.fits(cycle, podClass, filters, node));
    const reasons = reasonsOf(rejections.values());
    const left = this.snapshot.size - rejections.size;
    if (left > 0) reasons.set(`node(s) didn't satisfy plugin(s) [${limitedBy.toSorted().join(' ')}]`, left);
    if (left > 0) for (const plugin of profile.plugins) if (limitedBy.includes(plugin.name)) by.add(plugin);
    const message = messageOf(this.snapshot.size, reasons);
    return withPostFilter(message, [...by], preemptionOf(profile, cycle, rejections));
  }
}

interface Begun {
  readonly cycle: Cycle;
  readonly podClass: PodClass;
  readonly filters: readonly Plugin[];
  readonly among: readonly NodeInfo[];
  readonly limited: boolean;
  /** Names of the plugins that left only some nodes to look at. */
  readonly limitedBy: readonly string[];
}

function rejectionBy(filters: readonly Plugin[], cycle: Cycle, node: NodeInfo): Rejection | undefined {
  for (const plugin of filters) {
    const rejection = plugin.filter!(cycle, node);
    if (rejection === undefined) continue;
    rejection.plugin = plugin;
    return rejection;
  }
  return undefined;
}

function preemptionOf(
  profile: Profile,
  cycle: Cycle,
  rejections: ReadonlyMap<NodeInfo, Rejection>,
): PostFilterResult | undefined {
  let all: PostFilterResult | undefined;
  for (const plugin of profile.postFilters) {
    const one = plugin.postFilter!(cycle, rejections);
    if (one.nominatedNode) return one;
    all = all === undefined ? one : joined(all, one);
  }
  return all;
}

/** None of them helps at once: all that they say is told, and all that they want is done. */
function joined(a: PostFilterResult, b: PostFilterResult): PostFilterResult {
  const message = [a.message, b.message].filter(Boolean).join(', ');
  const works = [a.work, b.work].filter((work) => work !== undefined);
  return {
    ...a,
    ...b,
    ...(message && { message }),
    ...(works.length > 0 && {
      async work() {
        for (const work of works) await work();
      },
    }),
  };
}

function withPostFilter(
  message: string,
  by: readonly Plugin[],
  postFilter: PostFilterResult | undefined,
): Unschedulable {
  return { message: postFilter?.message ? `${message} ${postFilter.message}` : message, by, postFilter };
}

/** Equal scores stay equal however they are put in proportion, so nothing is added for them. */
function addNormalized(
  plugin: Plugin,
  cycle: Cycle,
  scores: Float64Array,
  nodes: readonly NodeInfo[],
  count: number,
  totals: Float64Array,
): void {
  let differ = false;
  for (let i = 1; i < count && !differ; i++) differ = scores[i] !== scores[0];
  if (!differ) return;
  plugin.normalize?.(cycle, scores, nodes, count);
  const weight = plugin.weight ?? 1;
  for (let i = 0; i < count; i++) totals[i]! += scores[i]! * weight;
}

/** The place of the highest; of several, any. */
function highest(totals: Float64Array, count: number, random: Random): number {
  let best = totals[0]!;
  let ties = 1;
  let first = 0;
  for (let i = 1; i < count; i++) {
    const total = totals[i]!;
    if (total > best) {
      best = total;
      ties = 1;
      first = i;
    } else if (total === best) ties++;
  }
  if (ties === 1) return first;
  let chosen = Math.floor(random.next() * ties);
  for (let i = first; ; i++) if (totals[i] === best && chosen-- === 0) return i;
}

export function reasonsOf(rejections: Iterable<Rejection>): Map<string, number> {
  const reasons = new Map<string, number>();
  for (const { reason, reasons: several } of rejections)
    for (const one of several ?? [reason]) reasons.set(one, (reasons.get(one) ?? 0) + 1);
  return reasons;
}

export function messageOf(total: number, reasons: ReadonlyMap<string, number>): string {
  const told = Array.from(reasons, ([reason, count]) => `${count} ${reason}`).sort();
  return `0/${total} nodes are available: ${told.join(', ')}.`;
}
