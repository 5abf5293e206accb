/** Which resources are served, and how: every kind of the release once, in its newest and most stable version. */
import type { Sources } from './sources.ts';

export interface ResourceFacts {
  group: string;
  version: string;
  resource: string;
  kind: string;
  singular: string;
  namespaced: boolean;
  shortNames?: string[];
  categories?: string[];
  verbs: string[];
  /** Absent gvk: the resource's own kind. */
  subresources?: Record<string, { kind?: string; verbs: string[] }>;
  definition: string;
}

/** Served in both versions although the older one is GA as well. */
const alsoServed = new Set(['autoscaling/v1']);

export function resourceFacts({ swagger, core, groups }: Sources): ResourceFacts[] {
  const definitions = new Map<string, string>();
  for (const [name, schema] of Object.entries<any>(swagger.definitions)) {
    const kinds = schema['x-kubernetes-group-version-kind'] ?? [];
    if (kinds.length === 1) definitions.set(`${kinds[0].group}/${kinds[0].version}/${kinds[0].kind}`, name);
  }
  const found = [...coreResources(core), ...groupResources(groups)];
  for (const facts of found) facts.definition = definitions.get(`${facts.group}/${facts.version}/${facts.kind}`)!;
  return found.sort((a, b) => order(a).localeCompare(order(b)));
}

const order = (facts: ResourceFacts) => `${facts.group}/${facts.version}/${facts.resource}`;

function coreResources(list: any): ResourceFacts[] {
  const found = new Map<string, ResourceFacts>();
  for (const entry of list.resources) {
    const [resource, subresource] = entry.name.split('/');
    if (subresource === undefined) {
      const { kind, singularName: singular, namespaced, shortNames, categories, verbs } = entry;
      found.set(resource, {
        group: '',
        version: 'v1',
        resource,
        kind,
        singular,
        namespaced,
        shortNames,
        categories,
        verbs,
        definition: '',
      });
      continue;
    }
    const of = found.get(resource)!;
    of.subresources ??= {};
    const own = entry.kind === of.kind;
    const kind = own ? undefined : `${entry.group ? `${entry.group}/${entry.version}` : 'v1'}/${entry.kind}`;
    of.subresources[subresource] = { ...(kind && { kind }), verbs: entry.verbs };
  }
  return [...found.values()];
}

const rank = (version: string) => (/^v\d+$/.test(version) ? 0 : version.includes('beta') ? 1 : 2);

function groupResources(list: any): ResourceFacts[] {
  return list.items.flatMap((item: any) => {
    const group: string = item.metadata.name;
    const taken = new Set<string>();
    const newestFirst = item.versions.toSorted(
      (a: any, b: any) => rank(a.version) - rank(b.version) || b.version.localeCompare(a.version),
    );
    return newestFirst.flatMap(({ version, resources }: any) => {
      const served = resources.filter(
        (entry: any) => alsoServed.has(`${group}/${version}`) || !taken.has(entry.resource),
      );
      for (const entry of served) taken.add(entry.resource);
      return served.map((entry: any) => groupResource(group, version, entry));
    });
  });
}

function groupResource(group: string, version: string, entry: any): ResourceFacts {
  const subresources = entry.subresources?.map((sub: any) => {
    const { group: g, version: v, kind } = sub.responseKind;
    return [sub.subresource, { ...(v !== '' && { kind: `${g}/${v}/${kind}` }), verbs: sub.verbs }];
  });
  return {
    group,
    version,
    resource: entry.resource,
    kind: entry.responseKind.kind,
    singular: entry.singularResource,
    namespaced: entry.scope === 'Namespaced',
    shortNames: entry.shortNames,
    categories: entry.categories,
    verbs: entry.verbs,
    ...(subresources && { subresources: Object.fromEntries(subresources) }),
    definition: '',
  };
}
