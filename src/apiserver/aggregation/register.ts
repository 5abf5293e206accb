/** An APIService for every group version that this server serves itself: those built in when it starts, those of definitions as they come and go. */
import type { APIService } from '../../api/index.ts';
import { type AnyObject, formatTime } from '../../machinery/index.ts';
import { type ResourceCache, storedBytes } from '../cache/index.ts';
import type { Registry } from '../registry/index.ts';
import { keyFor, type ServedResource } from '../resources.ts';
import { builtInPriority, customPriority } from './priorities.ts';

const managed = 'kube-aggregator.kubernetes.io/automanaged';

export class Registration {
  readonly #registry: Registry;
  readonly #served: ServedResource;
  readonly #cache: ResourceCache;
  readonly #failed: (error: unknown) => void;
  readonly #stops: (() => void)[];
  #state: 'idle' | 'working' | 'again' = 'idle';
  #closed = false;

  constructor(registry: Registry, served: ServedResource, cache: ResourceCache, failed: (error: unknown) => void) {
    this.#registry = registry;
    this.#served = served;
    this.#cache = cache;
    this.#failed = failed;
    this.#stops = [
      registry.resources.onChange(() => this.#wake()),
      cache.listen({
        onEvents: (events) => {
          if (events.some(({ deleted }) => deleted)) this.#wake();
        },
        onEnd: () => {},
      }),
    ];
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#stops) stop();
  }

  /** Writes what is missing of all that is served. */
  async start(): Promise<void> {
    const wanted = [...this.#groupVersions(() => true)].filter(([key]) => this.#cache.entries.get(key) === undefined);
    if (wanted.length === 0) return;
    await this.#registry.store.txn({
      compare: wanted.map(([key]) => ({ key, modRevision: 0 })),
      writes: wanted.map(([key, object]) => ({ key, value: storedBytes(object) })),
    });
  }

  #wake(): void {
    if (this.#closed) return;
    if (this.#state !== 'idle') {
      this.#state = 'again';
      return;
    }
    this.#state = 'working';
    void this.#run();
  }

  async #run(): Promise<void> {
    // changes come several at once
    await Promise.resolve();
    do {
      this.#state = 'working';
      await this.#sync().catch((error) => {
        if (!this.#closed) this.#failed(error);
      });
    } while ((this.#state as string) === 'again' && !this.#closed);
    this.#state = 'idle';
  }

  async #sync(): Promise<void> {
    const wanted = this.#groupVersions((served) => served.kind.custom !== undefined);
    const { store } = this.#registry;
    for (const [key, object] of wanted)
      if (this.#cache.entries.get(key) === undefined)
        await store.txn({ compare: [{ key, modRevision: 0 }], writes: [{ key, value: storedBytes(object) }] });
    for (const { key, revision, object } of Array.from(this.#cache.entries.values()))
      if (object.metadata.labels?.[managed] === 'true' && !wanted.has(key))
        await store.txn({ compare: [{ key, modRevision: revision }], writes: [{ key, delete: true }] });
  }

  #groupVersions(takes: (served: ServedResource) => boolean): Map<string, AnyObject> {
    const found = new Map<string, AnyObject>();
    for (const served of this.#registry.resources.all()) {
      if (!takes(served)) continue;
      const { group, version, custom } = served.kind;
      const key = keyFor(this.#served, '', `${version}.${group}`);
      if (!found.has(key)) found.set(key, this.#objectOf(group, version, custom !== undefined));
    }
    return found;
  }

  #objectOf(group: string, version: string, custom: boolean): AnyObject {
    const now = formatTime(this.#registry.clock.now());
    const object: APIService = {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: {
        name: `${version}.${group}`,
        uid: this.#registry.random.uuid(),
        creationTimestamp: now,
        labels: { [managed]: custom ? 'true' : 'onstart' },
      },
      spec: {
        ...(group !== '' && { group }),
        version,
        ...(custom ? customPriority : builtInPriority(group, version)),
      },
      status: {
        conditions: [
          {
            lastTransitionTime: now,
            message: 'Local APIServices are always available',
            reason: 'Local',
            status: 'True',
            type: 'Available',
          },
        ],
      },
    };
    return object as AnyObject;
  }
}
