/** Whether evictions stay within disruption budgets, by what is stored rather than by what their controller believes. */
import { type AnyObject, labelSelectorAsSelector } from '../../machinery/index.ts';
import { isActive, isReady, type StoredState } from './cluster.ts';

/** How many healthy pods a budget had at a moment, and how many it wants to keep. */
interface Sample {
  readonly at: number;
  readonly healthy: number;
  readonly desired: number;
}

interface Watched {
  samples: Sample[];
  /** When pods of it were evicted that were healthy until then. */
  evicted: number[];
}

export class Budgets {
  readonly #state: StoredState;
  readonly #memory: number;
  readonly #watched = new Map<string, Watched>();

  /** `memory`: milliseconds in which somebody may still act on what was true before. */
  constructor(state: StoredState, memory: number) {
    this.#state = state;
    this.#memory = memory;
  }

  /** After every change of a pod or a budget. Returns what is broken. */
  check(before: AnyObject | undefined, after: AnyObject | undefined, now: number): string[] {
    const broken: string[] = [];
    for (const budget of this.#state.of('policy/poddisruptionbudgets')) {
      const watched = this.#watched.get(budget.metadata.uid!) ?? { samples: [], evicted: [] };
      this.#watched.set(budget.metadata.uid!, watched);
      const ofPod = after?.spec?.containers !== undefined && covers(budget, after);
      const was = ofPod && wasEvicted(before, after);
      if (was && isReady(before!)) {
        watched.evicted.push(now);
        const why = this.#brokenBy(watched, now);
        if (why !== undefined)
          broken.push(`${after.metadata.name} was evicted against budget ${budget.metadata.name}: ${why}`);
      }
      this.#sample(watched, budget, now);
    }
    return broken;
  }

  /** By no state of the recent past was there room for all that were evicted after it. */
  #brokenBy({ samples, evicted }: Watched, now: number): string | undefined {
    const since = now - this.#memory;
    const recent = samples.filter((_, i) => (samples[i + 1]?.at ?? now) >= since);
    if (recent.length === 0) return 'nobody had counted its pods yet';
    const left = (sample: Sample) => sample.healthy - evicted.filter((at) => at >= sample.at).length;
    if (recent.some((sample) => left(sample) >= sample.desired)) return undefined;
    const { healthy, desired } = recent.at(-1)!;
    return `it keeps ${desired}, and had ${healthy}`;
  }

  #sample(watched: Watched, budget: AnyObject, now: number): void {
    const desired: number | undefined = budget.status?.desiredHealthy;
    if (desired === undefined) return;
    let healthy = 0;
    for (const pod of this.#state.of('core/pods')) if (isActive(pod) && isReady(pod) && covers(budget, pod)) healthy++;
    const last = watched.samples.at(-1);
    if (last?.healthy === healthy && last.desired === desired) return;
    watched.samples.push({ at: now, healthy, desired });
    if (watched.samples.length > 500) watched.samples.splice(0, 250);
  }
}

function covers({ metadata, spec }: AnyObject, pod: AnyObject): boolean {
  return (
    metadata.namespace === pod.metadata.namespace &&
    labelSelectorAsSelector(spec.selector).matches(pod.metadata.labels ?? {})
  );
}

function wasEvicted(before: AnyObject | undefined, after: AnyObject): boolean {
  if (before === undefined || before.metadata.deletionTimestamp || !after.metadata.deletionTimestamp) return false;
  return (after.status?.conditions ?? []).some((one: AnyObject) => one.reason === 'EvictionByEvictionAPI');
}
