import { type Lease, leases } from '../api/index.ts';
import type { Clock, Random } from '../machinery/index.ts';
import { cloneJson, formatMicroTime, isStatusError } from '../machinery/index.ts';
import type { Client, ObjectRef } from './client.ts';
import { type Log, quiet } from './log.ts';

export interface LeaderElectionOptions {
  client: Client;
  clock: Clock;
  random: Random;
  /** Ends it: the lease is given back, if it is held. */
  signal: AbortSignal;
  /** What is competed for. */
  lease: Required<ObjectRef>;
  /** Who competes; must differ from all others. */
  identity: string;
  /** Milliseconds that others wait after the last sign of life; absent: 15,000. */
  leaseDuration?: number;
  /** Milliseconds without a successful renewal after which the leader steps down; absent: 10,000. */
  renewDeadline?: number;
  /** Milliseconds between two tries; absent: 2,000. */
  retryPeriod?: number;
  /** Called when it leads. The signal is aborted when it no longer does: what was begun must end at once. */
  onStartedLeading(signal: AbortSignal): void | Promise<void>;
  /** Called whenever another leader, or none (''), is seen. */
  onNewLeader?(identity: string): void;
  log?: Log;
}

/**
 * Takes part in an election by a Lease, once: it resolves when the signal is aborted before it led, or when it led and does
 * so no more (what `onStartedLeading` returned has ended by then). Time is measured by one's own clock from what one saw
 * change, so clocks need not agree, only run alike. There may be no leader for a while; there are never two, as long as
 * the loser stops when its signal says so.
 */
export async function runLeaderElection(options: LeaderElectionOptions): Promise<void> {
  const candidate = new Candidate(options);
  if (!(await candidate.acquire())) return;
  const leading = new AbortController();
  const led = Promise.resolve()
    .then(() => options.onStartedLeading(leading.signal))
    .catch((err: unknown) => (options.log ?? quiet).error({ err }, 'the leader failed'));
  await candidate.renew();
  leading.abort(new Error('no longer the leader'));
  await led;
  await candidate.release();
}

class Candidate {
  readonly #options: LeaderElectionOptions;
  readonly #leaseDuration: number;
  readonly #renewDeadline: number;
  readonly #retryPeriod: number;
  /** As it was seen last, and when it was seen to change. */
  #lease: Lease | undefined;
  #changed = 0;
  #reported: string | undefined;

  constructor(options: LeaderElectionOptions) {
    const { leaseDuration = 15_000, renewDeadline = 10_000, retryPeriod = 2_000 } = options;
    if (!(leaseDuration > renewDeadline))
      throw new RangeError(`leaseDuration ${leaseDuration} must exceed renewDeadline ${renewDeadline}`);
    if (!(renewDeadline > retryPeriod * 1.2))
      throw new RangeError(`renewDeadline ${renewDeadline} must exceed retryPeriod ${retryPeriod} by a fifth`);
    if (options.identity === '') throw new RangeError('identity is empty: name who competes');
    this.#options = options;
    this.#leaseDuration = leaseDuration;
    this.#renewDeadline = renewDeadline;
    this.#retryPeriod = retryPeriod;
  }

  /** Whether it leads now; false once the signal is aborted. */
  async acquire(): Promise<boolean> {
    const { clock, random, signal } = this.#options;
    while (!signal.aborted) {
      if (await this.#try(signal)) return true;
      await clock.sleep(this.#retryPeriod * (1 + 1.2 * random.next()), signal).catch(() => {});
    }
    return false;
  }

  /** Keeps the lease as long as it can. */
  async renew(): Promise<void> {
    const { clock, signal } = this.#options;
    let renewed = clock.monotonic();
    while (!signal.aborted) {
      await clock.sleep(this.#retryPeriod, signal).catch(() => {});
      if (signal.aborted) return;
      const asked = clock.monotonic();
      if (await this.#tryUntil(renewed + this.#renewDeadline)) renewed = asked;
      else if (this.#isLost() || clock.monotonic() - renewed >= this.#renewDeadline) return;
    }
  }

  /** Lets others take it without waiting, unless somebody has it already. */
  async release(): Promise<void> {
    const { client, clock, identity } = this.#options;
    if (this.#lease?.spec?.holderIdentity !== identity) return;
    const now = formatMicroTime(clock.now());
    const lease = cloneJson(this.#lease);
    lease.spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now, acquireTime: now };
    try {
      const given = await this.#within(this.#renewDeadline, (signal) => client.update(leases, lease, { signal }));
      this.#see(given);
    } catch (err) {
      this.#log('the lease could not be given back; others have to wait for its end', err);
    }
  }

  #isLost(): boolean {
    return this.#lease?.spec?.holderIdentity !== this.#options.identity;
  }

  async #tryUntil(deadline: number): Promise<boolean> {
    const { clock, signal } = this.#options;
    const left = Math.max(0, deadline - clock.monotonic());
    return this.#within(left, (late) => this.#try(AbortSignal.any([signal, late]))).catch(() => false);
  }

  /** Rejects after so many milliseconds, whether or not the call heeds its signal: a server may not answer at all. */
  #within<R>(milliseconds: number, call: (signal: AbortSignal) => Promise<R>): Promise<R> {
    const stop = new AbortController();
    const late = Promise.withResolvers<never>();
    const timer = this.#options.clock.after(milliseconds, () => {
      const error = new Error(`no answer within ${milliseconds / 1_000} s`);
      late.reject(error);
      stop.abort(error);
    });
    const answer = Promise.resolve().then(() => call(stop.signal));
    return Promise.race([answer, late.promise]).finally(() => timer.cancel());
  }

  /** Takes the lease if it is free, or keeps it. */
  async #try(signal: AbortSignal): Promise<boolean> {
    const { client, lease: ref, identity } = this.#options;
    try {
      const found = await this.#read(signal);
      if (found !== undefined && !this.#mayTake(found)) return false;
      const spec = this.#spec(found);
      const taken =
        found === undefined
          ? await client.create(leases, { metadata: { ...ref }, spec }, { signal })
          : await client.update(leases, { ...cloneJson(found), spec }, { signal });
      // An answer that comes too late for its asker counts for nobody.
      if (signal.aborted) return false;
      this.#see(taken);
      return taken.spec?.holderIdentity === identity;
    } catch (err) {
      if (!signal.aborted) this.#log('the lease could not be taken or renewed', err);
      return false;
    }
  }

  async #read(signal: AbortSignal): Promise<Lease | undefined> {
    const { client, lease } = this.#options;
    try {
      const found = await client.get(leases, lease, { signal });
      this.#see(found);
      return found;
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #mayTake({ spec }: Lease): boolean {
    const { clock, identity } = this.#options;
    if (!spec?.holderIdentity || spec.holderIdentity === identity) return true;
    const duration = (spec.leaseDurationSeconds ?? 0) * 1_000;
    return clock.monotonic() - this.#changed >= duration;
  }

  #spec(old: Lease | undefined): NonNullable<Lease['spec']> {
    const { clock, identity } = this.#options;
    const now = formatMicroTime(clock.now());
    const isMine = old?.spec?.holderIdentity === identity;
    const transitions = old?.spec?.leaseTransitions ?? 0;
    return {
      ...old?.spec,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#leaseDuration / 1_000),
      acquireTime: isMine ? old.spec?.acquireTime : now,
      renewTime: now,
      leaseTransitions: isMine || old === undefined ? transitions : transitions + 1,
    };
  }

  #see(lease: Lease): void {
    if (lease.metadata?.resourceVersion !== this.#lease?.metadata?.resourceVersion)
      this.#changed = this.#options.clock.monotonic();
    this.#lease = lease;
    const holder = lease.spec?.holderIdentity ?? '';
    if (holder === this.#reported) return;
    this.#reported = holder;
    this.#options.onNewLeader?.(holder);
  }

  #log(message: string, err: unknown): void {
    const { log = quiet, lease, identity } = this.#options;
    const level = isStatusError(err, 'Conflict', 'AlreadyExists') ? 'debug' : 'warn';
    log[level]({ err, lease: `${lease.namespace}/${lease.name}`, identity }, message);
  }
}
