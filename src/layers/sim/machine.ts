/** One simulated machine: what runs on it, whether the node's agent knows of it or not. */
import type { Clock, Random, Timer } from '../../machinery/index.ts';
import type { Pod } from '../../api/index.ts';
import { numberOf } from './annotations.ts';

const quickestStart = 5;
const slowestStart = 20;

/** Told what really happens on machines, as nobody who sees only the API could tell. */
export interface Observer {
  started?(node: string, pod: Pod): void;
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
  /** The first of its 254 addresses, as a number. */
  firstAddress: number;
  /** Something about this pod has changed: its state is to be told. */
  changed(running: Running): void;
  observer: Observer;
}

export class Machine {
  readonly #options: MachineOptions;
  readonly #pods = new Map<string, Running>();
  readonly #addresses = new Set<number>();

  constructor(options: MachineOptions) {
    this.#options = options;
  }

  get(uid: string): Running | undefined {
    return this.#pods.get(uid);
  }

  all(): Iterable<Running> {
    return this.#pods.values();
  }

  start(pod: Pod, restarts = 0): Running {
    const { clock, random } = this.#options;
    const running: Running = {
      pod,
      address: this.#takeAddress(),
      state: 'starting',
      restarts,
      exitCode: 0,
      timer: undefined,
    };
    this.#pods.set(pod.metadata.uid!, running);
    const drawn = quickestStart + random.next() * (slowestStart - quickestStart);
    running.timer = clock.after(numberOf(pod, 'start-milliseconds') ?? drawn, () => this.#begin(running));
    return running;
  }

  #begin(running: Running): void {
    const { clock, name, observer, changed } = this.#options;
    running.state = 'running';
    observer.started?.(name, running.pod);
    const life = numberOf(running.pod, 'run-milliseconds');
    if (life !== undefined)
      running.timer = clock.after(life, () => this.#end(running, numberOf(running.pod, 'exit-code') ?? 0));
    changed(running);
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
    running.timer = clock.after(Math.min(numberOf(pod, 'stop-milliseconds') ?? 1, grace), () => this.#end(running, 0));
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
    this.#addresses.delete(numberOfAddress(running.address));
  }

  #takeAddress(): string {
    const { firstAddress } = this.#options;
    let address = firstAddress;
    while (this.#addresses.has(address)) address++;
    this.#addresses.add(address);
    return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
  }
}

function numberOfAddress(address: string): number {
  return address.split('.').reduce((value, part) => ((value << 8) | Number(part)) >>> 0, 0);
}
