/** The priority levels as the objects have them: seats by share, lent and borrowed by demand. */
import {
  mandatoryPriorityLevels,
  type PriorityLevelConfiguration,
  type PriorityLevelConfigurationSpec,
} from '../../api/index.ts';
import type { Clock } from '../../machinery/index.ts';
import { allocate } from './allocate.ts';
import type { Counts, LevelCounts } from './counts.ts';
import { Dropped } from './dropped.ts';
import { type Queuing, QueueSet } from './queueset.ts';

/** Part of its seats that one request may take. */
const widest = 0.15;

export interface Level {
  readonly name: string;
  uid: string;
  spec: PriorityLevelConfigurationSpec;
  readonly set: QueueSet;
  readonly dropped: Dropped;
  readonly counts: LevelCounts;
  /** Its object has gone; it ends when nobody is in it any more. */
  quiescing: boolean;
  nominal: number;
  lower: number;
  upper: number;
  current: number;
  /** That one request may take; 0: as many as it likes. */
  mostSeats: number;
}

export interface LevelsOptions {
  readonly clock: Clock;
  readonly counts: Counts;
  /** Seats of the whole server. */
  readonly seats: number;
  /** A level that was left has become idle. */
  reap(): void;
}

export class Levels {
  readonly #options: LevelsOptions;
  readonly byName = new Map<string, Level>();
  #nominalSum = 0;

  constructor(options: LevelsOptions) {
    this.#options = options;
  }

  close(): void {
    for (const { set } of this.byName.values()) set.close();
  }

  /** Takes these objects for all that there are; answers the names of those that can be used. */
  digest(objects: readonly PriorityLevelConfiguration[]): ReadonlySet<string> {
    const good = new Set<string>();
    for (const { metadata, spec } of objects) {
      const name = metadata.name!;
      if (!isSound(name, spec)) continue;
      good.add(name);
      this.#use(name, metadata.uid ?? '', spec);
    }
    for (const [name, level] of this.byName) {
      if (good.has(name) || Object.hasOwn(mandatoryPriorityLevels, name)) continue;
      if (level.set.idle) {
        level.set.close();
        this.byName.delete(name);
        this.#options.counts.forgetLevel(name);
      } else {
        level.quiescing = true;
        level.set.whenIdle = this.#options.reap;
      }
    }
    // without their objects, these two are as they would be with them
    for (const [name, spec] of Object.entries(mandatoryPriorityLevels))
      if (!good.has(name)) this.#use(name, this.byName.get(name)?.uid ?? '', this.byName.get(name)?.spec ?? spec);
    this.#share();
    return good;
  }

  #use(name: string, uid: string, spec: PriorityLevelConfigurationSpec): void {
    const known = this.byName.get(name);
    if (known !== undefined) {
      known.uid = uid;
      known.spec = spec;
      known.quiescing = false;
      known.set.whenIdle = undefined;
      return;
    }
    const { clock, counts } = this.#options;
    this.byName.set(name, {
      name,
      uid,
      spec,
      set: new QueueSet(clock, queuingOf(spec), 0),
      dropped: new Dropped(),
      counts: counts.level(name),
      quiescing: false,
      nominal: 0,
      lower: 0,
      upper: 0,
      current: -1,
      mostSeats: 0,
    });
  }

  #share(): void {
    const { seats } = this.#options;
    const levels = Array.from(this.byName.values());
    const shares = levels.reduce((sum, { spec }) => sum + sharesOf(spec), 0);
    this.#nominalSum = 0;
    for (const level of levels) {
      const { lendablePercent = 0 } = level.spec.limited ?? level.spec.exempt ?? {};
      const borrowing = level.spec.limited?.borrowingLimitPercent;
      const nominal = Math.ceil((seats * sharesOf(level.spec)) / shares);
      const lendable = Math.round((nominal * lendablePercent) / 100);
      level.nominal = nominal;
      level.lower = nominal - lendable;
      level.upper = nominal + (borrowing === undefined ? seats : Math.round((nominal * borrowing) / 100));
      if (level.current < 0) level.current = nominal - Math.trunc(lendable / 2);
      const handSize = level.spec.limited?.limitResponse?.queuing?.handSize;
      level.mostSeats =
        handSize === undefined ? 0 : Math.max(1, Math.min(Math.ceil(nominal * widest), Math.trunc(nominal / handSize)));
      this.#nominalSum += nominal;
      level.counts.nominal.set(nominal);
      level.counts.lower.set(level.lower);
      level.counts.upper.set(level.upper);
    }
    this.rebalance();
  }

  /** Moves seats from those who did not want them lately to those who did. */
  rebalance(): void {
    const { counts } = this.#options;
    const limited: { level: Level; least: number; target: number }[] = [];
    let remaining = this.#nominalSum;
    for (const level of this.byName.values()) {
      const { set, lower, nominal } = level;
      set.demand.settle(set.now());
      const { highWatermark, smoothed } = set.demand;
      if (level.spec.type === 'Exempt') {
        level.current = Math.max(lower, highWatermark);
        remaining -= level.current;
        this.#apply(level, level.current);
        continue;
      }
      const least = Math.max(lower, Math.min(nominal, highWatermark));
      limited.push({ level, least, target: Math.max(least, smoothed) });
    }
    const lowerSum = limited.reduce((sum, { level }) => sum + level.lower, 0);
    const leastSum = limited.reduce((sum, { least }) => sum + least, 0);
    if (remaining <= leastSum) {
      const part = remaining <= lowerSum ? 0 : (remaining - lowerSum) / (leastSum - lowerSum);
      counts.fairFraction.set(0);
      for (const { level, least, target } of limited) {
        level.current = level.lower + Math.round((least - level.lower) * part);
        this.#apply(level, target);
      }
      return;
    }
    const claims = limited.map(({ level, least, target }) => ({ lower: least, upper: level.upper, target }));
    const found = allocate(this.#nominalSum, claims);
    counts.fairFraction.set(found?.fraction ?? 0);
    limited.forEach(({ level, target }, i) => {
      if (found !== undefined) level.current = Math.round(found.seats[i]!);
      this.#apply(level, target);
    });
  }

  #apply(level: Level, target: number): void {
    const { set, counts } = level;
    set.configure(queuingOf(level.spec), level.current);
    counts.current.set(level.current);
    counts.highWatermark.set(set.demand.highWatermark);
    counts.average.set(set.demand.average);
    counts.deviation.set(set.demand.deviation);
    counts.smoothed.set(set.demand.smoothed);
    counts.target.set(target);
    counts.currentR.set(set.r);
  }
}

function sharesOf({ limited, exempt }: PriorityLevelConfigurationSpec): number {
  return limited?.nominalConcurrencyShares ?? exempt?.nominalConcurrencyShares ?? 0;
}

/** What validation would refuse may yet be stored; such an object is as if it were not there. */
function isSound(name: string, { type, limited, exempt }: PriorityLevelConfigurationSpec): boolean {
  if ((type === 'Exempt') !== (name === 'exempt') || (type === 'Exempt') !== (exempt !== undefined)) return false;
  if ((type === 'Limited') !== (limited !== undefined)) return false;
  if (limited === undefined) return true;
  const { type: response, queuing } = limited.limitResponse ?? {};
  if ((response === 'Reject') !== (queuing === undefined)) return false;
  if (queuing === undefined) return true;
  const { queues = 0, handSize = 0 } = queuing;
  return queues > 0 && handSize > 0 && handSize <= queues && Math.log2(queues) * handSize <= 60;
}

function queuingOf({ type, limited }: PriorityLevelConfigurationSpec): Queuing {
  const { queues = 0, queueLengthLimit = 0 } = limited?.limitResponse?.queuing ?? {};
  return { exempt: type === 'Exempt', queues, queueLengthLimit };
}
