/** Takes the objects of one kind through their Stages: the next that matches, after its delay, again and again. */
import type { Client, EventRecorder, Informer, Log } from '../../../client/index.ts';
import { type AnyObject, type Clock, isStatusError, type Random, type Timer } from '../../../machinery/index.ts';
import { choose, type Stage } from './stage.ts';
import { perform } from './steps.ts';
import { TemplateError } from './template/index.ts';

/** Milliseconds until a step that failed is tried again; doubles. */
const firstRetry = 1_000;
const longestRetry = 60_000;

export interface PlayerOptions {
  /** All of one kind. */
  stages: readonly Stage[];
  informer: Informer;
  client: Client;
  clock: Clock;
  random: Random;
  recorder: EventRecorder;
  log: Log;
  /** Whether this object is simulated, now. */
  manages(object: AnyObject): boolean;
  /** Called around each step: what the templates' functions speak of. */
  about(object: AnyObject): void;
  gone?(object: AnyObject): void;
}

interface Waiting {
  readonly resourceVersion: string;
  timer: Timer | undefined;
}

export class StagePlayer {
  readonly #options: PlayerOptions;
  /** By uid: what the object waits for, or does. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #remove: () => void;

  constructor(options: PlayerOptions) {
    this.#options = options;
    this.#remove = options.informer.addHandler({
      onAdd: (object) => this.look(object),
      onUpdate: (old, object) => {
        if (old.metadata.uid !== object.metadata.uid) this.#forget(old);
        this.look(object);
      },
      onDelete: (object) => this.#forget(object),
    });
  }

  /** Chooses what comes next, anew if the object is another than before. */
  look(object: AnyObject): void {
    const { stages, clock, random, manages } = this.#options;
    const { uid = '', resourceVersion = '' } = object.metadata;
    const before = this.#waiting.get(uid);
    if (before?.resourceVersion === resourceVersion) return;
    before?.timer?.cancel();
    this.#waiting.delete(uid);
    if (!manages(object)) return;
    const stage = choose(stages, object, random);
    if (stage === undefined) return;
    const waiting: Waiting = { resourceVersion, timer: undefined };
    this.#waiting.set(uid, waiting);
    const delay = stage.delay(object, clock.now(), random);
    waiting.timer = clock.after(delay, () => void this.#play(object, stage, waiting));
  }

  /** Nothing more is done; what is under way comes to its end. */
  stop(): void {
    this.#remove();
    for (const { timer } of this.#waiting.values()) timer?.cancel();
    this.#waiting.clear();
  }

  #forget(object: AnyObject): void {
    const { uid = '' } = object.metadata;
    this.#waiting.get(uid)?.timer?.cancel();
    this.#waiting.delete(uid);
    this.#options.gone?.(object);
  }

  async #play(object: AnyObject, stage: Stage, waiting: Waiting, from = 0, tries = 0): Promise<void> {
    const { client, clock, log, manages } = this.#options;
    const { uid = '' } = object.metadata;
    if (!manages(object)) return void this.#waiting.delete(uid);
    let at = from;
    let changed: AnyObject | undefined;
    try {
      for (; at < stage.steps.length; at++) changed = (await this.#step(client, stage, object, at)) ?? changed;
    } catch (error) {
      if (isStatusError(error, 'NotFound') || this.#waiting.get(uid) !== waiting) return;
      const { name, namespace } = object.metadata;
      log.warn({ err: error, stage: stage.name, name, namespace }, 'a Stage could not be applied');
      // what the template makes of this object will not be better the next time
      if (error instanceof TemplateError || isStatusError(error, 'Invalid') || isStatusError(error, 'BadRequest'))
        return;
      const pause = Math.min(firstRetry * 2 ** tries, longestRetry);
      waiting.timer = clock.after(pause, () => void this.#play(object, stage, waiting, at, tries + 1));
      return;
    }
    if (this.#waiting.get(uid) === waiting) this.#waiting.delete(uid);
    if (stage.immediateNextStage && changed) this.look(changed);
  }

  async #step(client: Client, stage: Stage, object: AnyObject, at: number): Promise<AnyObject | undefined> {
    const step = stage.steps[at]!;
    const { event } = step;
    if (event) {
      const { type = 'Normal', reason = stage.name, message = '' } = event;
      this.#options.recorder.event(object, type, reason, message);
    }
    this.#options.about(object);
    return perform(client, stage.kind, object, step);
  }
}
