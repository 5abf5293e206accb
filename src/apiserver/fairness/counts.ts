/** What is counted of levels and flows, under upstream's names. */
import type { Counter, Family, Gauge, Histogram, MetricSet } from '../../machinery/index.ts';

const level = 'priority_level';
const byFlow = [level, 'flow_schema'];
const durations = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const prefix = 'apiserver_flowcontrol_';

/** Of one FlowSchema at one level. */
export interface FlowCounts {
  readonly dispatched: Counter;
  readonly executing: Gauge;
  readonly executingSeats: Gauge;
  readonly waiting: Gauge;
  readonly waitingSeats: Gauge;
  readonly queueLength: Histogram;
  readonly waited: Histogram;
  readonly waitedInVain: Histogram;
  readonly executed: Histogram;
  readonly watchesInitialized: Histogram;
  readonly seats: Histogram;
  readonly watchers: Histogram;
  readonly noAccommodation: Counter;
  rejected(reason: string): Counter;
}

export interface LevelCounts {
  readonly nominal: Gauge;
  readonly lower: Gauge;
  readonly upper: Gauge;
  readonly current: Gauge;
  readonly highWatermark: Gauge;
  readonly average: Gauge;
  readonly deviation: Gauge;
  readonly smoothed: Gauge;
  readonly target: Gauge;
  readonly currentR: Gauge;
}

export class Counts {
  readonly #families: Readonly<Record<string, Family<any>>>;
  readonly fairFraction: Gauge;

  constructor(metrics: MetricSet) {
    const counter = (name: string, help: string, labels: string[]): Family<Counter> =>
      metrics.counter(prefix + name, help, labels);
    const gauge = (name: string, help: string, labels: string[]): Family<Gauge> =>
      metrics.gauge(prefix + name, help, labels);
    const histogram = (name: string, help: string, labels: string[], bounds: number[]): Family<Histogram> =>
      metrics.histogram(prefix + name, help, labels, bounds);
    this.fairFraction = metrics.gauge(`${prefix}seat_fair_frac`, 'Proportion of its target that a level gets').with();
    this.#families = {
      dispatched: counter('dispatched_requests_total', 'Requests that were let in', byFlow),
      rejected: counter('rejected_requests_total', 'Requests that were turned away', [...byFlow, 'reason']),
      noAccommodation: counter(
        'request_dispatch_no_accommodation_total',
        'Times that the next request needed more seats than were free',
        byFlow,
      ),
      executing: gauge('current_executing_requests', 'Requests that are being served', byFlow),
      executingSeats: gauge('current_executing_seats', 'Seats that are taken', byFlow),
      waiting: gauge('current_inqueue_requests', 'Requests that wait in queues', byFlow),
      waitingSeats: gauge('current_inqueue_seats', 'Seats that waiting requests need', byFlow),
      queueLength: histogram(
        'request_queue_length_after_enqueue',
        'Length of a queue as a request joins it',
        byFlow,
        [0, 10, 25, 50, 100, 250, 500, 1000],
      ),
      waited: histogram('request_wait_duration_seconds', 'Time in a queue', [...byFlow, 'execute'], durations),
      executed: histogram('request_execution_seconds', 'Time of being served', [...byFlow, 'type'], durations),
      seats: histogram('work_estimated_seats', 'Seats that requests need', byFlow, [1, 2, 4, 8, 16, 32, 64, 100]),
      watchers: histogram(
        'watch_count_samples',
        'Watchers that hear of a write',
        byFlow,
        [0, 1, 10, 100, 1000, 10_000],
      ),
      nominal: gauge('nominal_limit_seats', 'Seats that a level has by its share', [level]),
      lower: gauge('lower_limit_seats', 'Seats that a level keeps however much it lends', [level]),
      upper: gauge('upper_limit_seats', 'Seats that a level has at most, with all that it may borrow', [level]),
      current: gauge('current_limit_seats', 'Seats that a level has at present', [level]),
      highWatermark: gauge('demand_seats_high_watermark', 'Most seats wanted in the last period', [level]),
      average: gauge('demand_seats_average', 'Average of the seats wanted in the last period', [level]),
      deviation: gauge('demand_seats_stdev', 'Standard deviation of the seats wanted in the last period', [level]),
      smoothed: gauge('demand_seats_smoothed', 'Seats wanted, smoothed over periods', [level]),
      target: gauge('target_seats', 'Seats that a level is to have if there are enough', [level]),
      currentR: gauge('current_r', 'Virtual time of a level', [level]),
    };
  }

  flow(levelName: string, schema: string): FlowCounts {
    const of = (name: string, ...more: string[]) => this.#families[name]!.with(levelName, schema, ...more);
    return {
      dispatched: of('dispatched'),
      executing: of('executing'),
      executingSeats: of('executingSeats'),
      waiting: of('waiting'),
      waitingSeats: of('waitingSeats'),
      queueLength: of('queueLength'),
      waited: of('waited', 'true'),
      waitedInVain: of('waited', 'false'),
      executed: of('executed', 'regular'),
      watchesInitialized: of('executed', 'watch'),
      seats: of('seats'),
      watchers: of('watchers'),
      noAccommodation: of('noAccommodation'),
      rejected: (reason) => of('rejected', reason),
    };
  }

  level(name: string): LevelCounts {
    const names = ['nominal', 'lower', 'upper', 'current', 'highWatermark', 'average', 'deviation', 'smoothed'];
    const found = [...names, 'target', 'currentR'].map((one) => [one, this.#families[one]!.with(name)]);
    return Object.fromEntries(found) as unknown as LevelCounts;
  }

  /** A level has gone. */
  forgetLevel(name: string): void {
    for (const one of ['nominal', 'lower', 'upper', 'current', 'highWatermark', 'average', 'deviation', 'smoothed'])
      this.#families[one]!.remove(name);
    for (const one of ['target', 'currentR']) this.#families[one]!.remove(name);
  }
}
