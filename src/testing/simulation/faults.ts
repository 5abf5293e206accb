/** What goes wrong on the way between the parts of a cluster and its API server. */
import type { LocalRequest, LocalServer } from '../../client/index.ts';
import { type Clock, isStatusError, type Random, StatusError, type WatchEvent } from '../../machinery/index.ts';

/** Chances are for each request or each batch of events; delays are in milliseconds, at most. */
export interface Profile {
  readonly name: string;
  readonly slow: number;
  readonly slowest: number;
  /** Refused before anything was done. */
  readonly refused: number;
  /** Done, but the answer says that it failed. */
  readonly lost: number;
  readonly watchBreaks: number;
  readonly watchRepeats: number;
  /** Milliseconds between two events that befall nodes, on average; 0: none. */
  readonly nodeTrouble: number;
  /** Milliseconds between two restarts of a part of the control plane, on average; 0: none. */
  readonly restarts: number;
}

const calm: Profile = {
  name: 'calm',
  slow: 0,
  slowest: 0,
  refused: 0,
  lost: 0,
  watchBreaks: 0,
  watchRepeats: 0,
  nodeTrouble: 0,
  restarts: 0,
};

export const profiles: readonly Profile[] = [
  calm,
  { ...calm, name: 'slow', slow: 0.3, slowest: 3_000 },
  { ...calm, name: 'flaky', slow: 0.1, slowest: 1_000, refused: 0.05, watchBreaks: 0.05, watchRepeats: 0.1 },
  { ...calm, name: 'nodes', nodeTrouble: 60_000 },
  { ...calm, name: 'restarts', restarts: 30_000 },
  {
    name: 'everything',
    slow: 0.2,
    slowest: 2_000,
    refused: 0.05,
    lost: 0.02,
    watchBreaks: 0.05,
    watchRepeats: 0.05,
    nodeTrouble: 120_000,
    restarts: 90_000,
  },
];

export class Faults {
  /** Off: nothing goes wrong any more. */
  on = true;
  /** When answers to writes were lost: what those who asked then do twice is not their fault. */
  readonly lostAt: number[] = [];
  readonly profile: Profile;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(profile: Profile, clock: Clock, random: Random) {
    this.profile = profile;
    this.#clock = clock;
    this.#random = random;
  }

  chance(of: number): boolean {
    return this.on && of > 0 && this.#random.next() < of;
  }

  delay(): number {
    const { slow, slowest } = this.profile;
    return this.chance(slow) ? Math.floor(this.#random.next() ** 2 * slowest) : 0;
  }

  async pause(): Promise<void> {
    const delay = this.delay();
    if (delay > 0) await this.#clock.sleep(delay);
  }

  /** How many answers were lost in the last so many milliseconds. */
  lostWithin(milliseconds: number): number {
    const since = this.#clock.now() - milliseconds;
    let count = 0;
    for (let i = this.lostAt.length - 1; i >= 0 && this.lostAt[i]! >= since; i--) count++;
    return count;
  }

  /** The server as one of its users meets it. */
  before(server: () => LocalServer): LocalServer {
    return {
      call: (request) => this.#call(server, request),
      watch: (request, onEvents, onEnd) => this.#watch(server, request, onEvents, onEnd),
    };
  }

  async #call(server: () => LocalServer, request: LocalRequest): Promise<unknown> {
    await this.pause();
    if (this.chance(this.profile.refused)) throw unavailable();
    const isWrite = request.verb !== 'get' && request.verb !== 'list';
    let answer: unknown;
    try {
      answer = await server().call(request);
    } catch (error) {
      // the server went away in the middle: it may have been done
      if (isWrite && isStatusError(error, 'ServiceUnavailable')) this.lostAt.push(this.#clock.now());
      throw error;
    }
    if (isWrite && this.chance(this.profile.lost)) {
      this.lostAt.push(this.#clock.now());
      throw unavailable();
    }
    await this.pause();
    return answer;
  }

  /** Late, but in order. */
  async #watch(
    server: () => LocalServer,
    request: LocalRequest,
    onEvents: (events: WatchEvent[]) => void,
    onEnd: () => void,
  ): Promise<{ close(): void }> {
    await this.pause();
    if (this.chance(this.profile.refused)) throw unavailable();
    let over = false;
    let busyUntil = 0;
    let waiting = 0;
    const inOrder = (call: () => void) => {
      const now = this.#clock.now();
      busyUntil = Math.max(busyUntil, now + this.delay());
      if (busyUntil <= now && waiting === 0) return over || call();
      waiting++;
      return this.#clock.after(busyUntil - now, () => {
        waiting--;
        if (!over) call();
      });
    };
    const end = () => {
      over = true;
      onEnd();
    };
    const opened = await server().watch(
      request,
      (events) => {
        if (over) return;
        if (this.chance(this.profile.watchBreaks)) return end();
        inOrder(() => onEvents(events));
        if (this.chance(this.profile.watchRepeats)) inOrder(() => onEvents(events));
      },
      () => inOrder(end),
    );
    return {
      close() {
        over = true;
        opened.close();
      },
    };
  }
}

function unavailable(): StatusError {
  return new StatusError('ServiceUnavailable', 'the simulation let this request fail');
}
