/**
 * Custom resource definitions at work. What is written to one takes effect in the same turn, before its writer hears of it: a client that creates a
 * definition can create an instance at once. What the status says of it follows a moment later, and the instances go before the definition does.
 */
import type { CustomResourceDefinition, CustomResourceDefinitionNames } from '../../api/index.ts';
import { type Clock, equalJson } from '../../machinery/index.ts';
import type { CacheEvent, ResourceCache } from '../cache/index.ts';
import { system, writeAsServer } from '../ownwrites.ts';
import type { Registry } from '../registry/index.ts';
import type { ServedResource } from '../resources.ts';
import { removeInstances } from './cleanup.ts';
import { conditionsFor, finalizer, isEstablished, isTerminating, type Told, withConditions } from './conditions.ts';
import { namingOf } from './names.ts';
import { Served, type WebhookCaller } from './served.ts';

export interface DefinitionsOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  /** How conversion webhooks are asked. */
  readonly webhooks: WebhookCaller;
  failed(error: unknown): void;
}

const retryAfter = 1000;

export class Definitions {
  readonly #options: DefinitionsOptions;
  readonly #resource: ServedResource;
  readonly #cache: ResourceCache;
  readonly #served: Served;
  /** By group: names conflict within one only. */
  readonly #groups = new Map<string, Map<string, CustomResourceDefinition>>();
  /** Definitions whose status may have to be told; each is worked on by one at a time. */
  readonly #dirty = new Set<string>();
  readonly #working = new Set<string>();
  readonly #stopListening: () => void;
  #closed = false;

  constructor(options: DefinitionsOptions, resource: ServedResource, cache: ResourceCache) {
    this.#options = options;
    this.#resource = resource;
    this.#cache = cache;
    this.#served = new Served(options.registry, options.webhooks);
    const all = Array.from(cache.entries.values(), (entry) => entry.object as CustomResourceDefinition);
    for (const definition of all) this.#groupOf(definition).set(definition.metadata.name!, definition);
    for (const definition of all) this.#take(definition);
    this.#stopListening = cache.listen({ onEvents: (events) => this.#observe(events), onEnd: () => {} });
  }

  close(): void {
    this.#closed = true;
    this.#stopListening();
  }

  #groupOf({ spec }: CustomResourceDefinition): Map<string, CustomResourceDefinition> {
    let group = this.#groups.get(spec.group);
    if (group === undefined) this.#groups.set(spec.group, (group = new Map()));
    return group;
  }

  #observe(events: readonly CacheEvent[]): void {
    for (const { deleted, entry } of events) {
      const definition = entry.object as CustomResourceDefinition;
      try {
        if (deleted) this.#forget(definition);
        else this.#take(definition);
      } catch (error) {
        this.#options.failed(error);
      }
    }
  }

  #forget(definition: CustomResourceDefinition): void {
    const group = this.#groupOf(definition);
    group.delete(definition.metadata.name!);
    this.#served.remove(definition);
    // its names are free
    for (const other of group.values()) this.#take(other);
    if (group.size === 0) this.#groups.delete(definition.spec.group);
  }

  #take(definition: CustomResourceDefinition): void {
    const group = this.#groupOf(definition);
    const name = definition.metadata.name!;
    const before = group.get(name);
    const naming = this.#namingOf(withNames(definition, before?.status?.acceptedNames));
    // others must not take them before they are written down
    group.set(name, withNames(definition, naming.accepted));
    if (naming.status === 'True' || isEstablished(definition)) this.#served.put(definition, naming.accepted);
    this.#mark(name);
    const released = before && !equalJson(before.status?.acceptedNames, naming.accepted);
    if (released) for (const other of group.keys()) if (other !== name) this.#mark(other);
  }

  #namingOf(definition: CustomResourceDefinition) {
    const others = [...this.#groupOf(definition).values()].filter(
      ({ metadata }) => metadata.name !== definition.metadata.name,
    );
    return namingOf(definition, others);
  }

  #mark(name: string): void {
    this.#dirty.add(name);
    if (!this.#working.has(name)) void this.#work(name);
  }

  async #work(name: string): Promise<void> {
    this.#working.add(name);
    try {
      // the writer hears first
      await Promise.resolve();
      while (this.#dirty.delete(name) && !this.#closed) await this.#settle(name);
    } catch (error) {
      if (!this.#closed) {
        this.#options.failed(error);
        this.#options.clock.after(retryAfter, () => this.#mark(name));
      }
    } finally {
      this.#working.delete(name);
      if (this.#dirty.has(name) && !this.#closed) void this.#work(name);
    }
  }

  async #settle(name: string): Promise<void> {
    const definition = this.#current(name);
    if (definition === undefined) return;
    if (isTerminating(definition)) return this.#end(definition);
    const naming = this.#namingOf(this.#groupOf(definition).get(name) ?? definition);
    const told = conditionsFor(definition, naming);
    await this.#tell(definition, told, { acceptedNames: naming.accepted });
  }

  #current(name: string): CustomResourceDefinition | undefined {
    return this.#cache.entries.get(this.#resource.prefix + name)?.object as CustomResourceDefinition | undefined;
  }

  async #tell(definition: CustomResourceDefinition, told: readonly Told[], more: object = {}): Promise<void> {
    const conditions = withConditions(definition, told, this.#options.clock.now());
    const status = { ...definition.status, conditions, ...more };
    if (equalJson(status, definition.status)) return;
    await writeAsServer(this.#options.registry, this.#resource, definition, (current) => ({
      ...current,
      status: { ...(current.status as object), ...status },
    }));
  }

  /** Nothing is created any more; what there is goes; then the definition may go. */
  async #end(definition: CustomResourceDefinition): Promise<void> {
    if (!definition.metadata.finalizers?.includes(finalizer)) return;
    const { registry, clock } = this.#options;
    const served = this.#served.storedOf(definition);
    if (served !== undefined) {
      const left = await removeInstances(registry, served, system, () => this.#closed);
      if (left > 0) {
        const message = `CustomResource deletion is in progress: ${left} instances are left`;
        await this.#tell(definition, [
          { type: 'Terminating', status: 'True', reason: 'InstanceDeletionInProgress', message },
        ]);
        clock.after(retryAfter, () => this.#mark(definition.metadata.name!));
        return;
      }
    }
    const done: Told = served
      ? {
          type: 'Terminating',
          status: 'False',
          reason: 'InstanceDeletionCompleted',
          message: 'removed all instances',
        }
      : { type: 'Terminating', status: 'False', reason: 'NeverEstablished', message: 'resource was never established' };
    const conditions = withConditions(definition, [done], clock.now());
    await writeAsServer(this.#options.registry, this.#resource, definition, (current) => ({
      ...current,
      metadata: {
        ...current.metadata,
        finalizers: current.metadata.finalizers?.filter((one) => one !== finalizer),
      },
      status: { ...(current.status as object), conditions },
    }));
  }
}

function withNames(
  definition: CustomResourceDefinition,
  acceptedNames: CustomResourceDefinitionNames | undefined = definition.status?.acceptedNames,
): CustomResourceDefinition {
  return { ...definition, status: { ...definition.status, ...(acceptedNames && { acceptedNames }) } };
}
