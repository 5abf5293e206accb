/** All served kinds: the generated facts, with what `overrides.ts` adds to them. */
import type { AnyObject, GroupVersionKind, Schema } from '../machinery/index.ts';
import { definition } from './definitions.ts';
import resourceFacts from './gen/resources.json' with { type: 'json' };
import type { Column, Kind, Subresource, Verb } from './kind.ts';
import type { Override } from './override.ts';
import { overrides } from './overrides.ts';
import { createdColumn, nameColumn } from './columns.ts';

interface ResourceFacts {
  group: string;
  version: string;
  resource: string;
  kind: string;
  singular: string;
  namespaced: boolean;
  shortNames?: string[];
  categories?: string[];
  verbs: string[];
  subresources?: Record<string, { kind?: string; verbs: string[] }>;
  definition: string;
}

const genericColumns: readonly Column<AnyObject>[] = [nameColumn, createdColumn];

function kindOf(facts: ResourceFacts, override: Override | undefined): Kind {
  const { group, version, resource, kind, singular, namespaced } = facts;
  let schema: Schema | undefined;
  return {
    group,
    version,
    resource,
    kind,
    namespaced,
    singular,
    shortNames: facts.shortNames ?? [],
    categories: facts.categories ?? [],
    verbs: facts.verbs as Verb[],
    subresources: {
      __proto__: null as never,
      ...Object.fromEntries(
        Object.entries(facts.subresources ?? {}).map(([name, sub]) => [name, subresource(facts, sub)]),
      ),
    },
    get schema() {
      return (schema ??= definition(facts.definition) as Schema);
    },
    nameRule: 'subdomain',
    countsGenerations: false,
    selectableFields: {},
    columns: genericColumns,
    ...override,
  };
}

function subresource(of: GroupVersionKind, { kind, verbs }: { kind?: string; verbs: string[] }): Subresource {
  const parts = kind?.split('/') ?? [];
  const [name = of.kind, version = of.version, group = parts.length > 0 ? '' : of.group] = parts.toReversed();
  return { kind: { group, version, kind: name }, verbs: verbs as Verb[] };
}

const key = (group: string, version: string, name: string) => `${group}/${version}/${name}`;

/** Every built-in kind that is served, ordered by group, version and resource. */
export const kinds: readonly Kind[] = (resourceFacts as ResourceFacts[]).map((facts) =>
  kindOf(facts, overrides[key(facts.group, facts.version, facts.kind)]),
);

const byResource = new Map(kinds.map((kind) => [key(kind.group, kind.version, kind.resource), kind]));
const byKind = new Map(kinds.map((kind) => [key(kind.group, kind.version, kind.kind), kind]));

/** The kind served at this path. */
export function kindOfResource(group: string, version: string, resource: string): Kind | undefined {
  return byResource.get(key(group, version, resource));
}

export function kindOfGvk({ group, version, kind }: GroupVersionKind): Kind | undefined {
  return byKind.get(key(group, version, kind));
}
