/**
 * Services in the kernel's nftables, in a table of their own. Changes are gathered for a moment and go in as one
 * transaction; when one is refused, the whole table is made anew, with back-off.
 */
import type { Informers, Log } from '../../client/index.ts';
import { Backoff } from '../../client/index.ts';
import type { Clock, Random, Timer } from '../../machinery/index.ts';
import { type Run, run as runProgram } from '../run.ts';
import { forgetFlow, lostFlows } from './conntrack.ts';
import type { DataPlane } from './dataplane.ts';
import type { Here } from './endpoints.ts';
import { Desired } from './desired.ts';
import { changeText, removalText, type TableOptions, tableText } from './nft.ts';
import { emptyRuleset, rulesOf, type Ruleset } from './rules.ts';
import { type ServiceSet, serviceSet } from './serviceset.ts';

export interface KernelOptions extends TableOptions {
  informers: Informers;
  nodeName: Here;
  clock: Clock;
  random: Random;
  log: Log;
  run: Run;
}

/** Milliseconds that changes wait for others. */
const gather = 2;

export function kernelServices(options: KernelOptions): DataPlane {
  return new KernelServices(options);
}

/** Removes the table without a data plane that runs: what a process before this one left. Idempotent. */
export async function removeServices(run: Run = runProgram): Promise<void> {
  await run('nft', ['-f', '-'], { input: removalText() });
}

class KernelServices implements DataPlane {
  readonly #options: KernelOptions;
  readonly #desired = new Desired();
  readonly #dirty = new Set<string>();
  readonly #services: ServiceSet;
  readonly #backoff: Backoff;
  readonly #ready = Promise.withResolvers<void>();
  #picks = new Set<string>();
  /** The table is there and is what `Desired` last gave. */
  #inPlace = false;
  #canForget = true;
  #stopped = false;
  #timer: Timer | undefined;
  #applying: Promise<void> | undefined;

  constructor(options: KernelOptions) {
    this.#options = options;
    this.#backoff = new Backoff({
      clock: options.clock,
      random: options.random,
      base: 100,
      max: 30_000,
      resetAfter: 60_000,
    });
    this.#services = serviceSet(options.informers, (key) => {
      this.#dirty.add(key);
      if (this.#inPlace) this.#soon(gather);
    });
    // The first transaction is the whole: what a process before us left is replaced in one step, without a gap.
    void this.#services.synced().then(() => this.#soon(0));
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#services.stop();
    this.#timer?.cancel();
    await this.#applying;
  }

  async teardown(): Promise<void> {
    await this.stop();
    await removeServices(this.#options.run);
  }

  #soon(milliseconds: number): void {
    if (this.#stopped || this.#timer !== undefined || this.#applying !== undefined) return;
    this.#timer = this.#options.clock.after(milliseconds, () => {
      this.#timer = undefined;
      this.#applying = this.#apply().then((next) => {
        this.#applying = undefined;
        if (next !== undefined) this.#soon(next);
      });
    });
  }

  /** Resolves with the milliseconds after which there is more to do. Does not reject. */
  async #apply(): Promise<number | undefined> {
    for (const key of this.#dirty) this.#desired.set(key, this.#rulesOf(key));
    this.#dirty.clear();
    const change = this.#inPlace ? this.#desired.take() : { from: emptyRuleset(), to: this.#desired.takeAll() };
    try {
      await this.#load(this.#inPlace ? this.#changeText(change) : this.#wholeText(change));
      await this.#forget(change);
    } catch (error) {
      const delay = this.#inPlace ? 0 : this.#backoff.next();
      this.#inPlace = false;
      this.#options.log.error(
        { err: error, retryMilliseconds: Math.round(delay) },
        'nftables refused the Services; the whole table is made anew',
      );
      return delay;
    }
    this.#inPlace = true;
    this.#ready.resolve();
    return this.#dirty.size > 0 ? gather : undefined;
  }

  async #load(text: string): Promise<void> {
    if (text !== '') await this.#options.run('nft', ['-f', '-'], { input: text, timeout: 60_000 });
  }

  #changeText(change: { from: Ruleset; to: Ruleset }): string {
    return changeText({ ...change, picks: this.#picks });
  }

  #wholeText(change: { from: Ruleset; to: Ruleset }): string {
    this.#picks = new Set();
    return tableText(this.#options) + this.#changeText(change);
  }

  async #forget(change: { from: Ruleset; to: Ruleset }): Promise<void> {
    for (const flow of this.#canForget ? lostFlows(change) : []) {
      try {
        await forgetFlow(this.#options.run, flow);
      } catch (error) {
        this.#canForget = false;
        this.#options.log.warn(
          { err: error },
          'flows of UDP endpoints that are gone last up to 30 s (install conntrack to end them at once)',
        );
        return;
      }
    }
  }

  #rulesOf(key: string): Ruleset {
    const service = this.#services.service(key);
    return service === undefined
      ? emptyRuleset()
      : rulesOf(service, this.#services.slicesOf(key), this.#options.nodeName);
  }
}
