import { keyOf, type KubeObject, type Selector } from '../machinery/index.ts';

export interface Selection {
  namespace?: string;
  selector?: Selector;
}

/** Reads the objects that an informer knows. They are shared: never change one. */
export interface Lister<T> {
  /** By `namespace/name`, or `name` when it has no namespace. */
  get(key: string): T | undefined;
  /** In no order that means anything. */
  list(selection?: Selection): T[];
  /** Those that the owner with this uid controls. */
  controlledBy(uid: string): readonly T[];
  /** Those in a namespace ('' for cluster-scoped ones) that nobody controls. */
  withoutController(namespace: string): readonly T[];
  /** Those that have this uid among their owners. */
  ownedBy(uid: string): readonly T[];
  readonly size: number;
}

/** With fewer objects a walk over all of them is as quick. */
const worthAnIndex = 200;
/** Labels with an index: each costs a little at every change. */
const indexedLabels = 8;

type Values<T> = (object: T) => readonly string[];

/** The objects of an informer by key, and by whatever else was asked for. An index is built when it is first asked for. */
export class ObjectCache<T extends KubeObject> implements Lister<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, Index<T>>();
  /** By which there is an index. */
  readonly #labels = new Set<string>();

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys();
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  list({ namespace, selector }: Selection = {}): T[] {
    if (selector === undefined || selector.empty) return [...this.#among(namespace)];
    if (selector.nothing) return [];
    const found: T[] = [];
    for (const object of this.#labelled(namespace, selector) ?? this.#among(namespace))
      if (selector.matches(object.metadata.labels)) found.push(object);
    return found;
  }

  #among(namespace: string | undefined): Iterable<T> {
    return namespace ? this.index('namespace', namespaceOf)(namespace) : this.#objects.values();
  }

  /** Those with the value that the selector asks of a label, where many are known: one Service's pods among 150,000. */
  #labelled(namespace: string | undefined, selector: Selector): readonly T[] | undefined {
    if (!namespace || this.#objects.size < worthAnIndex) return undefined;
    for (const { key } of selector.requirements) {
      const value = selector.exactMatch(key);
      if (value === undefined) continue;
      if (!this.#labels.has(key) && this.#labels.size === indexedLabels) continue;
      this.#labels.add(key);
      return this.index(`label ${key}`, labelOf(key))(`${namespace}/${value}`);
    }
    return undefined;
  }

  controlledBy(uid: string): readonly T[] {
    return this.index('controller', controllers)(uid);
  }

  withoutController(namespace: string): readonly T[] {
    return this.index('without controller', free)(namespace);
  }

  ownedBy(uid: string): readonly T[] {
    return this.index('owner', owners)(uid);
  }

  /** Looks objects up by what `values` gives for them. The name stands for the function: one index for each name. */
  index(name: string, values: Values<T>): (value: string) => readonly T[] {
    let index = this.#indexes.get(name);
    if (index === undefined) {
      index = new Index(values);
      for (const [key, object] of this.#objects) index.add(key, object);
      this.#indexes.set(name, index);
    }
    return (value) => index.get(value);
  }

  set(object: T): void {
    const key = keyOf(object);
    const old = this.#objects.get(key);
    this.#objects.set(key, object);
    for (const index of this.#indexes.values()) {
      if (old === undefined) index.add(key, object);
      else index.replace(key, old, object);
    }
  }

  delete(key: string): void {
    const old = this.#objects.get(key);
    if (old === undefined) return;
    this.#objects.delete(key);
    for (const index of this.#indexes.values()) index.remove(key, old);
  }
}

class Index<T> {
  readonly #values: Values<T>;
  readonly #byValue = new Map<string, Map<string, T>>();

  constructor(values: Values<T>) {
    this.#values = values;
  }

  get(value: string): readonly T[] {
    const found = this.#byValue.get(value);
    return found === undefined ? [] : [...found.values()];
  }

  add(key: string, object: T): void {
    for (const value of this.#values(object)) {
      const bucket = this.#byValue.get(value);
      if (bucket === undefined) this.#byValue.set(value, new Map([[key, object]]));
      else bucket.set(key, object);
    }
  }

  /** Most changes leave an object where it is found. */
  replace(key: string, old: T, object: T): void {
    const before = this.#values(old);
    const after = this.#values(object);
    if (before.length === after.length && before.every((value, at) => value === after[at]))
      for (const value of after) this.#byValue.get(value)?.set(key, object);
    else {
      this.remove(key, old);
      this.add(key, object);
    }
  }

  remove(key: string, object: T): void {
    for (const value of this.#values(object)) {
      const bucket = this.#byValue.get(value);
      if (bucket?.delete(key) && bucket.size === 0) this.#byValue.delete(value);
    }
  }
}

const namespaceOf = ({ metadata }: KubeObject) => (metadata.namespace ? [metadata.namespace] : []);
const labelOf =
  (key: string) =>
  ({ metadata }: KubeObject): readonly string[] => {
    const value = metadata.labels?.[key];
    return value === undefined ? [] : [`${metadata.namespace ?? ''}/${value}`];
  };
const owners = ({ metadata }: KubeObject) => metadata.ownerReferences?.map((owner) => owner.uid) ?? [];
const free = ({ metadata }: KubeObject) =>
  metadata.ownerReferences?.some((owner) => owner.controller === true) ? [] : [metadata.namespace ?? ''];
const controllers = ({ metadata }: KubeObject) =>
  metadata.ownerReferences?.filter((owner) => owner.controller === true).map((owner) => owner.uid) ?? [];
