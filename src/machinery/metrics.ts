/**
 * Counters, gauges and histograms, and how they look in the Prometheus text format (version 0.0.4). A series is looked up once, by the values of
 * its labels, and kept by who counts: counting is then an addition, and no text is made before somebody asks.
 */

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** Goes up only. */
export class Counter {
  value = 0;

  add(by = 1): void {
    this.value += by;
  }
}

export class Gauge {
  #value = 0;
  #read: (() => number) | undefined;

  get value(): number {
    return this.#read === undefined ? this.#value : this.#read();
  }

  /** From now on it is looked up whenever somebody asks. */
  follow(read: () => number): void {
    this.#read = read;
  }

  set(value: number): void {
    this.#value = value;
  }

  add(by: number): void {
    this.#value += by;
  }
}

export class Histogram {
  readonly #bounds: readonly number[];
  /** Of each bucket alone; the last is beyond every bound. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number, times = 1): void {
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && value > bounds[at]!) at++;
    this.counts[at]! += times;
    this.sum += value * times;
  }
}

/** The series of one metric, by the values of its labels, in the order in which the labels were named. */
export interface Family<Series> {
  with(...values: string[]): Series;
  /** The series is no longer told. */
  remove(...values: string[]): void;
}

/** A series more is counted, and not told: labels must not make a server run out of memory. */
const seriesLimit = 5000;

/** Small enough that nobody waits long while one is made. */
const pieceLength = 1 << 17;

interface Told {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  lines(): Iterable<string>;
}

class Series<One> implements Family<One>, Told {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly #labels: readonly string[];
  readonly #make: () => One;
  readonly #tell: (name: string, labels: string, one: One) => string[];
  readonly #known = new Map<string, { labels: string; one: One }>();

  constructor(
    told: Pick<Told, 'name' | 'type' | 'help'>,
    labels: readonly string[],
    make: () => One,
    tell: (name: string, labels: string, one: One) => string[],
  ) {
    this.name = told.name;
    this.type = told.type;
    this.help = told.help;
    this.#labels = labels;
    this.#make = make;
    this.#tell = tell;
    if (labels.length === 0) this.with();
  }

  with(...values: string[]): One {
    const key = values.join('\0');
    const known = this.#known.get(key);
    if (known !== undefined) return known.one;
    const one = this.#make();
    if (this.#known.size < seriesLimit) this.#known.set(key, { labels: labelText(this.#labels, values), one });
    return one;
  }

  remove(...values: string[]): void {
    this.#known.delete(values.join('\0'));
  }

  *lines(): Iterable<string> {
    for (const { labels, one } of this.#known.values()) yield* this.#tell(this.name, labels, one);
  }
}

/** What is not counted but looked up when somebody asks: values of labels, the value, and when it was so, in milliseconds since the epoch. */
export type Reading = readonly [values: readonly string[], value: number, at?: number | undefined];

/** All that one process tells of itself. A name that is there already is the same metric. */
export class MetricSet {
  readonly #told = new Map<string, Told>();

  counter(name: string, help: string, labels: readonly string[] = []): Family<Counter> {
    return this.#series({ name, type: 'counter', help }, labels, () => new Counter(), plain);
  }

  gauge(name: string, help: string, labels: readonly string[] = []): Family<Gauge> {
    return this.#series({ name, type: 'gauge', help }, labels, () => new Gauge(), plain);
  }

  /** `bounds`: of the buckets, ascending, without the infinite one. */
  histogram(name: string, help: string, labels: readonly string[], bounds: readonly number[]): Family<Histogram> {
    const make = () => new Histogram(bounds);
    return this.#series({ name, type: 'histogram', help }, labels, make, (base, own, one) =>
      buckets(base, own, one, bounds),
    );
  }

  /** `read` is called whenever somebody asks. */
  read(
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    labels: readonly string[],
    read: () => Iterable<Reading>,
  ): void {
    this.#told.set(name, {
      name,
      type,
      help,
      *lines() {
        for (const [values, value, at] of read())
          yield `${name}${braced(labelText(labels, values))} ${shown(value)}${at === undefined ? '' : ` ${at}`}`;
      },
    });
  }

  /** Everything, by name. */
  text(): string {
    return Array.from(this.pieces()).join('');
  }

  /** The same in pieces of whole lines, each made as it is asked for: there may be megabytes. */
  *pieces(): Generator<string> {
    let piece = '';
    for (const name of Array.from(this.#told.keys()).toSorted()) {
      const told = this.#told.get(name)!;
      let head = `# HELP ${name} ${escapedHelp(told.help)}\n# TYPE ${name} ${told.type}\n`;
      for (const line of told.lines()) {
        piece += `${head}${line}\n`;
        head = '';
        if (piece.length < pieceLength) continue;
        yield piece;
        piece = '';
      }
    }
    if (piece !== '') yield piece;
  }

  #series<One>(
    told: Pick<Told, 'name' | 'type' | 'help'>,
    labels: readonly string[],
    make: () => One,
    tell: (name: string, labels: string, one: One) => string[],
  ): Family<One> {
    const known = this.#told.get(told.name);
    if (known instanceof Series) return known as Series<One>;
    const series = new Series(told, labels, make, tell);
    this.#told.set(told.name, series);
    return series;
  }
}

function plain(name: string, labels: string, { value }: { value: number }): string[] {
  return [`${name}${braced(labels)} ${shown(value)}`];
}

function buckets(name: string, labels: string, { counts, sum }: Histogram, bounds: readonly number[]): string[] {
  const before = labels === '' ? '' : `${labels},`;
  const lines: string[] = [];
  let count = 0;
  for (let i = 0; i < counts.length; i++) {
    count += counts[i]!;
    lines.push(`${name}_bucket{${before}le="${i < bounds.length ? shown(bounds[i]!) : '+Inf'}"} ${count}`);
  }
  lines.push(`${name}_sum${braced(labels)} ${shown(sum)}`, `${name}_count${braced(labels)} ${count}`);
  return lines;
}

function braced(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}

function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, i) => `${name}="${escapedLabel(values[i] ?? '')}"`).join(',');
}

function escapedLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function escapedHelp(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function shown(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}

/** `count` bounds, each `factor` times the one before. */
export function exponentialBuckets(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start * factor ** i);
}
