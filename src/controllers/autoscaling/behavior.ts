/** How fast and how far a recommendation is followed: what was recommended and changed lately is remembered here. */
import type { HorizontalPodAutoscalerSpec, HPAScalingRules } from '../../api/index.ts';

interface Moment {
  at: number;
  /** Replicas: recommended, or the size of a change. */
  count: number;
}

export interface Normalized {
  readonly replicas: number;
  readonly able: { reason: string; message: string };
  readonly limited: { is: boolean; reason: string; message: string };
}

/** As upstream, when the autoscaler does not say. */
const downscaleWindow = 300;
const inRange = { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' };
const tooFew = {
  reason: 'TooFewReplicas',
  message: 'the desired replica count is less than the minimum replica count',
};
const tooMany = {
  reason: 'TooManyReplicas',
  message: 'the desired replica count is more than the maximum replica count',
};
const tooFast = {
  reason: 'ScaleUpLimit',
  message: 'the desired replica count is increasing faster than the maximum scale rate',
};
const tooFastDown = {
  reason: 'ScaleDownLimit',
  message: 'the desired replica count is decreasing faster than the maximum scale rate',
};
const ready = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' };

/** What is remembered of one autoscaler. */
export class History {
  #recommendations: Moment[];
  #ups: Moment[] = [];
  #downs: Moment[] = [];

  constructor(current: number, now: number) {
    this.#recommendations = [{ at: now, count: current }];
  }

  normalize(spec: HorizontalPodAutoscalerSpec, current: number, wanted: number, now: number): Normalized {
    const { minReplicas: least = 1, maxReplicas: most, behavior } = spec;
    const { scaleUp, scaleDown } = behavior ?? {};
    if (scaleUp === undefined || scaleDown === undefined) {
      const stable = this.#stabilize(current, wanted, now, 0, downscaleWindow, false);
      return outcome(stable, wanted, 'ScaleDownStabilized', higher, simpleLimits(current, stable, least, most));
    }
    const [upWindow, downWindow] = [
      scaleUp.stabilizationWindowSeconds ?? 0,
      scaleDown.stabilizationWindowSeconds ?? downscaleWindow,
    ];
    const stable = this.#stabilize(current, wanted, now, upWindow, downWindow, true);
    const limits = this.#limits(scaleUp, scaleDown, current, stable, least, most, now);
    return wanted >= current
      ? outcome(stable, wanted, 'ScaleUpStabilized', lower, limits)
      : outcome(stable, wanted, 'ScaleDownStabilized', higher, limits);
  }

  /** A change was made. */
  changed(from: number, to: number, now: number): void {
    (to > from ? this.#ups : this.#downs).push({ at: now, count: Math.abs(to - from) });
    const old = now - 3_600_000;
    this.#ups = this.#ups.filter(({ at }) => at > old);
    this.#downs = this.#downs.filter(({ at }) => at > old);
  }

  /** The highest that was recommended lately before there are fewer, and the lowest before there are more. */
  #stabilize(
    current: number,
    wanted: number,
    now: number,
    upWindow: number,
    downWindow: number,
    both: boolean,
  ): number {
    let [up, down] = [wanted, wanted];
    for (const { at, count } of this.#recommendations) {
      if (at > now - upWindow * 1000) up = Math.min(up, count);
      if (at > now - downWindow * 1000) down = Math.max(down, count);
    }
    const oldest = now - Math.max(upWindow, downWindow) * 1000;
    this.#recommendations = this.#recommendations.filter(({ at }) => at >= oldest);
    this.#recommendations.push({ at: now, count: wanted });
    if (!both) return down;
    return Math.min(Math.max(current, up), down);
  }

  #limits(
    scaleUp: HPAScalingRules,
    scaleDown: HPAScalingRules,
    current: number,
    wanted: number,
    least: number,
    most: number,
    now: number,
  ): Limits {
    const before = (seconds: number) =>
      current - sumSince(this.#ups, now, seconds) + sumSince(this.#downs, now, seconds);
    if (wanted > current) {
      const rate = Math.max(current, select(scaleUp, current, before, 1));
      const [limit, why] = most > rate ? [rate, tooFast] : [most, tooMany];
      return wanted > limit ? { replicas: limit, ...why } : { replicas: wanted, ...inRange };
    }
    if (wanted < current) {
      const rate = Math.min(current, select(scaleDown, current, before, -1));
      const [limit, why] = least < rate ? [rate, tooFastDown] : [least, tooFew];
      return wanted < limit ? { replicas: limit, ...why } : { replicas: wanted, ...inRange };
    }
    return { replicas: wanted, ...inRange };
  }
}

interface Limits {
  replicas: number;
  reason: string;
  message: string;
}

const higher = 'recent recommendations were higher than current one, applying the highest recent recommendation';
const lower = 'recent recommendations were lower than current one, applying the lowest recent recommendation';

function outcome(stable: number, wanted: number, reason: string, message: string, limits: Limits): Normalized {
  const { replicas, ...why } = limits;
  return {
    replicas,
    able: stable === wanted ? ready : { reason, message },
    limited: { is: replicas !== stable, ...why },
  };
}

function sumSince(moments: readonly Moment[], now: number, seconds: number): number {
  return moments.reduce((sum, { at, count }) => (at > now - seconds * 1000 ? sum + count : sum), 0);
}

/** Twice as many, or four, at once. */
function simpleLimits(current: number, wanted: number, least: number, most: number): Limits {
  const rate = Math.max(2 * current, 4);
  const [limit, why] = most > rate ? [rate, tooFast] : [most, tooMany];
  if (wanted < least) return { replicas: least, ...tooFew };
  return wanted > limit ? { replicas: limit, ...why } : { replicas: wanted, ...inRange };
}

/** How far the policies let it go. */
function select(
  { policies = [], selectPolicy = 'Max' }: HPAScalingRules,
  current: number,
  before: (seconds: number) => number,
  direction: 1 | -1,
): number {
  if (selectPolicy === 'Disabled' || policies.length === 0) return current;
  const proposals = policies.map(({ type, value, periodSeconds }) => {
    const start = before(periodSeconds);
    if (type === 'Pods') return start + direction * value;
    const share = start * (1 + (direction * value) / 100);
    return direction === 1 ? Math.ceil(share) : Math.trunc(share);
  });
  const furthest = selectPolicy === 'Max';
  return furthest === (direction === 1) ? Math.max(...proposals) : Math.min(...proposals);
}
