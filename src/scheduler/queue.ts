/**
 * Pods that wait for a node: ready to be tried (by priority, then by age), waiting out a back-off, or set aside until something changes that can
 * help them. What a change can help is known by the plugins that rejected a pod: those that wait for other things are not even looked at.
 */
import type { Pod } from '../api/index.ts';
import { type Clock, equalJson, keyOf, type KubeObject, type Timer } from '../machinery/index.ts';
import type { AttemptCounts, QueueEvent, QueueName } from './attemptcounts.ts';
import type { ClusterEvent, Plugin } from './framework.ts';
import { Heap } from './heap.ts';

type Place = 'active' | 'backoff' | 'aside' | 'gated' | 'trying' | 'held';

interface Waiting {
  pod: Pod;
  place: Place;
  attempts: number;
  /** When it came into the queue, for order. */
  readonly order: number;
  /** What rejected it last; empty after an error. */
  rejectedBy: readonly Plugin[];
  /** Not before this moment. */
  notBefore: number;
  asideSince: number;
  /** What happened while it was held. */
  missed: Change[];
  /** When it could first be tried, on the clock that only goes forward; below zero: not yet. */
  since: number;
  /** It is being tried again because it waited for too long. */
  flushed: boolean;
}

/** What a pod has been through. */
export type History = Readonly<Pick<Waiting, 'attempts' | 'since' | 'flushed'>>;

const queueOf: Readonly<Record<Place, QueueName | undefined>> = {
  active: 'active',
  backoff: 'backoff',
  aside: 'unschedulable',
  gated: 'gated',
  trying: undefined,
  held: undefined,
};

type Change = [event: ClusterEvent, old: KubeObject | undefined, object: KubeObject | undefined];

export interface QueueOptions {
  /** Milliseconds; doubled with each attempt up to the longest. */
  initialBackoff?: number;
  longestBackoff?: number;
  counts: Pick<AttemptCounts, 'incoming'>;
}

/** Nobody is forgotten for longer than this. */
const flushAfter = 5 * 60_000;
const flushEvery = 30_000;

export class SchedulingQueue {
  readonly #clock: Clock;
  /** What keeps a pod out, if anything does. */
  readonly #gate: (pod: Pod) => string | undefined;
  readonly #counts: QueueOptions['counts'];
  readonly #initialBackoff: number;
  readonly #longestBackoff: number;
  readonly #active = new Heap<Waiting>(isBefore);
  readonly #backoff = new Heap<Waiting>((a, b) => a.notBefore < b.notBefore);
  readonly #known = new Map<string, Waiting>();
  readonly #asideFor = new Map<ClusterEvent | 'any', Set<Waiting>>();
  readonly #held = new Set<Waiting>();
  #aside = 0;
  #gated = 0;
  #order = 0;
  #timer: { at: number; timer: Timer } | undefined;
  #flush: Timer | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(clock: Clock, gate: (pod: Pod) => string | undefined, options: QueueOptions) {
    this.#counts = options.counts;
    this.#clock = clock;
    this.#gate = gate;
    this.#initialBackoff = options.initialBackoff ?? 1_000;
    this.#longestBackoff = options.longestBackoff ?? 10_000;
  }

  get size(): number {
    return this.#known.size;
  }

  get closed(): boolean {
    return this.#closed;
  }

  add(pod: Pod): void {
    const key = keyOf(pod);
    const known = this.#known.get(key);
    if (known !== undefined && known.pod.metadata.uid === pod.metadata.uid) return this.update(pod);
    if (known !== undefined) this.remove(pod);
    const waiting: Waiting = {
      pod,
      place: 'trying',
      attempts: 0,
      order: this.#order++,
      rejectedBy: [],
      notBefore: 0,
      asideSince: 0,
      missed: [],
      since: -1,
      flushed: false,
    };
    this.#known.set(key, waiting);
    this.#enter(waiting, 'UnscheduledPodAdd');
  }

  update(pod: Pod): void {
    const known = this.#known.get(keyOf(pod));
    if (known === undefined) return;
    const old = known.pod;
    known.pod = pod;
    const { place } = known;
    if (place === 'gated') this.#enter(known, 'SelfUpdate');
    else if ((place === 'held' || place === 'aside') && !isNews(old, pod)) return;
    else if (place === 'held') known.missed.push(['SelfUpdate', old, pod]);
    else if (place === 'aside' && canHelp(known, 'SelfUpdate', old, pod)) this.#enter(known, 'SelfUpdate');
    else if (place === 'active' && (old.spec.priority ?? 0) !== (pod.spec.priority ?? 0)) this.#active.push(known);
  }

  remove(pod: Pod): void {
    const key = keyOf(pod);
    const known = this.#known.get(key);
    if (known === undefined) return;
    this.#known.delete(key);
    this.#leave(known);
  }

  /** The next pod to try at once, if there is one. */
  poll(): Pod | undefined {
    for (let top = this.#active.pop(); top !== undefined; top = this.#active.pop()) {
      if (top.place !== 'active' || !this.#knows(top)) continue;
      top.place = 'trying';
      return top.pod;
    }
    // nobody else wants its turn: why should it wait, unless something went wrong
    for (let top = this.#backoff.peek(); top !== undefined; top = this.#backoff.peek()) {
      if (top.place !== 'backoff' || !this.#knows(top)) {
        this.#backoff.pop();
        continue;
      }
      if (top.rejectedBy.length === 0) return undefined;
      this.#backoff.pop();
      this.#counts.incoming('active', 'PopFromBackoffQ');
      top.place = 'trying';
      return top.pod;
    }
    return undefined;
  }

  /** Resolves when there may be a pod to try, or the queue is closed. */
  async some(): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  /**
   * Takes these, too, for the attempt of `pod`, which was polled: all that wait, for a back-off or a change, but are not kept out. Returns all
   * that are tried, the most important first.
   */
  pollWith(pod: Pod, others: readonly Pod[]): Pod[] {
    const tried = [this.#known.get(keyOf(pod))].flatMap((one) => one ?? []);
    for (const { metadata } of others) {
      const key = keyOf({ metadata });
      const waiting = this.#known.get(key);
      if (waiting === undefined || waiting.pod.metadata.uid !== metadata.uid) continue;
      if (waiting.place !== 'active' && waiting.place !== 'backoff' && waiting.place !== 'aside') continue;
      this.#leave(waiting);
      // a new entry: the heaps forget the old one when they come to it
      const taken: Waiting = { ...waiting, place: 'trying' };
      if (taken.since < 0) taken.since = this.#clock.monotonic();
      this.#known.set(key, taken);
      tried.push(taken);
    }
    return tried.sort((a, b) => (isBefore(a, b) ? -1 : 1)).map((one) => one.pod);
  }

  /** The attempt failed: the pod is set aside until something changes that may help; tried again later when nobody rejected it. */
  rejected(pod: Pod, by: readonly Plugin[]): void {
    const waiting = this.#known.get(keyOf(pod));
    if (waiting === undefined || waiting.pod.metadata.uid !== pod.metadata.uid) return;
    this.#held.delete(waiting);
    waiting.attempts++;
    waiting.rejectedBy = by;
    const backoff = Math.min(this.#longestBackoff, this.#initialBackoff * 2 ** Math.min(waiting.attempts - 1, 20));
    waiting.notBefore = this.#clock.now() + backoff;
    const { missed } = waiting;
    waiting.missed = [];
    waiting.flushed = false;
    const helped = missed.find((change) => canHelp(waiting, ...change));
    if (by.length === 0 || helped !== undefined) return this.#enter(waiting, helped?.[0] ?? 'ScheduleAttemptFailure');
    this.#setAside(waiting);
  }

  /** The attempt goes on, waiting for others: what happens meanwhile is remembered. */
  hold(pod: Pod): void {
    const waiting = this.#known.get(keyOf(pod));
    if (waiting === undefined) return;
    waiting.place = 'held';
    this.#held.add(waiting);
  }

  /** Something changed: those it can help come back. */
  changed(...change: Change): void {
    for (const waiting of this.#held) waiting.missed.push(change);
    if (this.#aside === 0) return;
    for (const event of [change[0], 'any'] as const) {
      const waitingForIt = this.#asideFor.get(event);
      if (waitingForIt === undefined) continue;
      for (const waiting of Array.from(waitingForIt))
        if (waiting.place === 'aside' && canHelp(waiting, ...change)) this.#enter(waiting, change[0]);
    }
  }

  /** Lets those that are kept out be looked at again. */
  recheck(): void {
    if (this.#gated === 0) return;
    for (const waiting of this.#known.values()) if (waiting.place === 'gated') this.#enter(waiting, 'ForceActivate');
  }

  /** Pods that are here, wherever they wait. */
  pods(): Iterable<Pod> {
    return [...this.#known.values()].map(({ pod }) => pod);
  }

  /** Of a pod that is here. */
  historyOf(pod: Pod): History | undefined {
    return this.#known.get(keyOf(pod));
  }

  /** How many wait where. */
  waiting(): Record<QueueName, number> {
    const counts: Record<QueueName, number> = { active: 0, backoff: 0, unschedulable: 0, gated: 0 };
    for (const { place } of this.#known.values()) {
      const queue = queueOf[place];
      if (queue !== undefined) counts[queue]++;
    }
    return counts;
  }

  /** How many of those that wait each plugin rejected, by profile. */
  *rejections(): Generator<readonly [plugin: string, profile: string, pods: number]> {
    const byProfile = new Map<string, Map<string, number>>();
    for (const { pod, rejectedBy } of this.#known.values()) {
      const profile = pod.spec.schedulerName!;
      const byPlugin = byProfile.get(profile) ?? new Map<string, number>();
      byProfile.set(profile, byPlugin);
      for (const { name } of rejectedBy) byPlugin.set(name, (byPlugin.get(name) ?? 0) + 1);
    }
    for (const [profile, byPlugin] of byProfile) for (const [plugin, pods] of byPlugin) yield [plugin, profile, pods];
  }

  close(): void {
    this.#closed = true;
    this.#timer?.timer.cancel();
    this.#flush?.cancel();
    this.#wake?.();
  }

  #knows(waiting: Waiting): boolean {
    return this.#known.get(keyOf(waiting.pod)) === waiting;
  }

  #enter(waiting: Waiting, event: QueueEvent): void {
    this.#leave(waiting);
    if (this.#gate(waiting.pod) !== undefined) {
      waiting.place = 'gated';
      this.#gated++;
      this.#counts.incoming('gated', event);
      return;
    }
    if (waiting.notBefore > this.#clock.now()) {
      waiting.place = 'backoff';
      this.#backoff.push(waiting);
      this.#counts.incoming('backoff', event);
      this.#plan();
      if (waiting.rejectedBy.length > 0) this.#stir();
      return;
    }
    waiting.place = 'active';
    if (waiting.since < 0) waiting.since = this.#clock.monotonic();
    this.#active.push(waiting);
    this.#counts.incoming('active', event);
    this.#stir();
  }

  #stir(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #setAside(waiting: Waiting): void {
    waiting.place = 'aside';
    waiting.asideSince = this.#clock.now();
    this.#aside++;
    this.#counts.incoming('unschedulable', 'ScheduleAttemptFailure');
    for (const event of eventsOf(waiting)) {
      const others = this.#asideFor.get(event);
      if (others === undefined) this.#asideFor.set(event, new Set([waiting]));
      else others.add(waiting);
    }
    this.#flush ??= this.#clock.after(flushEvery, () => this.#flushOld());
  }

  #leave(waiting: Waiting): void {
    this.#held.delete(waiting);
    if (waiting.place === 'gated') this.#gated--;
    if (waiting.place !== 'aside') return;
    this.#aside--;
    for (const event of eventsOf(waiting)) this.#asideFor.get(event)?.delete(waiting);
  }

  #flushOld(): void {
    this.#flush = undefined;
    const before = this.#clock.now() - flushAfter;
    for (const waiting of this.#known.values())
      if (waiting.place === 'aside' && waiting.asideSince <= before) {
        waiting.flushed = true;
        this.#enter(waiting, 'UnschedulableTimeout');
      }
    if (this.#aside > 0 && !this.#closed) this.#flush = this.#clock.after(flushEvery, () => this.#flushOld());
  }

  /** One timer, for the first whose back-off ends. */
  #plan(): void {
    const first = this.#backoff.peek();
    if (first === undefined || this.#closed) return;
    if (this.#timer !== undefined && this.#timer.at <= first.notBefore) return;
    this.#timer?.timer.cancel();
    const wait = Math.max(0, first.notBefore - this.#clock.now());
    this.#timer = { at: first.notBefore, timer: this.#clock.after(wait, () => this.#backoffEnded()) };
  }

  #backoffEnded(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (let top = this.#backoff.peek(); top !== undefined && top.notBefore <= now; top = this.#backoff.peek()) {
      this.#backoff.pop();
      if (top.place === 'backoff' && this.#knows(top)) this.#enter(top, 'BackoffComplete');
    }
    this.#plan();
  }
}

/** What is written to a pod's status, by this scheduler first of all, lets it fit nowhere. */
function isNews(old: Pod, pod: Pod): boolean {
  return (
    !equalJson(old.metadata.labels, pod.metadata.labels) ||
    !equalJson(old.status?.resourceClaimStatuses, pod.status?.resourceClaimStatuses) ||
    !equalJson(old.spec, pod.spec)
  );
}

function isBefore(a: Waiting, b: Waiting): boolean {
  const priority = (a.pod.spec.priority ?? 0) - (b.pod.spec.priority ?? 0);
  return priority !== 0 ? priority > 0 : a.order < b.order;
}

function eventsOf({ rejectedBy }: Waiting): Set<ClusterEvent | 'any'> {
  const events = new Set<ClusterEvent | 'any'>();
  for (const plugin of rejectedBy) for (const event of plugin.events ?? (['any'] as const)) events.add(event);
  return events;
}

function canHelp({ rejectedBy, pod }: Waiting, ...[event, old, object]: Change): boolean {
  return rejectedBy.some(
    (plugin) => (plugin.events?.includes(event) ?? true) && (plugin.helps?.(pod, event, old, object) ?? true),
  );
}
