/**
 * The seats of one priority level and the queues before them. A request that finds a seat takes it at once, without a promise; otherwise it waits in
 * the queue of its flow's hand that has least work, and queues take turns by fair queueing: the one that could be done first, had each an equal
 * part of the seats (upstream's design, KEP-1040).
 *
 * Virtual time, R, is in seat-seconds; it advances as fast as a queue with an equal part would be served.
 */
import type { Clock, Timer } from '../../machinery/index.ts';
import type { FlowCounts } from './counts.ts';
import { Demand } from './demand.ts';

export interface Queuing {
  /** None: who finds no seat is turned away. */
  readonly queues: number;
  readonly queueLengthLimit: number;
  /** No limit at all. */
  readonly exempt: boolean;
}

/** What a request takes: seats while it is served, then others for some more milliseconds. */
export interface Work {
  readonly initialSeats: number;
  readonly finalSeats: number;
  readonly additionalLatency: number;
}

export interface Flow {
  readonly schema: string;
  readonly distinguisher: string;
  /** Indices of the queues that it may use. */
  readonly hand: readonly number[];
  readonly counts: FlowCounts;
}

/** What a request that was not served yet is assumed to take, in seconds. */
const estimatedService = 0.003;

interface Queue {
  readonly index: number;
  readonly waiting: Ticket[];
  waitingWork: number;
  executing: number;
  seats: number;
  /** When, in virtual time, its next request would be let in. */
  next: number;
}

/** A request that has a seat, or waits for one. */
export class Ticket {
  readonly set: QueueSet;
  readonly flow: Flow;
  readonly queue: Queue | undefined;
  readonly initialSeats: number;
  finalSeats: number;
  /** Milliseconds. */
  additionalLatency: number;
  /** Seconds of the set's clock. */
  readonly arrivedAt: number;
  readonly arrivedR: number;
  startedAt = -1;
  /** For whoever looks at what is going on. */
  readonly described: object | undefined;
  state: 'waiting' | 'executing' | 'over' = 'waiting';
  decided: ((granted: boolean) => void) | undefined;

  constructor(
    set: QueueSet,
    flow: Flow,
    queue: Queue | undefined,
    work: Work,
    at: number,
    r: number,
    described: object | undefined,
  ) {
    this.set = set;
    this.flow = flow;
    this.queue = queue;
    this.initialSeats = work.initialSeats;
    this.finalSeats = work.finalSeats;
    this.additionalLatency = work.additionalLatency;
    this.arrivedAt = at;
    this.arrivedR = r;
    this.described = described;
  }

  get seats(): number {
    return this.finalSeats > this.initialSeats ? this.finalSeats : this.initialSeats;
  }

  /** In seat-seconds. */
  get work(): number {
    return this.initialSeats * estimatedService + (this.finalSeats * this.additionalLatency) / 1000;
  }

  /** Resolves with true once it has a seat, with false when it was given up. */
  wait(): Promise<boolean> {
    return new Promise((resolve) => {
      this.decided = resolve;
    });
  }

  /** It was served. To be called once. */
  release(): void {
    this.set.release(this);
  }

  /** It will not wait any longer. */
  giveUp(): void {
    this.set.giveUp(this);
  }
}

export class QueueSet {
  readonly #clock: Clock;
  readonly demand: Demand;
  #queuing: Queuing;
  #limit: number;
  /** Those that anything is in; an idle one has nothing to remember. */
  readonly #queues = new Map<number, Queue>();
  /** Those in which somebody waits. */
  readonly #wanting = new Set<Queue>();
  readonly executing = new Set<Ticket>();
  readonly #lingering = new Set<Timer>();
  #active = 0;
  #robin = 0;
  #deals = 0;
  #r = 0;
  #syncedAt: number;
  seats = 0;
  #queuedSeats = 0;
  waiting = 0;
  #waitingSeats = 0;
  dispatched = 0;
  rejected = 0;
  cancelled = 0;
  /** Called when nobody waits or is served any more. */
  whenIdle: (() => void) | undefined;

  constructor(clock: Clock, queuing: Queuing, limit: number) {
    this.#clock = clock;
    this.#queuing = queuing;
    this.#limit = limit;
    this.#syncedAt = this.now();
    this.demand = new Demand(this.#syncedAt);
  }

  /** Seconds. */
  now(): number {
    return this.#clock.monotonic() / 1000;
  }

  /** A moment of `now`, as the calendar has it. */
  timeOf(seconds: number): string {
    return new Date(this.#clock.now() - (this.now() - seconds) * 1000).toISOString();
  }

  get r(): number {
    return this.#r;
  }

  get limit(): number {
    return this.#limit;
  }

  get idle(): boolean {
    return this.waiting === 0 && this.executing.size === 0;
  }

  get queues(): Iterable<Readonly<Queue>> {
    return this.#queues.values();
  }

  get queueCount(): number {
    return this.#queuing.queues;
  }

  configure(queuing: Queuing, limit: number): void {
    this.#sync();
    this.#queuing = queuing;
    this.#limit = limit;
    this.#dispatch();
  }

  close(): void {
    for (const timer of this.#lingering) timer.cancel();
  }

  /** A ticket that is `executing` or `waiting`; undefined: turned away. */
  start(flow: Flow, work: Work, described: object | undefined): Ticket | undefined {
    const now = this.#sync();
    const { exempt, queues } = this.#queuing;
    const { counts } = flow;
    if (exempt || queues < 1) {
      const ticket = new Ticket(this, flow, undefined, work, now, this.#r, described);
      if (!exempt && !this.#fits(ticket.seats)) return this.#reject(counts, 'concurrency-limit');
      this.#execute(ticket, now);
      return ticket;
    }
    const queue = this.#choose(flow.hand);
    if (this.seats >= this.#limit && queue.waiting.length >= this.#queuing.queueLengthLimit)
      return this.#reject(counts, 'queue-full');
    const ticket = new Ticket(this, flow, queue, work, now, this.#r, described);
    if (queue.waiting.length === 0 && queue.executing === 0) queue.next = this.#r;
    if (this.waiting === 0 && this.seats < this.#limit && this.#fits(ticket.seats)) {
      counts.queueLength.observe(1);
      // nobody is let in before having arrived
      if (queue.next < ticket.arrivedR) queue.next = ticket.arrivedR;
      this.#letIn(ticket, queue, now);
      return ticket;
    }
    this.#enqueue(ticket, queue, now);
    this.#dispatch();
    return ticket;
  }

  release(ticket: Ticket): void {
    if (ticket.state !== 'executing') return;
    const now = this.#sync();
    ticket.state = 'over';
    this.executing.delete(ticket);
    ticket.flow.counts.executing.add(-1);
    const { queue } = ticket;
    if (queue !== undefined) {
      queue.executing--;
      if (queue.executing === 0 && queue.waiting.length === 0) this.#active--;
      // it was let in at an assumed cost
      queue.next -= ticket.initialSeats * (estimatedService - (now - ticket.startedAt));
      this.#bound(queue);
    }
    if (ticket.additionalLatency <= 0) this.#free(ticket, now);
    else {
      const timer = this.#clock.after(ticket.additionalLatency, () => {
        this.#lingering.delete(timer);
        this.#free(ticket, this.#sync());
        this.#dispatch();
      });
      this.#lingering.add(timer);
    }
    if (this.waiting > 0) this.#dispatch();
    if (this.whenIdle !== undefined && this.idle) this.whenIdle();
  }

  giveUp(ticket: Ticket): void {
    if (ticket.state !== 'waiting') return;
    const now = this.#sync();
    ticket.state = 'over';
    const queue = ticket.queue!;
    this.#leave(ticket, queue, queue.waiting.indexOf(ticket));
    this.demand.set(this.seats + this.#waitingSeats, now);
    this.rejected++;
    this.cancelled++;
    ticket.flow.counts.rejected('time-out').add();
    if (queue.executing === 0 && queue.waiting.length === 0) this.#active--;
    this.#forgetIfEmpty(queue);
    this.#bound(queue);
    ticket.decided?.(false);
    if (this.whenIdle !== undefined && this.idle) this.whenIdle();
  }

  #reject(counts: FlowCounts, reason: string): undefined {
    this.rejected++;
    counts.rejected(reason).add();
  }

  /** Brings virtual time up to now. */
  #sync(): number {
    const now = this.now();
    if (this.#active > 0) {
      const wanted = this.#queuedSeats + this.#waitingSeats;
      this.#r += (Math.min(wanted, this.#limit) / this.#active) * (now - this.#syncedAt);
    }
    this.#syncedAt = now;
    return now;
  }

  /** Of the hand's queues, the one with the least work waiting; where several have, they take turns. */
  #choose(hand: readonly number[]): Queue {
    const offset = this.#deals++ % hand.length;
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < hand.length; i++) {
      const index = hand[(offset + i) % hand.length]!;
      const work = this.waiting === 0 ? 0 : (this.#queues.get(index)?.waitingWork ?? 0);
      if (work >= least) continue;
      least = work;
      best = index;
      if (work === 0) break;
    }
    let queue = this.#queues.get(best);
    if (queue === undefined) {
      queue = { index: best, waiting: [], waitingWork: 0, executing: 0, seats: 0, next: this.#r };
      this.#queues.set(best, queue);
    }
    return queue;
  }

  #fits(seats: number): boolean {
    // what needs more than all there are is served alone
    if (seats > this.#limit) return this.executing.size === 0;
    return this.seats + seats <= this.#limit;
  }

  #enqueue(ticket: Ticket, queue: Queue, now: number): void {
    if (queue.waiting.length === 0 && queue.executing === 0) this.#active++;
    queue.waiting.push(ticket);
    queue.waitingWork += ticket.work;
    this.#wanting.add(queue);
    this.waiting++;
    this.#waitingSeats += ticket.seats;
    const { counts } = ticket.flow;
    counts.waiting.add(1);
    counts.waitingSeats.add(ticket.seats);
    counts.queueLength.observe(queue.waiting.length);
    this.demand.set(this.seats + this.#waitingSeats, now);
    this.#bound(queue);
  }

  #leave(ticket: Ticket, queue: Queue, at: number): void {
    if (at === 0) queue.waiting.shift();
    else queue.waiting.splice(at, 1);
    queue.waitingWork = queue.waiting.length === 0 ? 0 : queue.waitingWork - ticket.work;
    if (queue.waiting.length === 0) this.#wanting.delete(queue);
    this.waiting--;
    this.#waitingSeats -= ticket.seats;
    ticket.flow.counts.waiting.add(-1);
    ticket.flow.counts.waitingSeats.add(-ticket.seats);
  }

  #dispatch(): void {
    while (this.waiting > 0 && this.seats < this.#limit) {
      const queue = this.#nextQueue();
      const ticket = queue.waiting[0]!;
      if (!this.#fits(ticket.seats)) {
        ticket.flow.counts.noAccommodation.add();
        return;
      }
      this.#robin = queue.index;
      this.#leave(ticket, queue, 0);
      if (ticket.finalSeats > this.#limit) narrow(ticket, this.#limit);
      // it counts as active already: it waited here
      if (queue.executing === 0 && queue.waiting.length === 0) this.#active--;
      this.#letIn(ticket, queue, this.#syncedAt);
      this.#bound(queue);
      ticket.decided?.(true);
    }
  }

  /** Whose next request would be done first; where several would, the next in turn. */
  #nextQueue(): Queue {
    const count = Math.max(1, this.#queuing.queues);
    let best: Queue | undefined;
    let first = 0;
    let turn = 0;
    for (const queue of this.#wanting) {
      const done = queue.next + queue.waiting[0]!.work;
      const distance = (queue.index - this.#robin - 1 + 2 * count) % count;
      if (best !== undefined && (done > first || (done === first && distance > turn))) continue;
      best = queue;
      first = done;
      turn = distance;
    }
    return best!;
  }

  #letIn(ticket: Ticket, queue: Queue, now: number): void {
    if (queue.executing === 0 && queue.waiting.length === 0) this.#active++;
    queue.executing++;
    queue.seats += ticket.seats;
    this.#queuedSeats += ticket.seats;
    queue.next += ticket.work;
    this.#execute(ticket, now);
  }

  #execute(ticket: Ticket, now: number): void {
    const { counts } = ticket.flow;
    const { seats } = ticket;
    ticket.state = 'executing';
    ticket.startedAt = now;
    this.executing.add(ticket);
    this.dispatched++;
    this.seats += seats;
    counts.dispatched.add();
    counts.executing.add(1);
    counts.executingSeats.add(seats);
    this.demand.set(this.seats + this.#waitingSeats, now);
  }

  #free(ticket: Ticket, now: number): void {
    const { queue, seats } = ticket;
    this.seats -= seats;
    ticket.flow.counts.executingSeats.add(-seats);
    this.demand.set(this.seats + this.#waitingSeats, now);
    if (queue === undefined) return;
    queue.seats -= seats;
    this.#queuedSeats -= seats;
    this.#forgetIfEmpty(queue);
  }

  #forgetIfEmpty(queue: Queue): void {
    if (
      queue.executing === 0 &&
      queue.seats === 0 &&
      queue.waiting.length === 0 &&
      this.#queues.get(queue.index) === queue
    )
      this.#queues.delete(queue.index);
  }

  /** A queue that could not use its part does not save it up. */
  #bound(queue: Queue): void {
    const head = queue.waiting[0];
    if (head !== undefined && queue.next < head.arrivedR) queue.next = head.arrivedR;
  }
}

/** The same work by fewer seats for longer. */
function narrow(ticket: Ticket, seats: number): void {
  ticket.additionalLatency = (ticket.additionalLatency * ticket.finalSeats) / Math.max(1, seats);
  ticket.finalSeats = Math.max(1, seats);
}
