/**
 * Load in virtual time, without sending it: requests arrive at every Service all the time, go to any address that its EndpointSlices call ready as
 * far as the proxies have heard, and take a while. So it is known at every instant whether one of them would fail: when an address is led to where
 * nothing runs, when what runs there ends too soon after it was last led to, when there is no address at all.
 */
import { type EndpointSlice, endpointSlices, type Pod } from '../../src/api/index.ts';
import { type Client, Informers } from '../../src/client/index.ts';
import type { Observer } from '../../src/layers/sim/index.ts';
import type { Clock, Random } from '../../src/machinery/index.ts';

/** Milliseconds until proxies have heard of a change: at least and at most. */
const lag = [20, 500] as const;
/** Milliseconds that a request takes at most. */
const longestRequest = 1_000;

interface View {
  addresses: ReadonlySet<string>;
  /** When the last change that is under way arrives: they arrive in order. */
  settledAt: number;
}

export class Traffic {
  /** What would have failed, in words. */
  readonly failures: string[] = [];
  /** How many instants were looked at: changes of what runs, and of where requests go. */
  checks = 0;
  readonly #views = new Map<string, View>();
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  /** Addresses that answer, by pod uid. */
  readonly #running = new Map<string, string>();
  readonly #answering = new Set<string>();
  /** When each address was last led to. */
  readonly #left = new Map<string, number>();
  #clock: Clock | undefined;
  #random: Random | undefined;

  readonly observer: Observer = {
    started: (_, pod, address) => {
      this.#running.set(pod.metadata.uid!, address);
      this.#answering.add(address);
    },
    ended: (_, pod) => this.#ended(pod),
  };

  follow(client: Client, clock: Clock, random: Random, signal: AbortSignal): void {
    this.#clock = clock;
    this.#random = random;
    const informer = new Informers({ client, clock, random, signal }).for<EndpointSlice>(endpointSlices);
    informer.addHandler({
      onAdd: (slice) => this.#changed(slice, true),
      onUpdate: (_, slice) => this.#changed(slice, true),
      onDelete: (slice) => this.#changed(slice, false),
    });
  }

  #changed(slice: EndpointSlice, there: boolean): void {
    const service = slice.metadata.labels?.['kubernetes.io/service-name'];
    if (service === undefined || service === 'kubernetes') return;
    const slices = this.#slices.get(service) ?? new Map<string, EndpointSlice>();
    this.#slices.set(service, slices);
    if (there) slices.set(slice.metadata.name!, slice);
    else slices.delete(slice.metadata.name!);
    const ready = [...slices.values()]
      .flatMap(({ endpoints }) => endpoints ?? [])
      .filter((one) => one.conditions?.ready);
    const addresses = new Set(ready.flatMap((one) => one.addresses));
    const now = this.#clock!.now();
    const view = this.#views.get(service) ?? { addresses: new Set<string>(), settledAt: now };
    this.#views.set(service, view);
    view.settledAt = Math.max(view.settledAt, now + lag[0] + this.#random!.next() * (lag[1] - lag[0]));
    this.#clock!.after(view.settledAt - now, () => this.#heard(service, view, addresses));
  }

  #heard(service: string, view: View, addresses: ReadonlySet<string>): void {
    this.checks++;
    const now = this.#clock!.now();
    for (const address of view.addresses) if (!addresses.has(address)) this.#left.set(address, now);
    for (const address of addresses) {
      this.#left.delete(address);
      if (!this.#answering.has(address)) this.#failed(`${service} leads to ${address}, where nothing runs`);
    }
    if (addresses.size === 0 && view.addresses.size > 0) this.#failed(`${service} leads nowhere`);
    view.addresses = addresses;
  }

  #ended(pod: Pod): void {
    this.checks++;
    const address = this.#running.get(pod.metadata.uid!);
    if (address === undefined) return;
    this.#running.delete(pod.metadata.uid!);
    this.#answering.delete(address);
    const { name } = pod.metadata;
    for (const [service, view] of this.#views)
      if (view.addresses.has(address)) this.#failed(`${name} ended while ${service} still leads to it`);
    const since = this.#clock!.now() - (this.#left.get(address) ?? Number.NEGATIVE_INFINITY);
    this.#left.delete(address);
    if (since < longestRequest) this.#failed(`${name} ended ${Math.round(since)} ms after it was last led to`);
  }

  #failed(what: string): void {
    this.failures.push(`${new Date(this.#clock!.now()).toISOString()} ${what}`);
  }
}
