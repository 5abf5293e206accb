import type { Event, ObjectReference } from '../api/index.ts';
import { formatTime, type Random } from '../machinery/index.ts';

export interface Said {
  about: ObjectReference;
  type: string;
  reason: string;
  message: string;
}

/** What is remembered of events that are one Event with a count. */
interface Series {
  count: number;
  firstTimestamp: string;
  name: string;
  /** As the server has it. */
  sent: Event | undefined;
}

/** An event to send, and the series it belongs to. */
export interface Noted {
  event: Event;
  series: Series;
}

interface Source {
  component: string;
  host?: string;
  random: Random;
}

/** As upstream: this many different messages of one kind within the window, then they share one Event. */
const similarLimit = 10;
const similarWindow = 600_000;
/** As upstream: one source says this much about one object at once, and one more every five minutes. */
const burst = 25;
const refill = 300_000;
const remembered = 4_096;

/** Decides what becomes of an event: a new Event, one more of an earlier one, one of many alike, or nothing. */
export class Correlator {
  readonly #source: Source;
  readonly #series = new Recent<Series>();
  readonly #similar = new Recent<{ messages: Set<string>; since: number }>();
  readonly #buckets = new Recent<{ tokens: number; at: number }>();

  constructor(source: Source) {
    this.#source = source;
  }

  /** Undefined: too much was said about this object. `now` in milliseconds since the epoch. */
  note(said: Said, now: number): Noted | undefined {
    const { about, type, reason } = said;
    const subject = [about.kind, about.namespace, about.name, about.uid, about.apiVersion, type].join('|');
    const kind = `${subject}|${reason}`;
    const many = this.#isOneOfMany(kind, said.message, now);
    const message = many ? `(combined from similar events): ${said.message}` : said.message;
    const series = this.#seriesOf(many ? `${kind}|*` : `${kind}|${about.fieldPath ?? ''}|${message}`, said, now);
    if (!this.#mayPass(subject, now)) return undefined;
    return { series, event: this.#eventOf({ ...said, message }, series, now) };
  }

  #isOneOfMany(kind: string, message: string, now: number): boolean {
    let similar = this.#similar.get(kind);
    if (similar === undefined || now - similar.since > similarWindow) similar = { messages: new Set(), since: now };
    similar.since = now;
    this.#similar.set(kind, similar);
    if (similar.messages.size < similarLimit) similar.messages.add(message);
    return similar.messages.size >= similarLimit && !similar.messages.has(message);
  }

  #seriesOf(key: string, { about }: Said, now: number): Series {
    const series = this.#series.get(key) ?? {
      count: 0,
      firstTimestamp: formatTime(now),
      name: this.#nameFor(about, now),
      sent: undefined,
    };
    series.count++;
    this.#series.set(key, series);
    return series;
  }

  #mayPass(subject: string, now: number): boolean {
    const bucket = this.#buckets.get(subject) ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / refill);
    bucket.at = now;
    this.#buckets.set(subject, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  #eventOf({ about, type, reason, message }: Said, { count, firstTimestamp, name }: Series, now: number): Event {
    const { component, host } = this.#source;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace: about.namespace || 'default' },
      involvedObject: about,
      type,
      reason,
      message,
      count,
      firstTimestamp,
      lastTimestamp: formatTime(now),
      source: { component, ...(host && { host }) },
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
  }

  /** As upstream's end: nanoseconds since the epoch, which sort by time. Below the millisecond, chance keeps two of the same moment apart. */
  #nameFor(about: ObjectReference, now: number): string {
    const below = Math.floor(this.#source.random.next() * 1e6);
    const time = (BigInt(Math.floor(now)) * 1_000_000n + BigInt(below)).toString(16);
    return `${(about.name ?? 'unnamed').slice(0, 230)}.${time}`;
  }
}

/** A map that forgets what was set longest ago. */
class Recent<V> {
  readonly #map = new Map<string, V>();

  get(key: string): V | undefined {
    return this.#map.get(key);
  }

  set(key: string, value: V): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size <= remembered) return;
    const oldest = this.#map.keys().next().value;
    if (oldest !== undefined) this.#map.delete(oldest);
  }
}
