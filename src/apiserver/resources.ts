/** What is served: every built-in kind, and the kinds that custom resource definitions add while the server runs. */
import type { Kind } from '../api/index.ts';
import { type AnyObject, apiVersionOf } from '../machinery/index.ts';
import { type CacheEntry, type Caches, type ResourceCache, root } from './cache/index.ts';

/** How what is stored of a custom resource looks in one of its versions, as its definition is now. */
export interface View {
  /** The entry as this version has it: the same one, if that is how it is stored. What `ready` has not looked at may throw. */
  of(entry: CacheEntry): CacheEntry;
  /** To be awaited before `of`; undefined: nothing to wait for. Rejects when the objects cannot be converted. */
  ready(entries: readonly CacheEntry[]): Promise<void> | undefined;
  /** Whether conversion asks somebody else, so that `of` needs `ready`. */
  readonly asks: boolean;
  /** What is to be stored of an object of this version. It is kept, and not to be changed any more. */
  toStored(object: AnyObject): AnyObject | Promise<AnyObject>;
  /** Whether the entry would be stored differently today. */
  stale(entry: CacheEntry): boolean;
}

/** Which objects are wanted: '' is all. What `matches` says of the object that another is about (a node, a pod) holds for it. */
export interface SourceQuery {
  readonly namespace: string;
  readonly name: string;
  matches(object: AnyObject): boolean;
}

/** What there is of a resource that nobody stores. */
export type Source = (query: SourceQuery) => Promise<AnyObject[]>;

/** A group version that another server answers for. */
export interface RemoteVersion {
  readonly group: string;
  readonly version: string;
  /** As its own discovery tells them; the last that was heard. */
  readonly resources: readonly Readonly<Record<string, any>>[];
  readonly available: boolean;
}

/** One resource of one version, and where its objects are kept. All versions of a resource share the place. */
export interface ServedResource {
  readonly kind: Kind;
  readonly apiVersion: string;
  /** `/registry/<group>/<resource>/`, or '' for what is answered but never stored (reviews). */
  readonly prefix: string;
  /** The version objects are kept in; the same object as `kind` unless this is another version of it. */
  readonly stored: Kind;
  /** Of custom resources. */
  readonly view?: View;
  /** Why nothing can be created at present, where that is so. */
  readonly closed?: string;
  /** Where the objects come from, if they are not stored. */
  readonly source?: Source;
}

type More = Pick<ServedResource, 'view' | 'closed' | 'source'>;

export function keyFor(served: ServedResource, namespace: string, name: string): string {
  return served.kind.namespaced ? `${served.prefix}${namespace}/${name}` : served.prefix + name;
}

/** Kinds whose objects are one: both ways of writing an Event land in the same place. */
const storedAs: Record<string, string> = {
  'events.k8s.io/events': 'core/events',
};

export class Resources {
  readonly #byPath = new Map<string, ServedResource>();
  readonly #byKind = new Map<string, ServedResource>();
  readonly #caches: Caches;
  /** Raised by every change, so that what is published can tell whether it is stale. */
  generation = 0;
  readonly #listeners = new Set<() => void>();
  /** What other servers serve below this one's address, by `group/version`. */
  readonly remote = new Map<string, RemoteVersion>();

  constructor(kinds: readonly Kind[], caches: Caches) {
    this.#caches = caches;
    for (const kind of kinds) this.add(kind, storageKindOf(kind, kinds));
  }

  add(kind: Kind, stored: Kind = kind, more: More = {}): ServedResource {
    const served = this.describe(kind, stored, more);
    this.#byPath.set(`${kind.group}/${kind.version}/${kind.resource}`, served);
    this.#byKind.set(`${served.apiVersion}/${kind.kind}`, served);
    this.#changed();
    return served;
  }

  /** As `add` would have it, and not served. */
  describe(kind: Kind, stored: Kind, more: More = {}): ServedResource {
    const group = kind.group === '' ? 'core' : kind.group;
    const place = storedAs[`${group}/${kind.resource}`] ?? `${group}/${kind.resource}`;
    const keeps = kind.verbs.includes('get') || kind.verbs.includes('list');
    return {
      kind,
      apiVersion: apiVersionOf(kind),
      prefix: keeps ? `${root}${place}/` : '',
      stored,
      ...more,
    };
  }

  remove(group: string, version: string, resource: string): void {
    const served = this.#byPath.get(`${group}/${version}/${resource}`);
    if (served === undefined) return;
    this.#byPath.delete(`${group}/${version}/${resource}`);
    this.#byKind.delete(`${served.apiVersion}/${served.kind.kind}`);
    this.#changed();
  }

  /** Called after every change. It must not throw. */
  onChange(call: () => void): () => void {
    this.#listeners.add(call);
    return () => this.#listeners.delete(call);
  }

  #changed(): void {
    this.generation++;
    for (const call of this.#listeners) call();
  }

  find(group: string, version: string, resource: string): ServedResource | undefined {
    return this.#byPath.get(`${group}/${version}/${resource}`);
  }

  /** Whether there is such a resource, and what is asked for below it. */
  serves({
    group,
    version,
    resource,
    subresource,
  }: Record<'group' | 'version' | 'resource' | 'subresource', string>): boolean {
    const kind = this.find(group, version, resource)?.kind;
    return kind !== undefined && (subresource === '' || Object.hasOwn(kind.subresources, subresource));
  }

  findKind(apiVersion: string, kind: string): ServedResource | undefined {
    return this.#byKind.get(`${apiVersion}/${kind}`);
  }

  has(group: string, version: string): boolean {
    for (const { kind } of this.#byPath.values()) if (kind.group === group && kind.version === version) return true;
    return false;
  }

  all(): Iterable<ServedResource> {
    return this.#byPath.values();
  }

  cache(served: ServedResource): ResourceCache | Promise<ResourceCache> {
    return this.#caches.of(served.prefix);
  }
}

/** Of several versions of a resource, the one that is kept: the newest stable one; of events, the core one. */
function storageKindOf(kind: Kind, kinds: readonly Kind[]): Kind {
  if (kind.group === 'events.k8s.io') return kinds.find((k) => k.group === '' && k.resource === 'events') ?? kind;
  const versions = kinds.filter((k) => k.group === kind.group && k.resource === kind.resource);
  return versions.length === 1 ? kind : versions.toSorted((a, b) => compareVersions(b.version, a.version))[0]!;
}

/** Orders API versions as Kubernetes prefers them: stable before beta before alpha, then the higher number. */
export function compareVersions(a: string, b: string): number {
  const rank = (version: string): number => {
    const parts = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
    if (parts === null) return -1;
    const stage = parts[2] === undefined ? 2 : parts[2] === 'beta' ? 1 : 0;
    return stage * 1e6 + Number(parts[1]) * 1e3 + Number(parts[3] ?? 0);
  };
  return rank(a) - rank(b) || (a < b ? 1 : a > b ? -1 : 0);
}
