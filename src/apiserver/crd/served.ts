/** Which versions of which definitions are served, and as what: keeps the server's set of resources in step. */
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  Kind,
  WebhookConversion,
} from '../../api/index.ts';
import type { AnyObject } from '../../machinery/index.ts';
import type { Registry } from '../registry/index.ts';
import type { ServedResource } from '../resources.ts';
import { isTerminating } from './conditions.ts';
import { kindOfVersion } from './kind.ts';
import { type Convert, CustomView } from './view.ts';

/** Asks a conversion webhook: the objects in order, in the version that was asked for. Rejects with a `StatusError`. */
export type WebhookCaller = (
  webhook: WebhookConversion,
  objects: readonly AnyObject[],
  apiVersion: string,
  kind: Pick<Kind, 'group' | 'kind'>,
) => Promise<AnyObject[]>;

interface Put {
  /** What it was made of: the same again changes nothing. */
  readonly from: string;
  readonly resources: readonly ServedResource[];
  /** As it is stored; served or not. */
  readonly stored: ServedResource;
  readonly spec: CustomResourceDefinition['spec'];
}

export class Served {
  readonly #registry: Registry;
  readonly #webhooks: WebhookCaller;
  readonly #put = new Map<string, Put>();

  constructor(registry: Registry, webhooks: WebhookCaller) {
    this.#registry = registry;
    this.#webhooks = webhooks;
  }

  put(definition: CustomResourceDefinition, names: CustomResourceDefinitionNames): void {
    const name = definition.metadata.name!;
    const { uid, generation } = definition.metadata;
    const terminating = isTerminating(definition);
    const spec = `${uid} ${terminating ? '' : generation} ${JSON.stringify(names)}`;
    const from = `${spec} ${terminating}`;
    const before = this.#put.get(name);
    if (before?.from === from) return;
    // the end of a definition changes its generation, and nothing of what it defines
    const source = terminating && before !== undefined ? { ...definition, spec: before.spec } : definition;
    const added = this.#add(source, names, before?.resources ?? []);
    this.#put.set(name, { from, ...added, spec: source.spec });
    if (before !== undefined && !terminating) this.#registry.caches.endWatches(before.stored.prefix);
  }

  #add(
    definition: CustomResourceDefinition,
    names: CustomResourceDefinitionNames,
    before: readonly ServedResource[],
  ): Pick<Put, 'resources' | 'stored'> {
    const { resources } = this.#registry;
    const { group, versions, conversion } = definition.spec;
    for (const { kind } of before) resources.remove(kind.group, kind.version, kind.resource);
    const kinds = versions.map((version) => kindOfVersion(definition, version, names));
    const stored = kinds[versions.findIndex(({ storage }) => storage)]!;
    const webhook = conversion?.strategy === 'Webhook' ? conversion.webhook : undefined;
    const convert: Convert | undefined =
      webhook && ((objects, apiVersion) => this.#webhooks(webhook, objects, apiVersion, stored));
    const closed = isTerminating(definition)
      ? 'create not allowed while custom resource definition is terminating'
      : undefined;
    const more = (kind: Kind) => ({
      view: new CustomView(kind, stored, convert),
      ...(closed !== undefined && { closed }),
    });
    const added: ServedResource[] = [];
    for (const [i, kind] of kinds.entries()) {
      // what is built in stays what it is
      if (!versions[i]!.served || resources.find(group, kind.version, kind.resource) !== undefined) continue;
      added.push(resources.add(kind, stored, more(kind)));
    }
    return { resources: added, stored: resources.describe(stored, stored, more(stored)) };
  }

  remove({ metadata }: CustomResourceDefinition): void {
    const before = this.#put.get(metadata.name!);
    if (before === undefined) return;
    this.#put.delete(metadata.name!);
    for (const { kind } of before.resources) this.#registry.resources.remove(kind.group, kind.version, kind.resource);
    this.#registry.caches.drop(before.stored.prefix);
  }

  /** Through which all instances can be reached. Undefined: it was never served. */
  storedOf({ metadata }: CustomResourceDefinition): ServedResource | undefined {
    return this.#put.get(metadata.name!)?.stored;
  }
}
