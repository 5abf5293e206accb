/** How many seats a level could have used, over the time since it was last asked. */

const smoothing = 0.977;

export class Demand {
  #value = 0;
  #since: number;
  #elapsed = 0;
  #integral = 0;
  #squares = 0;
  #most = 0;
  highWatermark = 0;
  average = 0;
  deviation = 0;
  /** Follows `average + deviation` up at once and down slowly. */
  smoothed = 0;

  /** `now` here and below: seconds that only grow. */
  constructor(now: number) {
    this.#since = now;
  }

  set(value: number, now: number): void {
    this.#advance(now);
    this.#value = value;
    if (value > this.#most) this.#most = value;
  }

  /** Takes what was since the last call into account. */
  settle(now: number): void {
    this.#advance(now);
    this.highWatermark = this.#most;
    if (this.#elapsed > 0) {
      this.average = this.#integral / this.#elapsed;
      this.deviation = Math.sqrt(Math.max(0, this.#squares / this.#elapsed - this.average ** 2));
      const envelope = this.average + this.deviation;
      this.smoothed = Math.max(envelope, smoothing * this.smoothed + (1 - smoothing) * envelope);
    }
    this.#elapsed = 0;
    this.#integral = 0;
    this.#squares = 0;
    this.#most = this.#value;
  }

  #advance(now: number): void {
    const passed = now - this.#since;
    this.#since = now;
    this.#elapsed += passed;
    this.#integral += passed * this.#value;
    this.#squares += passed * this.#value * this.#value;
  }
}
