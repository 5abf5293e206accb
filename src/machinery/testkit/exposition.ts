/** For tests: reads the Prometheus text format (version 0.0.4) and takes nothing that the format does not allow. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const types = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);

/** @throws Error that names the line that is wrong. */
export function parseExposition(text: string): Map<string, MetricFamily> {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map<string, { name: string; type: string; help: string; samples: Sample[] }>();
  let current: { name: string; type: string; help: string; samples: Sample[] } | undefined;
  const seen = new Set<string>();
  const helped = new Set<string>();
  let help = { name: '', text: '' };
  for (const line of text.split('\n').slice(0, -1)) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      const [, what, name, rest] = comment as unknown as [string, string, string, string];
      if (!metricName.test(name)) fail('not the name of a metric');
      if (what === 'HELP') {
        if (helped.has(name)) fail('told twice');
        helped.add(name);
        if (/\\[^\\n]/.test(rest.replaceAll('\\\\', ''))) fail('an escape that does not exist');
        help = { name, text: rest };
        continue;
      }
      if (!types.has(rest)) fail('no such type');
      if (families.has(name)) fail('told twice');
      current = { name, type: rest, help: help.name === name ? help.text : '', samples: [] };
      families.set(name, current);
      continue;
    }
    if (line.startsWith('#')) fail('a comment that says nothing');
    const sample = sampleOf(line, fail);
    if (current === undefined || familyOf(sample.name, current.type) !== current.name)
      fail('a sample away from its metric');
    const key = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).toSorted())}`;
    if (seen.has(key)) fail('the same series twice');
    seen.add(key);
    if (current!.type === 'counter' && !(sample.value >= 0)) fail('a counter below zero');
    current!.samples.push(sample);
  }
  for (const family of families.values()) if (family.type === 'histogram') checkHistogram(family);
  return families;
}

function familyOf(name: string, type: string): string {
  return type === 'histogram' || type === 'summary' ? name.replace(/_(bucket|sum|count)$/, '') : name;
}

function sampleOf(line: string, fail: (why: string) => never): Sample {
  const head = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{)?/.exec(line) ?? fail('no name');
  let at = head[0].length;
  const labels: Record<string, string> = {};
  if (head[2] !== undefined) {
    const pair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"(,|\})/y;
    for (let last = ','; last !== '}'; ) {
      if (line[at] === '}' && last === ',') {
        at++;
        break;
      }
      pair.lastIndex = at;
      const [all, name, value, end] = pair.exec(line) ?? fail('labels that cannot be read');
      if (Object.hasOwn(labels, name!)) fail('a label twice');
      labels[name!] = value!.replaceAll(/\\(.)/g, (_, one) => (one === 'n' ? '\n' : one));
      at += all.length;
      last = end!;
    }
  }
  const rest = /^ (\S+)( -?\d+)?$/.exec(line.slice(at)) ?? fail('no value');
  const word = rest[1]!;
  const special: Record<string, number> = { '+Inf': Number.POSITIVE_INFINITY, '-Inf': Number.NEGATIVE_INFINITY };
  const value = special[word] ?? (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word) ? Number(word) : Number.NaN);
  if (Number.isNaN(value) && word !== 'NaN') fail('not a number');
  return { name: head[1]!, labels, value };
}

/** Buckets ascend, the last is infinite and holds as many as there are. */
function checkHistogram({ name, samples }: MetricFamily): void {
  const bySeries = new Map<string, { buckets: [number, number][]; count?: number; sum?: number }>();
  for (const sample of samples) {
    const { le, ...labels } = sample.labels;
    const key = JSON.stringify(Object.entries(labels).toSorted());
    const series = bySeries.get(key) ?? { buckets: [] };
    bySeries.set(key, series);
    if (sample.name === `${name}_count`) series.count = sample.value;
    else if (sample.name === `${name}_sum`) series.sum = sample.value;
    else if (sample.name === `${name}_bucket` && le !== undefined)
      series.buckets.push([le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), sample.value]);
    else throw new Error(`${sample.name} is no part of a histogram`);
  }
  for (const [key, { buckets, count, sum }] of bySeries) {
    const told = `${name}${key}`;
    if (count === undefined || sum === undefined) throw new Error(`${told}: no sum or no count`);
    if (buckets.at(-1)?.[0] !== Number.POSITIVE_INFINITY) throw new Error(`${told}: the last bucket has an end`);
    if (buckets.at(-1)![1] !== count)
      throw new Error(`${told}: the last bucket holds ${buckets.at(-1)![1]} of ${count}`);
    for (let i = 1; i < buckets.length; i++)
      if (!(buckets[i]![0] > buckets[i - 1]![0] && buckets[i]![1] >= buckets[i - 1]![1]))
        throw new Error(`${told}: its buckets do not ascend`);
  }
}

/** The value of the one series that has all these labels, and maybe others. */
export function valueOf(
  families: ReadonlyMap<string, MetricFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const base = name.replace(/_(bucket|sum|count)$/, '');
  const found = (families.get(name) ?? families.get(base))?.samples.filter(
    (one) => one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
  );
  if (found !== undefined && found.length > 1) throw new Error(`${name} has ${found.length} series with these labels`);
  return found?.[0]?.value;
}
