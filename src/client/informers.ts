import type { AnyObject, Clock, KubeObject, Random, Resource } from '../machinery/index.ts';
import type { Client } from './client.ts';
import { Informer, type InformerSelection } from './informer.ts';
import { type Log, quiet } from './log.ts';

export interface InformersOptions {
  client: Client;
  clock: Clock;
  random: Random;
  /** Ends every informer. */
  signal: AbortSignal;
  log?: Log;
}

/** One informer for each resource and selection, shared by all who ask. */
export class Informers {
  readonly #options: InformersOptions;
  readonly #informers = new Map<string, Informer<any>>();
  readonly #byResource = new Map<string, Informer<any>[]>();
  readonly #running: Promise<void>[] = [];
  /** Of resources that may cease to be: how many follow each, and what ends its informer. */
  readonly #followed = new Map<string, { followers: number; stop: AbortController }>();

  constructor(options: InformersOptions) {
    this.#options = options;
  }

  /** Starts it when it is the first time that it is asked for. */
  for<T extends KubeObject = AnyObject>(resource: Resource<T>, selection: InformerSelection = {}): Informer<T> {
    const { namespace = '', labelSelector = '', fieldSelector = '' } = selection;
    const id = [resourceId(resource), namespace, labelSelector, fieldSelector].join('|');
    const known = this.#informers.get(id);
    if (known !== undefined) return known;
    const { client, clock, random, signal, log = quiet } = this.#options;
    const informer = new Informer<T>({ client, resource, clock, random, log, ...selection });
    this.#informers.set(id, informer);
    this.#byResource.set(resourceId(resource), [...this.of(resource), informer]);
    this.#running.push(informer.run(this.#signalOf(resource, signal)));
    return informer;
  }

  #signalOf(resource: Resource<any>, signal: AbortSignal): AbortSignal {
    const followed = this.#followed.get(resourceId(resource));
    return followed === undefined ? signal : AbortSignal.any([signal, followed.stop.signal]);
  }

  /** As `for`, of a resource that may cease to be; whoever follows says so with `leave`. */
  follow<T extends KubeObject = AnyObject>(resource: Resource<T>): Informer<T> {
    const id = resourceId(resource);
    const followed = this.#followed.get(id);
    if (followed !== undefined) followed.followers++;
    else if (this.of(resource).length === 0) this.#followed.set(id, { followers: 1, stop: new AbortController() });
    return this.for(resource);
  }

  /** The last to leave ends the informer. */
  leave(resource: Resource<any>): void {
    const id = resourceId(resource);
    const followed = this.#followed.get(id);
    if (followed === undefined || --followed.followers > 0) return;
    this.#followed.delete(id);
    followed.stop.abort(new Error(`${id} is followed no more`));
    this.#byResource.delete(id);
    for (const key of this.#informers.keys()) if (key.startsWith(`${id}|`)) this.#informers.delete(key);
  }

  /** Those that hold objects of this resource. */
  of(resource: Resource<any>): readonly Informer<any>[] {
    return this.#byResource.get(resourceId(resource)) ?? [];
  }

  /** Resolves once all that were asked for so far are synced. */
  async synced(): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer.synced()));
  }

  /** Resolves once the signal was aborted and all have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }
}

/** What tells one resource from another. */
export function resourceId({ group, version, resource }: Resource<any>): string {
  return `${group}/${version}/${resource}`;
}
