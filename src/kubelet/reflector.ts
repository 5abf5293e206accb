/** An informer with its own end: follows a set of objects until it is stopped. */
import { Informer, type InformerSelection } from '../client/index.ts';
import type { KubeObject, Resource } from '../machinery/index.ts';
import type { Context } from './options.ts';

export interface Reflector<T> {
  /** By `namespace/name`. */
  get(key: string): T | undefined;
  values(): Iterable<T>;
  /** Resolves after the first list; until that succeeds it is tried again and again. */
  readonly synced: Promise<void>;
  stop(): void;
}

/** `object` undefined: it is gone, and `old` is what was last seen of it. */
type OnChange<T> = (object: T | undefined, old: T | undefined) => void;

export function reflect<T extends KubeObject>(
  { client, clock, random, log }: Pick<Context, 'client' | 'clock' | 'random' | 'log'>,
  resource: Resource<T>,
  selection: InformerSelection = {},
  onChange: OnChange<T> = () => {},
): Reflector<T> {
  const informer = new Informer<T>({ client, clock, random, log, resource, ...selection });
  informer.addHandler({
    onAdd: (object) => onChange(object, undefined),
    onUpdate: (old, object) => onChange(object, old),
    onDelete: (old) => onChange(undefined, old),
  });
  const stopping = new AbortController();
  void informer.run(stopping.signal);
  return {
    get: (key) => informer.lister.get(key),
    values: () => informer.lister.list(),
    synced: informer.synced(),
    stop: () => stopping.abort(),
  };
}
