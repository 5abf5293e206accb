/** What the userspace data plane has for each address and port: a listener, and where its callers go. */
import type { Clock } from '../../machinery/index.ts';
import type { Target } from './endpoints.ts';

export interface Backends {
  targets: readonly Target[];
  /** Seconds. */
  affinity: number | undefined;
}

export interface Listener {
  /** Where it listens: the port asked for, or another when that one needs privileges. */
  readonly port: number;
  /** New callers go there from now on; those who are there stay. */
  update(backends: Backends): void;
  /** Takes no new callers; `now`: ends those who are there, too. */
  close(now: boolean): Promise<void>;
}

const maxCallers = 65_536;

/** Round robin, or the same target again for a caller with affinity. */
export class Chooser {
  readonly #clock: Clock;
  readonly #callers = new Map<string, { target: Target; until: number }>();
  #backends: Backends;
  #turn = 0;

  constructor(clock: Clock, backends: Backends) {
    this.#clock = clock;
    this.#backends = backends;
  }

  update(backends: Backends): void {
    this.#backends = backends;
  }

  /** All targets in the order in which to try them. */
  order(caller: string): Target[] {
    const { targets, affinity } = this.#backends;
    if (targets.length === 0) return [];
    const start = this.#turn++ % targets.length;
    const turned = [...targets.slice(start), ...targets.slice(0, start)];
    if (affinity === undefined) return turned;
    const known = this.#known(caller);
    const first = turned.find((target) => known && same(target, known)) ?? turned[0]!;
    return [first, ...turned.filter((target) => target !== first)];
  }

  /** The caller was taken there. */
  chose(caller: string, target: Target): void {
    const { affinity } = this.#backends;
    if (affinity === undefined) return;
    if (this.#callers.size >= maxCallers) this.#callers.delete(this.#callers.keys().next().value as string);
    this.#callers.delete(caller);
    this.#callers.set(caller, { target, until: this.#clock.monotonic() + affinity * 1000 });
  }

  #known(caller: string): Target | undefined {
    const known = this.#callers.get(caller);
    return known !== undefined && known.until > this.#clock.monotonic() ? known.target : undefined;
  }
}

function same(a: Target, b: Target): boolean {
  return a.ip === b.ip && a.port === b.port;
}
