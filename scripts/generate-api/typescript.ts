/** TypeScript of the facts: an interface per definition, a constant per served resource. */
import type { ResourceFacts } from './resources.ts';
import { type FieldFacts, type SchemaFacts, shortName } from './schema.ts';

const banner = '// Written by scripts/generate-api.ts; change that instead.\n';

/** Declared by machinery: the types that every object shares. */
const shared = new Map(
  [
    'ObjectMeta',
    'OwnerReference',
    'ManagedFieldsEntry',
    'ListMeta',
    'FieldsV1',
    'Status',
    'StatusCause',
    'StatusDetails',
  ].map((name) => [`meta.v1.${name}`, name]),
);

const scalarTypes: Record<string, string> = {
  string: 'string',
  boolean: 'boolean',
  int32: 'number',
  int64: 'number',
  double: 'number',
  integer: 'number',
  quantity: 'string',
  'int-or-string': 'number | string',
  time: 'string',
  'micro-time': 'string',
  byte: 'string',
  fields: 'FieldsV1',
  raw: 'Record<string, any>',
  object: 'Record<string, any>',
  any: 'any',
  'schema-or-array': 'JSONSchemaProps | JSONSchemaProps[]',
  'schema-or-bool': 'JSONSchemaProps | boolean',
  'schema-or-strings': 'JSONSchemaProps | string[]',
};

/** Groups in the order in which they get a plain name; later ones take their group's name in front. */
const precedence = [
  'meta.v1',
  'core.v1',
  'apps.v1',
  'autoscaling.v2',
  'batch.v1',
  'authentication.v1',
  'rbac.v1',
  'apiextensions.v1',
];

function typeNames(definitions: string[], served: ReadonlySet<string>): Map<string, string> {
  const home = (name: string) => name.slice(0, name.lastIndexOf('.'));
  const place = (name: string) =>
    (precedence.indexOf(home(name)) + 1 || precedence.length + 1).toString().padStart(2, '0');
  const rank = (name: string) => `${served.has(name) ? 0 : 1} ${place(name)} ${name}`;
  const names = new Map<string, string>();
  const taken = new Set(shared.values());
  for (const name of definitions.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))) {
    const plain = name.slice(name.lastIndexOf('.') + 1);
    const [group = '', version = ''] = home(name).split('.').slice(-2);
    const choices = [plain, group[0]!.toUpperCase() + group.slice(1) + plain, plain + version.toUpperCase()];
    const chosen =
      shared.get(name) ??
      choices.find((choice) => !taken.has(choice) && !(choice === choices[1] && group === 'autoscaling'));
    if (!chosen) throw new Error(`no free type name for ${name}`);
    taken.add(chosen);
    names.set(name, chosen);
  }
  return names;
}

export function typesFile(
  facts: SchemaFacts,
  resources: ResourceFacts[],
): { text: string; names: Map<string, string> } {
  const served = new Set(resources.map((resource) => shortName(resource.definition)));
  const names = typeNames(Object.keys(facts.definitions), served);
  const typeOf = (field: FieldFacts): string => {
    const type = (typeof field === 'string' ? field : field.t).replace(/[?!]$/, '');
    if (type.startsWith('[]')) return arrayOf(typeOf(type.slice(2)));
    if (type.startsWith('map:')) return `Record<string, ${typeOf(type.slice(4))}>`;
    const values = facts.strings[type];
    if (values) return values.length === 0 ? 'string' : values.map((value) => JSON.stringify(value)).join(' | ');
    return scalarTypes[type] ?? names.get(type) ?? fail(type);
  };
  const blocks = [...names]
    .filter(([name]) => !shared.has(name))
    .sort(([, a], [, b]) => (a < b ? -1 : 1))
    .map(([name, type]) => {
      const { f = {}, r = [] } = facts.definitions[name]!;
      const fields = Object.entries(f).map(([field, value]) => {
        const always =
          r.includes(field) || (served.has(name) && (field === 'metadata' || (field === 'spec' && shown(value))));
        const known = field === 'metadata' && name.endsWith('List') ? 'ListMeta' : typeOf(value);
        return `  ${JSON.stringify(field).replace(/^"(\w+)"$/, '$1')}${always ? '' : '?'}: ${known};`;
      });
      return fields.length === 0
        ? `export type ${type} = Record<string, never>;`
        : `export interface ${type} {\n${fields.join('\n')}\n}`;
    });
  const imports = [...shared.values()]
    .sort()
    .filter((name) => blocks.some((block) => new RegExp(`\\b${name}\\b`).test(block)));
  const head = `${banner}import type { ${imports.join(', ')} } from '../../machinery/index.ts';\n\n`;
  return { text: `${head}${blocks.join('\n\n')}\n`, names };
}

const shown = (field: FieldFacts) => (typeof field === 'string' ? field : field.t).endsWith('!');
const arrayOf = (type: string) => (/[ |]/.test(type) ? `(${type})[]` : `${type}[]`);
function fail(type: string): never {
  throw new Error(`no TypeScript type for ${type}`);
}

export function clientsFile(resources: ResourceFacts[], names: Map<string, string>): string {
  const taken = new Map<string, ResourceFacts>();
  const preferred = resources.toSorted((a, b) => rankOf(a) - rankOf(b));
  for (const facts of preferred) {
    const plural = camel(facts);
    const groupName = facts.group.split('.')[0]!;
    const name = [
      plural,
      groupName + plural[0]!.toUpperCase() + plural.slice(1),
      plural + facts.version.toUpperCase(),
    ].find((choice) => !taken.has(choice) && !(choice.startsWith('autoscaling') && facts.group === 'autoscaling'))!;
    taken.set(name, facts);
  }
  const types = [...new Set(resources.map((facts) => names.get(shortName(facts.definition))!))].sort();
  const constants = [...taken]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { group, version, resource, kind, namespaced, definition }]) => {
      const fields = `group: '${group}', version: '${version}', resource: '${resource}', kind: '${kind}', namespaced: ${namespaced}`;
      return `export const ${name}: Resource<${names.get(shortName(definition))}> = { ${fields} };`;
    });
  const head = `${banner}import type { Resource } from '../../machinery/index.ts';\nimport type {\n  ${types.join(',\n  ')},\n} from './types.ts';\n\n`;
  return `${head}${constants.join('\n')}\n`;
}

const rankOf = (facts: ResourceFacts) =>
  facts.group === '' ? 0 : facts.group === 'autoscaling' && facts.version === 'v1' ? 2 : 1;

/** `persistentVolumeClaims`: the kind's capitals on the plural resource. */
function camel({ kind, resource }: ResourceFacts): string {
  const initials = /^[A-Z]+(?=[A-Z][a-z]|$)/.exec(kind)?.[0] ?? kind[0]!;
  const stem = initials.toLowerCase() + kind.slice(initials.length);
  let common = 0;
  while (common < stem.length && stem[common]!.toLowerCase() === resource[common]) common++;
  return stem.slice(0, common) + resource.slice(common);
}
