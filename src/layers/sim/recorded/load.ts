import {
  type Namespace,
  namespaces,
  type PriorityClass,
  priorityClasses,
  serviceAccounts,
} from '../../../api/index.ts';
import type { Client } from '../../../client/index.ts';
import { type AnyObject, type Clock, isStatusError, type Resource } from '../../../machinery/index.ts';
import { creatable, type Described, describe, objectsOf, Resources, withNewUids } from './prepare.ts';

export interface LoadOptions {
  client: Client;
  clock: Clock;
}

export interface Loaded {
  /** How many of each kind are there now. */
  created: Map<string, number>;
  /** How many of each kind were left out, and why: `Event: they are of the moment`. */
  leftOut: Map<string, number>;
  /** What the server refused, in its words. */
  refused: string[];
}

/** Writes under way at a time. */
const atOnce = 64;
/** A new kind is served a moment after its definition is there. */
const triesForNewKinds = 20;

/**
 * Creates what was recorded, owners before what they own, and gives it the status it had. Run it before controllers and scheduler: they would
 * begin to repair what is only half there. Owners that are not in the record are forgotten, as their dependents would be collected.
 */
export async function loadRecorded(documents: readonly unknown[], options: LoadOptions): Promise<Loaded> {
  const loaded: Loaded = { created: new Map(), leftOut: new Map(), refused: [] };
  const objects = objectsOf(documents);
  const resources = new Resources(objects);
  const described: Described[] = [];
  for (const object of objects) {
    const one = describe(object, resources);
    if (typeof one === 'string') count(loaded.leftOut, `${object.kind ?? 'an object without a kind'}: ${one}`);
    else described.push(one);
  }
  const loading = new Loading(described, options, loaded);
  await loading.createMissing();
  for (const wave of wavesOf(described)) await inBatches(wave, (one) => loading.create(one));
  return loaded;
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** In the order of their ranks, and no object before its owners. */
function wavesOf(described: readonly Described[]): Described[][] {
  const byUid = new Map(described.map((one) => [one.object.metadata.uid, one]));
  const levels = new Map<Described, number>();
  const levelOf = (one: Described): number => {
    const known = levels.get(one);
    if (known !== undefined) return known;
    // an owner that owns itself in the end is no reason to wait
    levels.set(one, one.rank * 1000);
    const owners = (one.object.metadata.ownerReferences ?? []).map(({ uid }) => byUid.get(uid));
    const level = Math.max(one.rank * 1000, ...owners.map((owner) => (owner ? levelOf(owner) + 1 : 0)));
    levels.set(one, level);
    return level;
  };
  const waves = Map.groupBy(described, levelOf);
  return [...waves.keys()].toSorted((a, b) => a - b).map((level) => waves.get(level)!);
}

async function inBatches<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) await act(items[next++]!);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

class Loading {
  readonly #described: readonly Described[];
  readonly #options: LoadOptions;
  readonly #loaded: Loaded;
  /** New ones, by those of the recorded cluster. */
  readonly #uids = new Map<string, string>();
  readonly #nodes: ReadonlySet<string>;

  constructor(described: readonly Described[], options: LoadOptions, loaded: Loaded) {
    this.#described = described;
    this.#options = options;
    this.#loaded = loaded;
    this.#nodes = new Set(this.#of('Node').map(({ metadata }) => metadata.name!));
  }

  #of(kind: string): AnyObject[] {
    return this.#described.filter(({ object }) => object.kind === kind).map(({ object }) => object);
  }

  /** What admission asks for, and a record of workloads alone does not have. */
  async createMissing(): Promise<void> {
    const { client } = this.#options;
    const pods = this.#of('Pod');
    const needed = new Set(
      this.#described.map(({ object }) => object.metadata.namespace).filter((one) => one !== undefined),
    );
    for (const one of this.#of('Namespace')) needed.add(one.metadata.name!);
    await inBatches([...needed], (name) =>
      there(client.create<Namespace>(namespaces, { metadata: { name }, spec: {} } as Namespace)),
    );
    const accounts = new Set(
      pods.map(({ metadata, spec }) => `${metadata.namespace}/${spec.serviceAccountName ?? 'default'}`),
    );
    await inBatches([...accounts], (account) => {
      const [namespace, name] = account.split('/');
      return there(client.create(serviceAccounts, { metadata: { namespace, name } }));
    });
    const recorded = new Set(this.#of('PriorityClass').map(({ metadata }) => metadata.name));
    const priorities = new Map(
      pods.map(({ spec }) => [spec.priorityClassName as string | undefined, spec.priority as number]),
    );
    await inBatches([...priorities], async ([name, value = 0]) => {
      if (name === undefined || name === '' || name.startsWith('system-') || recorded.has(name)) return;
      await there(client.create(priorityClasses, { metadata: { name }, value } as PriorityClass));
    });
  }

  async create({ object: recorded, resource }: Described): Promise<void> {
    const object = withNewUids(creatable(recorded), this.#uids);
    this.#forgetStrangers(object, recorded);
    const isLost = recorded.kind === 'Pod' && recorded.spec.nodeName && !this.#nodes.has(recorded.spec.nodeName);
    if (isLost) delete object.spec.nodeName;
    try {
      const created = await this.#created(resource, object);
      this.#uids.set(recorded.metadata.uid ?? '', created.metadata.uid!);
      count(this.#loaded.created, object.kind!);
      if (recorded.status && !isLost) await this.#giveStatus(resource, created, recorded);
    } catch (error) {
      const { namespace, name } = object.metadata;
      this.#loaded.refused.push(
        `${object.kind} ${namespace ? `${namespace}/` : ''}${name}: ${(error as Error).message}`,
      );
    }
  }

  /** References to owners that are not there. */
  #forgetStrangers(object: AnyObject, recorded: AnyObject): void {
    const owners = recorded.metadata.ownerReferences?.filter(({ uid }) => this.#uids.has(uid));
    if (owners === undefined) return;
    object.metadata.ownerReferences = owners.map((one) => withNewUids(one, this.#uids));
  }

  async #created(resource: Resource, object: AnyObject): Promise<AnyObject> {
    const { client, clock } = this.#options;
    for (let tries = 0; ; tries++)
      try {
        return await client.create<AnyObject>(resource as Resource, object);
      } catch (error) {
        const { name = '', namespace } = object.metadata;
        if (isStatusError(error, 'AlreadyExists')) return client.get(resource, { name, namespace });
        const isNew = isStatusError(error, 'NotFound') && resource.group.includes('.') && tries < triesForNewKinds;
        if (!isNew) throw error;
        await clock.sleep(100);
      }
  }

  async #giveStatus(resource: Resource, created: AnyObject, recorded: AnyObject): Promise<void> {
    const { client } = this.#options;
    const status = withNewUids(recorded.status as AnyObject, this.#uids);
    const seen = status.observedGeneration !== undefined;
    // what was up to date is, what was not shall be looked at
    if (seen && recorded.status.observedGeneration === recorded.metadata.generation)
      status.observedGeneration = created.metadata.generation;
    else if (seen) status.observedGeneration = 0;
    try {
      await client.update(resource, { ...created, status } as AnyObject, { subresource: 'status' });
    } catch (error) {
      // of kinds without one; the others' are made anew by whoever is in charge of them
      if (!isStatusError(error, 'NotFound') && !isStatusError(error, 'MethodNotAllowed')) throw error;
    }
  }
}

async function there(created: Promise<unknown>): Promise<void> {
  try {
    await created;
  } catch (error) {
    if (!isStatusError(error, 'AlreadyExists')) throw error;
  }
}
