/** What a cluster serves, as its discovery tells, and which of it a word on the command line means. */
import type { HttpsClient } from '../../client/index.ts';
import type { Resource } from '../../machinery/index.ts';
import { UsageError } from '../errors.ts';
import { readJson } from './ask.ts';

export interface ServedKind extends Resource {
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly verbs: readonly string[];
}

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** Each resource once, in the version that its group prefers. */
export async function discover(client: HttpsClient): Promise<ServedKind[]> {
  const documents = await Promise.all(['/api', '/apis'].map((path) => readJson(client, path, { accept: aggregated })));
  const kinds = new Map<string, ServedKind>();
  for (const { metadata, versions = [] } of documents.flatMap(({ items = [] }) => items))
    for (const { version, resources = [] } of versions)
      for (const one of resources) {
        const group = metadata?.name ?? '';
        const key = `${one.resource}.${group}`;
        if (kinds.has(key)) continue;
        kinds.set(key, {
          group,
          version,
          resource: one.resource,
          kind: one.responseKind?.kind ?? '',
          namespaced: one.scope === 'Namespaced',
          singular: one.singularResource || one.responseKind?.kind?.toLowerCase() || one.resource,
          shortNames: one.shortNames ?? [],
          verbs: one.verbs ?? [],
        });
      }
  return [...kinds.values()];
}

/** `deploy`, `Deployment`, `deployments`, `deployments.apps`. Throws `UsageError` for what is not served. */
export function kindCalled(kinds: readonly ServedKind[], word: string): ServedKind {
  const [name, ...rest] = word.toLowerCase().split('.') as [string, ...string[]];
  const group = rest.join('.');
  const found = kinds.find(
    (one) =>
      (one.resource === name ||
        one.singular.toLowerCase() === name ||
        one.kind.toLowerCase() === name ||
        one.shortNames.includes(name)) &&
      (group === '' || one.group === group) &&
      one.verbs.includes('get'),
  );
  if (found === undefined)
    throw new UsageError(`the cluster serves nothing called "${word}": "kubectl api-resources" shows what it serves`);
  return found;
}

/** The kind of an owner reference. */
export function kindOf(kinds: readonly ServedKind[], apiVersion: string, kind: string): ServedKind | undefined {
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  return kinds.find((one) => one.kind === kind && one.group === group);
}
