/** What is counted of who asks and whether they may, under upstream's names. */
import { type Counter, exponentialBuckets, type Histogram, type MetricSet } from '../machinery/index.ts';

type Attempt = 'success' | 'failure' | 'error';
type Authorized = 'allowed' | 'denied' | 'no-opinion' | 'error';

interface Series {
  readonly count: Counter;
  readonly seconds: Histogram;
}

const durations = exponentialBuckets(0.001, 2, 15);
/** Told by name; of everybody else only whether it looks like an address, so that names of people stay out of what is scraped. */
const toldUsers = new Set(['admin', 'client', 'kube_proxy', 'kubelet', 'system:serviceaccount:kube-system:default']);

export class ChainCounts {
  readonly #attempts: Readonly<Record<Attempt, Series>>;
  readonly #authorized: Readonly<Record<Authorized, Series>>;
  readonly #users = new Map<string, Counter>();
  readonly #addresses: Counter;
  readonly #others: Counter;

  constructor(metrics: MetricSet) {
    const labels = ['result'];
    const attempts = metrics.counter('authentication_attempts', 'Times that it was asked who somebody is', labels);
    const recognising = metrics.histogram(
      'authentication_duration_seconds',
      'Time to find out who asks',
      labels,
      durations,
    );
    const of = (result: Attempt): Series => ({ count: attempts.with(result), seconds: recognising.with(result) });
    this.#attempts = { success: of('success'), failure: of('failure'), error: of('error') };
    const asked = metrics.counter('authorization_attempts_total', 'Times that it was asked whether they may', labels);
    const deciding = metrics.histogram('authorization_duration_seconds', 'Time to find out', labels, durations);
    const decided = (result: Authorized): Series => ({ count: asked.with(result), seconds: deciding.with(result) });
    this.#authorized = {
      allowed: decided('allowed'),
      denied: decided('denied'),
      'no-opinion': decided('no-opinion'),
      error: decided('error'),
    };
    const users = metrics.counter('authenticated_user_requests', 'Requests of who was recognised', ['username']);
    for (const name of toldUsers) this.#users.set(name, users.with(name));
    this.#addresses = users.with('email_id');
    this.#others = users.with('other');
  }

  /** `name`: whose request it is, where that was found out. */
  authenticated(result: Attempt, seconds: number, name?: string): void {
    const { count, seconds: taken } = this.#attempts[result];
    count.add();
    taken.observe(seconds);
    if (name === undefined) return;
    (this.#users.get(name) ?? (name.includes('@') ? this.#addresses : this.#others)).add();
  }

  authorized(result: Authorized, seconds: number): void {
    const { count, seconds: taken } = this.#authorized[result];
    count.add();
    taken.observe(seconds);
  }
}
