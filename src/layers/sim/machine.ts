/** One simulated machine: what runs on it, whether the node's agent knows of it or not. */
import type { Clock, Random, Timer } from '../../machinery/index.ts';
import type { Pod } from '../../api/index.ts';
import type { Addresses } from './addresses.ts';
import { numberOf } from './annotations.ts';

/** How long things take: milliseconds, at least and at most; drawn evenly from between. */
export interface Timings {
  /** Of an image that the node does not have yet. */
  pull: readonly [number, number];
  start: readonly [number, number];
  stop: readonly [number, number];
  /** Of a Job's pod, which ends by itself; others run until they are stopped. */
  job: readonly [number, number];
}

export const standardTimings: Timings = { pull: [0, 0], start: [5, 20], stop: [1, 1], job: [100, 100] };

/** Told what really happens on machines, as nobody who sees only the API could tell. */
export interface Observer {
  started?(node: string, pod: Pod, address: string): void;
  ended?(node: string, pod: Pod): void;
}

/** A pod's containers, all at once. */
export interface Running {
  pod: Pod;
  readonly address: string;
  state: 'starting' | 'running' | 'stopping' | 'ended';
  restarts: number;
  exitCode: number;
  timer: Timer | undefined;
}

export interface MachineOptions {
  name: string;
  clock: Clock;
  random: Random;
  addresses: Addresses;
  timings: Timings;
  /** Something about this pod has changed: its state is to be told. */
  changed(running: Running): void;
  observer: Observer;
}

export class Machine {
  readonly #options: MachineOptions;
  readonly #pods = new Map<string, Running>();
  /** What it has pulled. */
  readonly #images = new Set<string>();
  #wasOff = false;

  constructor(options: MachineOptions) {
    this.#options = options;
  }

  get(uid: string): Running | undefined {
    return this.#pods.get(uid);
  }

  all(): Iterable<Running> {
    return this.#pods.values();
  }

  /** It has not lost its power since it was added: what the API says to run on it does. */
  get wasNeverOff(): boolean {
    return !this.#wasOff;
  }

  start(pod: Pod, restarts = 0): Running {
    const { clock, addresses, timings } = this.#options;
    const running: Running = {
      pod,
      address: addresses.take(),
      state: 'starting',
      restarts,
      exitCode: 0,
      timer: undefined,
    };
    this.#pods.set(pod.metadata.uid!, running);
    const pull = this.#pull(pod);
    const start = numberOf(pod, 'start-milliseconds') ?? this.#draw(timings.start);
    running.timer = clock.after(pull + start, () => this.#begin(running));
    return running;
  }

  /** Takes over what runs already, as the API tells it. */
  adopt(pod: Pod): Running {
    const { addresses } = this.#options;
    const address = pod.status?.podIP ?? addresses.take();
    addresses.mark(address);
    const restarts = pod.status?.containerStatuses?.[0]?.restartCount ?? 0;
    const running: Running = { pod, address, state: 'running', restarts, exitCode: 0, timer: undefined };
    this.#pods.set(pod.metadata.uid!, running);
    for (const { image = '' } of pod.spec.containers) this.#images.add(image);
    this.#begin(running);
    return running;
  }

  /** How long it takes to get its images. */
  #pull(pod: Pod): number {
    const { timings } = this.#options;
    if (timings.pull[1] === 0 && pod.metadata.annotations === undefined) return 0;
    let total = 0;
    for (const { image = '' } of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
      if (this.#images.has(image)) continue;
      this.#images.add(image);
      total += numberOf(pod, 'pull-milliseconds') ?? this.#draw(timings.pull);
    }
    return total;
  }

  #draw([least, most]: readonly [number, number]): number {
    return least + (least === most ? 0 : this.#options.random.next() * (most - least));
  }

  #begin(running: Running): void {
    const { clock, name, observer, changed } = this.#options;
    running.state = 'running';
    observer.started?.(name, running.pod, running.address);
    const life = this.#lifeOf(running.pod);
    if (life !== undefined)
      running.timer = clock.after(life, () => this.#end(running, numberOf(running.pod, 'exit-code') ?? 0));
    changed(running);
  }

  #lifeOf(pod: Pod): number | undefined {
    const told = numberOf(pod, 'run-milliseconds');
    if (told !== undefined) return told;
    return pod.metadata.ownerReferences?.some(({ kind }) => kind === 'Job')
      ? this.#draw(this.#options.timings.job)
      : undefined;
  }

  /** Asks it to end, and makes it after the grace period. */
  stop(running: Running): void {
    if (running.state === 'stopping' || running.state === 'ended') return;
    const { clock } = this.#options;
    running.timer?.cancel();
    if (running.state === 'starting') return this.#end(running, 137);
    const { pod } = running;
    const grace = (pod.metadata.deletionGracePeriodSeconds ?? 30) * 1000;
    running.state = 'stopping';
    const stop = numberOf(pod, 'stop-milliseconds') ?? this.#draw(this.#options.timings.stop);
    running.timer = clock.after(Math.min(stop, grace), () => this.#end(running, 0));
  }

  /** Once more, in the same pod. */
  restart(running: Running): void {
    this.#free(running);
    this.start(running.pod, running.restarts + 1);
  }

  /** Nothing of it is left. */
  forget(running: Running): void {
    running.timer?.cancel();
    if (running.state === 'running' || running.state === 'stopping') this.#ended(running);
    this.#free(running);
  }

  /** The power goes: everything ends at once, and nobody tells. */
  crash(): void {
    this.#wasOff = true;
    for (const running of this.#pods.values()) this.forget(running);
  }

  #end(running: Running, exitCode: number): void {
    if (running.state !== 'starting') this.#ended(running);
    running.state = 'ended';
    running.exitCode = exitCode;
    this.#options.changed(running);
  }

  #ended({ pod }: Running): void {
    this.#options.observer.ended?.(this.#options.name, pod);
  }

  #free(running: Running): void {
    this.#pods.delete(running.pod.metadata.uid!);
    this.#options.addresses.free(running.address);
  }
}
