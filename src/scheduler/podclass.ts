/**
 * Pods that are alike to scheduling, as those of one Deployment are: what the plugins make of a node for one of them holds for the next, until
 * the node changes. Placing one pod changes one node, so the next looks anew at that one only.
 */
import type { Pod } from '../api/index.ts';
import type { Cycle, Plugin, Rejection } from './framework.ts';
import { hostPortsOf, type NodeInfo } from './nodeinfo.ts';
import type { Profile } from './profile.ts';
import { requestOf } from './resources.ts';
import type { Snapshot } from './snapshot.ts';

/** So many classes are remembered. */
const remembered = 128;

export class PodClass {
  readonly shared = new Map<string, unknown>();
  /** Called when the class is forgotten: gives back what its plugins took. */
  readonly dispose: (() => void)[] = [];
  /** Local plugins that have something to say about these pods. */
  filters: readonly Plugin[] = [];
  /** Why no pod of this class can run anywhere. */
  rejection: Rejection | undefined;
  /** Only these nodes. */
  only: ReadonlySet<string> | undefined;
  /** Names of the plugins that said so. */
  readonly limitedBy: string[] = [];
  readonly #scorers: readonly Plugin[];
  /** By slot: as of which generation the verdict is, whether it is yes, and why not. */
  seen: Float64Array;
  fits: Uint8Array;
  readonly #verdicts: (Rejection | undefined)[] = [];
  /** By slot: as of which generation the score is. */
  scoredAt: Float64Array;
  scores: Float64Array;
  /** Of plugins whose scores are put in proportion. */
  readonly normalized: readonly Plugin[];
  #raw: Float64Array[];

  constructor(cycle: Cycle, profile: Profile) {
    this.shared = cycle.shared as Map<string, unknown>;
    this.shared.set('dispose', this.dispose);
    const { capacity } = cycle.snapshot;
    this.seen = new Float64Array(capacity);
    this.fits = new Uint8Array(capacity);
    this.scoredAt = new Float64Array(capacity);
    this.scores = new Float64Array(capacity);
    this.#preFilter(cycle, profile.localFilters);
    const scorers = profile.localScorers.filter((plugin) => plugin.preScore?.(cycle, []) !== false);
    this.#scorers = scorers.filter((plugin) => plugin.normalize === undefined);
    this.normalized = scorers.filter((plugin) => plugin.normalize !== undefined);
    this.#raw = this.normalized.map(() => new Float64Array(capacity));
  }

  #preFilter(cycle: Cycle, plugins: readonly Plugin[]): void {
    const filters: Plugin[] = [];
    for (const plugin of plugins) {
      const found = plugin.preFilter?.(cycle);
      if (found === 'skip') continue;
      if (plugin.filter !== undefined) filters.push(plugin);
      if (found === undefined) continue;
      if ('reason' in found) {
        this.rejection ??= { ...found, plugin };
        continue;
      }
      this.limitedBy.push(plugin.name);
      const before = this.only;
      this.only = before === undefined ? found : new Set([...found].filter((name) => before.has(name)));
    }
    this.filters = filters;
  }

  /** Makes room for all slots that there are by now. */
  grow(capacity: number): void {
    if (this.seen.length >= capacity) return;
    const grown = (old: Float64Array) => {
      const more = new Float64Array(capacity);
      more.set(old);
      return more;
    };
    this.seen = grown(this.seen);
    this.scoredAt = grown(this.scoredAt);
    this.scores = grown(this.scores);
    this.#raw = this.#raw.map(grown);
    const fits = new Uint8Array(capacity);
    fits.set(this.fits);
    this.fits = fits;
  }

  /** What the local plugins say of the node as it is. */
  verdict(cycle: Cycle, node: NodeInfo): Rejection | undefined {
    const { slot, generation } = node;
    if (this.seen[slot] === generation) return this.fits[slot] === 1 ? undefined : this.#verdicts[slot];
    const rejection = this.look(cycle, node);
    this.seen[slot] = generation;
    this.fits[slot] = rejection === undefined ? 1 : 0;
    this.#verdicts[slot] = rejection;
    return rejection;
  }

  /** The same, not remembered: for what is only tried. */
  look(cycle: Cycle, node: NodeInfo): Rejection | undefined {
    for (const plugin of this.filters) {
      const rejection = plugin.filter!(cycle, node);
      if (rejection === undefined) continue;
      rejection.plugin = plugin;
      return rejection;
    }
    return undefined;
  }

  /** The sum of what the local plugins give, weighed; what is yet to be put in proportion is had from `rawScore`. */
  score(cycle: Cycle, node: NodeInfo): number {
    const { slot, generation } = node;
    if (this.scoredAt[slot] === generation) return this.scores[slot]!;
    this.scoredAt[slot] = generation;
    let sum = 0;
    for (const plugin of this.#scorers) sum += plugin.score!(cycle, node) * (plugin.weight ?? 1);
    for (let i = 0; i < this.normalized.length; i++) this.#raw[i]![slot] = this.normalized[i]!.score!(cycle, node);
    return (this.scores[slot] = sum);
  }

  /** Of the plugin at `index` of `normalized`, after `score` was asked for. */
  rawScore(index: number, slot: number): number {
    return this.#raw[index]![slot]!;
  }
}

export class PodClasses {
  readonly #classes = new Map<string, PodClass>();
  #epoch = 0;
  #softTaints = 0;

  /** The class of the attempt's pod. `begin` makes the attempt, over what the class shares. */
  of(
    pod: Pod,
    profile: Profile,
    snapshot: Snapshot,
    begin: (shared: Map<string, unknown>) => Cycle,
  ): [PodClass, Cycle] {
    if (this.#epoch !== snapshot.epoch || this.#softTaints > 0 !== snapshot.softTaints > 0) this.clear();
    this.#epoch = snapshot.epoch;
    this.#softTaints = snapshot.softTaints;
    const key = profile.name + signature(pod);
    let known = this.#classes.get(key);
    if (known !== undefined) {
      this.#classes.delete(key);
      this.#classes.set(key, known);
      known.grow(snapshot.capacity);
      return [known, begin(known.shared)];
    }
    const cycle = begin(new Map());
    known = new PodClass(cycle, profile);
    this.#classes.set(key, known);
    if (this.#classes.size > remembered) this.#forgetOldest();
    return [known, cycle];
  }

  clear(): void {
    for (const { dispose } of this.#classes.values()) for (const call of dispose) call();
    this.#classes.clear();
  }

  #forgetOldest(): void {
    const [key, oldest] = this.#classes.entries().next().value!;
    this.#classes.delete(key);
    for (const call of oldest.dispose) call();
  }
}

/** Same text: alike to every plugin. What plugins read of a pod beside this, they may not share. */
function signature(pod: Pod): string {
  const { metadata, spec } = pod;
  const { cpu, memory, storage, scalars, nonZeroCpu, nonZeroMemory } = requestOf(pod);
  const owner = metadata.ownerReferences?.find((one) => one.controller);
  const images: unknown[] = spec.containers.map((one) => one.image);
  for (const { image } of spec.initContainers ?? []) images.push(image);
  for (const { image } of spec.volumes ?? []) if (image?.reference) images.push(image.reference);
  return JSON.stringify([
    metadata.namespace,
    metadata.labels,
    owner?.kind,
    owner?.name,
    [cpu, memory, storage, scalars, nonZeroCpu, nonZeroMemory],
    hostPortsOf(pod),
    images,
    spec.nodeName,
    spec.nodeSelector,
    spec.affinity,
    spec.tolerations,
    spec.topologySpreadConstraints,
    spec.hostNetwork || spec.os?.name ? [spec.hostNetwork, spec.os?.name] : 0,
  ]);
}
