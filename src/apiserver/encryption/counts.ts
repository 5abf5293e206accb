/** What is counted of encrypting and decrypting, under upstream's names. */
import {
  type Clock,
  type Counter,
  exponentialBuckets,
  type Family,
  type Histogram,
  type MetricSet,
} from '../../machinery/index.ts';
import type { Cipher } from './ciphers.ts';

type Direction = 'to_storage' | 'from_storage';

interface Series {
  readonly ok: Counter;
  readonly failed: Counter;
  readonly seconds: Histogram;
}

const prefix = 'apiserver_storage_transformation_';

export class TransformationCounts {
  readonly #clock: Clock;
  readonly #operations: Family<Counter>;
  readonly #durations: Family<Histogram>;
  readonly #known = new WeakMap<Cipher, Map<string, Series>>();

  constructor(metrics: MetricSet, clock: Clock) {
    this.#clock = clock;
    const how = ['transformation_type', 'transformer_prefix'];
    this.#operations = metrics.counter(`${prefix}operations_total`, 'Values that were encrypted or decrypted', [
      'resource',
      ...how,
      'status',
    ]);
    this.#durations = metrics.histogram(
      `${prefix}duration_seconds`,
      'Time of encrypting or decrypting a value',
      how,
      exponentialBuckets(5e-6, 2, 25),
    );
  }

  /** What comes back is told how it went. `key`: of the store. */
  begin(direction: Direction, key: string, cipher: Cipher): (isDone: boolean) => void {
    const began = this.#clock.monotonic();
    return (isDone) => {
      const { ok, failed, seconds } = this.#of(direction, key, cipher);
      (isDone ? ok : failed).add();
      if (isDone) seconds.observe((this.#clock.monotonic() - began) / 1000);
    };
  }

  #of(direction: Direction, key: string, cipher: Cipher): Series {
    let byPlace = this.#known.get(cipher);
    if (byPlace === undefined) this.#known.set(cipher, (byPlace = new Map()));
    const [, , group = '', resource = ''] = key.split('/', 4);
    const place = `${direction} ${group} ${resource}`;
    let series = byPlace.get(place);
    if (series !== undefined) return series;
    const name = group === 'core' ? resource : `${resource}.${group}`;
    const how = [direction, cipher.prefix.toString()];
    series = {
      ok: this.#operations.with(name, ...how, 'OK'),
      failed: this.#operations.with(name, ...how, 'Unknown'),
      seconds: this.#durations.with(...how),
    };
    byPlace.set(place, series);
    return series;
  }
}
