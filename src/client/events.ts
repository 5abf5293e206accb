import { setImmediate as turn } from 'node:timers/promises';
import { type Event, events, type ObjectReference } from '../api/index.ts';
import type { Clock, KubeObject, Random } from '../machinery/index.ts';
import { isStatusError } from '../machinery/index.ts';
import type { Client } from './client.ts';
import { Correlator, type Noted, type Said } from './eventcorrelator.ts';
import { type Log, quiet } from './log.ts';

export type EventType = 'Normal' | 'Warning';

/** What an event is about: a whole object, or a reference to one (with `fieldPath` for a part of it). */
export type Regarding = KubeObject | ObjectReference;

export interface EventRecorder {
  /** Notes an event, without waiting and without ever failing. Repetitions are counted on one Event; floods are cut. */
  event(regarding: Regarding, type: EventType, reason: string, message: string): void;
  /** Resolves once all that was noted has been sent, or given up. */
  flush(): Promise<void>;
}

export interface EventRecorderOptions {
  client: Client;
  clock: Clock;
  random: Random;
  /** Who speaks: `kubelet`, `replicaset-controller`. */
  component: string;
  /** On which node, if that matters. */
  host?: string;
  signal?: AbortSignal;
  log?: Log;
  /** Resolves when who speaks has nothing more urgent to do than to have its events written. Absent: at once. */
  idle?: () => Promise<void> | undefined;
}

/** So many wait for their speaker to be idle; when there are more they are sent in between. */
const patience = 8_000;
/** Events that wait to be sent; more are dropped. */
const waitingLimit = 10_000;
/** So many, and then it is the turn of the work that they tell of. */
const atOnce = 16;
const attempts = 4;
const messageLimit = 1_024;

export function eventRecorder(options: EventRecorderOptions): EventRecorder {
  const { clock, log = quiet, idle = () => undefined } = options;
  const correlator = new Correlator(options);
  const waiting = new Waiting();
  let sending: Promise<void> | undefined;
  const sendAll = async () => {
    let sent = 0;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const urgent = waiting.size < patience ? idle() : undefined;
      if (urgent !== undefined) await urgent;
      const noted = correlator.note(next, next.at);
      if (noted === undefined) continue;
      await send(noted, options);
      if (++sent % atOnce === 0) await turn();
    }
    sending = undefined;
  };
  return {
    event(regarding, type, reason, message) {
      try {
        if (waiting.size >= waitingLimit) return;
        const short = message.length > messageLimit ? `${message.slice(0, messageLimit - 1)}…` : message;
        waiting.push({ about: referenceTo(regarding), type, reason, message: short, at: clock.now() });
        sending ??= Promise.resolve().then(sendAll);
      } catch (err) {
        log.error({ err, reason }, 'an event could not be noted');
      }
    },
    flush: async () => sending,
  };
}

/** What was said, and when. */
interface Spoken extends Said {
  at: number;
}

/** First in, first out; an array moves all that is behind when its first is taken. */
class Waiting {
  #in: Spoken[] = [];
  #out: Spoken[] = [];

  get size(): number {
    return this.#in.length + this.#out.length;
  }

  push(spoken: Spoken): void {
    this.#in.push(spoken);
  }

  shift(): Spoken | undefined {
    if (this.#out.length === 0) [this.#in, this.#out] = [this.#out, this.#in.reverse()];
    return this.#out.pop();
  }
}

async function send(noted: Noted, { client, clock, signal, log = quiet }: EventRecorderOptions): Promise<void> {
  for (let attempt = 1; !signal?.aborted; attempt++) {
    try {
      noted.series.sent = await write(noted, client, signal);
      return;
    } catch (err) {
      const last = attempt === attempts || !isWorthRetrying(err);
      if (last && !signal?.aborted) log.warn({ err, reason: noted.event.reason }, 'an event could not be recorded');
      if (last) return;
      await clock.sleep(1_000 * 2 ** attempt, signal).catch(() => {});
    }
  }
}

/** Counts up the Event that is there, or makes it. */
async function write({ event, series }: Noted, client: Client, signal?: AbortSignal): Promise<Event | undefined> {
  const { namespace } = event.metadata;
  if (series.sent?.metadata.name !== undefined) {
    const { count, message, lastTimestamp } = event;
    try {
      const ref = { name: series.sent.metadata.name, namespace };
      return await client.patch(events, ref, { type: 'merge', body: { count, message, lastTimestamp } }, { signal });
    } catch (error) {
      // The server lets go of events after a while.
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }
  return await client.create(events, event, { signal });
}

/** Refusals are final; so is a namespace that is going away. */
function isWorthRetrying(error: unknown): boolean {
  return !isStatusError(error) || error.code >= 500 || error.code === 429;
}

function referenceTo(regarding: Regarding): ObjectReference {
  if (!('metadata' in regarding)) return regarding;
  const { apiVersion, kind, metadata } = regarding as KubeObject;
  const { name, namespace, uid, resourceVersion } = metadata;
  return { apiVersion, kind, name, namespace, uid, resourceVersion };
}
