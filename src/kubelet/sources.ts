/** ConfigMaps and Secrets that pods on this node use, each followed by one watch for as long as some pod needs it. */
import { StatusError } from '../machinery/index.ts';
import type { KubeObject, Resource } from '../machinery/index.ts';
import type { ConfigMap, Secret } from './kinds.ts';
import { configMaps, secrets } from './kinds.ts';
import type { Context } from './options.ts';
import { type Reflector, reflect } from './reflector.ts';

interface Source {
  reflector: Reflector<KubeObject>;
  users: Set<string>;
}

/** How long a pod waits for the first answer about an object. */
const firstAnswer = 10_000;

/** How upstream's node agent names them in the messages that people look for. */
const singular: Record<string, string> = { configmaps: 'configmap', secrets: 'secret' };

export class Sources {
  readonly #context: Context;
  readonly #sources = new Map<string, Source>();
  /** Called with the uid of each pod that uses an object which changed. */
  onChange: (podUid: string) => void = () => {};

  constructor(context: Context) {
    this.#context = context;
  }

  configMap(podUid: string, namespace: string, name: string): Promise<ConfigMap> {
    return this.#get(podUid, configMaps, namespace, name);
  }

  secret(podUid: string, namespace: string, name: string): Promise<Secret> {
    return this.#get(podUid, secrets, namespace, name);
  }

  /** The pod is gone: what nobody else uses is no longer followed. */
  release(podUid: string): void {
    for (const [key, source] of this.#sources) {
      if (source.users.delete(podUid) && source.users.size === 0) {
        source.reflector.stop();
        this.#sources.delete(key);
      }
    }
  }

  stop(): void {
    for (const { reflector } of this.#sources.values()) reflector.stop();
    this.#sources.clear();
  }

  /** Rejects with `NotFound` when there is no such object. */
  async #get<T extends KubeObject>(podUid: string, resource: Resource<T>, namespace: string, name: string): Promise<T> {
    const key = `${resource.resource}/${namespace}/${name}`;
    let source = this.#sources.get(key);
    if (!source) {
      const users = new Set<string>();
      const selection = { namespace, fieldSelector: `metadata.name=${name}` };
      const reflector = reflect(this.#context, resource, selection, () => {
        for (const user of users) this.onChange(user);
      });
      source = { reflector, users };
      this.#sources.set(key, source);
    }
    source.users.add(podUid);
    await this.#answered(source, key);
    const found = source.reflector.get(`${namespace}/${name}`);
    if (!found)
      throw StatusError.notFound({ group: '', resource: singular[resource.resource] ?? resource.resource }, name);
    return found as T;
  }

  async #answered(source: Source, key: string): Promise<void> {
    const late = Promise.withResolvers<never>();
    const message = `no answer about ${key} within ${firstAnswer / 1000} s; may this node read it?`;
    const timer = this.#context.clock.after(firstAnswer, () => late.reject(StatusError.timeout(message)));
    try {
      await Promise.race([source.reflector.synced, late.promise]);
    } finally {
      timer.cancel();
    }
  }
}
